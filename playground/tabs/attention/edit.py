"""Edit and continue: one head weaker, stronger, or fixed on one token, and what the model then writes."""

from typing import Any

from core.generate import Sampling, stream
from core.interpretability import activations
from core.interpretability.head_edits import HeadEdit, edited_copy
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache
from playground.ui.components import view
from playground.ui.errors import server_function


def write_on(looks: ActivationCache, request: dict[str, Any]) -> dict[str, Any]:
    """What the model writes after the text with the edit that is asked for: each token with its probability.

    Raises ValueError if the text leaves no room in the context.
    """
    look = looks.at(request["key"])
    edit = HeadEdit(request["layer"], request["head"], request["scale"], request["token"])
    context = look.model.config.block_size
    room = context - len(look.ids)
    if room < 1:
        raise ValueError(f"the text fills the model's context of {context:,} tokens: shorten it, so that it can go on")
    wanted = min(request["length"], room)
    model = edited_copy(look.model, edit)
    sampling = Sampling(max_new_tokens=wanted, temperature=request["temperature"], seed=request["seed"])
    steps = list(stream(model, look.ids, sampling, {look.tokenizer.eot}, n_alternatives=0))
    ended = len(steps) < wanted
    is_cut = wanted < request["length"] and not ended
    loss = float(activations.losses(model, activations.trace(model, look.ids)).mean()) if len(look.ids) > 1 else None
    return {
        "tokens": [[look.token(step.id), round(step.probability, 4)] for step in steps],
        "ended": ended,
        "cut": f"The model's context of {context:,} tokens has no room for more." if is_cut else "",
        "loss": loss,
    }


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def write_edited(request: dict[str, Any]) -> dict[str, Any]:
        return write_on(looks, request)

    view("attention-edit", "tabs/attention/edit.js", "pg-edit", functions=[write_edited])
