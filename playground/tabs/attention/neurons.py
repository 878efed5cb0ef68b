"""Neurons: what excites a unit of an MLP, and what it adds to the logits."""

from typing import Any

from torch import Tensor

from core.interpretability import neurons
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, rounded
from playground.tabs.attention.neuron_search import Found, NeuronSearch
from playground.ui.components import view
from playground.ui.errors import server_function

SHOWN = 10  # tokens whose logits are raised, and as many that are lowered; units that are strongest at a token
BEFORE, AFTER = 12, 6  # tokens shown around a place in the corpus


def raised_and_lowered(look: ForwardPass, effect: Tensor) -> dict[str, list[list[Any]]]:
    """[token, change of its logit for an activation of 1], the largest changes first, either way."""
    most = min(SHOWN, len(effect))
    best = {"raised": effect.topk(most), "lowered": effect.topk(most, largest=False)}
    return {
        name: [[look.token(id), round(v, 4)] for id, v in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
        for name, top in best.items()
    }


def examples(look: ForwardPass, found: Found, layer: int, unit: int) -> list[dict[str, Any]]:
    """The places in the corpus that excite a unit most, each with the tokens around it that the model read with it."""
    blocks = found.places.blocks
    shown = []
    for place, activation in zip(
        found.places.places[layer, unit].tolist(), found.places.activations[layer, unit].tolist(), strict=True
    ):
        row, column = divmod(place, blocks.shape[1])
        tokens = [look.token(id) for id in blocks[row].tolist()]
        before, after = tokens[max(0, column - BEFORE) : column], tokens[column + 1 : column + 1 + AFTER]
        if activation > float("-inf"):
            around = {"before": "".join(before), "token": tokens[column], "after": "".join(after)}
            shown.append(around | {"activation": round(activation, 3)})
    return shown


def build(looks: ActivationCache, services: Services) -> None:
    search = NeuronSearch(looks.checkpoints)

    @server_function
    def strongest(request: dict[str, Any]) -> dict[str, Any]:
        """[layer, unit, activation] of those that add most to the residual stream at one token of the text."""
        look = looks.at(request["key"])
        last = len(look.ids) - 1
        position = last if request["query"] is None else min(request["query"], last)
        activations, lengths = neurons.contributions(look.model, look.trace, position)
        units = activations.shape[1]
        best = lengths.flatten().topk(min(SHOWN, lengths.numel())).indices.tolist()
        strengths = rounded(activations.flatten()[best].float(), 2)
        places = [[*divmod(i, units), strength] for i, strength in zip(best, strengths, strict=True)]
        return {"units": places, "position": position, "n_units": units}

    @server_function
    def neuron(request: dict[str, Any]) -> dict[str, Any]:
        """One unit: its activations on the text, the tokens that it raises and lowers, what excites it most."""
        look, layer, unit = looks.at(request["key"]), request["layer"], request["unit"]
        on_text = neurons.unit_activations(look.model, look.trace, layer)
        if not 0 <= unit < on_text.shape[1]:
            raise ValueError(f"the layer has {on_text.shape[1]:,} units: choose one from 1 to {on_text.shape[1]:,}")
        found = search.find(request["key"]["model"])
        source = {"corpus": found.corpus, "tokens_read": found.places.tokens_read} if found else {}
        return (
            {"tokens": look.tokens, "activations": rounded(on_text[:, unit].float(), 3)}
            | raised_and_lowered(look, neurons.logit_effect(look.model, layer, unit))
            | {"examples": examples(look, found, layer, unit) if found else None}
            | source
        )

    @server_function
    def search_neurons(request: dict[str, Any]) -> dict[str, Any]:
        """How far the search through the corpus is, after what was asked for: start, stop or look."""
        name = request["key"]["model"]
        if request["action"] == "start":
            search.start(name)
        elif request["action"] == "stop":
            search.stop()
        return search.status(name)

    view(
        "attention-neurons",
        "tabs/attention/neurons.js",
        "pg-neurons",
        functions=[strongest, neuron, search_neurons],
    )
