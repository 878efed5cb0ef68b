"""Direct logit attribution: what embeddings, heads, MLPs and biases add to the logit of a token."""

from typing import Any

from core.interpretability.activations import next_token
from core.interpretability.attribution import attribute
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, rounded
from playground.tabs.attention.typed_token import typed_token
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING

OFFERED = 12  # of the likeliest tokens


def choices(look: ForwardPass, position: int, also: list[int]) -> list[dict[str, Any]]:
    """The likeliest tokens after a position, the one that really comes, and others that are asked for."""
    likely = next_token(look.model, look.trace, position)
    ids = likely.topk(min(OFFERED, len(likely))).indices.tolist()
    following = look.ids[position + 1] if position + 1 < len(look.ids) else None
    offered = dict.fromkeys([*ids, *([] if following is None else [following]), *also])
    return [
        {"id": id, "text": look.token(id), "probability": float(likely[id]), "really_next": id == following}
        for id in offered
    ]


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def attribution(request: dict[str, Any]) -> dict[str, Any]:
        """The terms of `token`'s logit, or of what is typed; of the likeliest token if there is neither."""
        look = looks.at(request["key"])
        last = len(look.ids) - 1
        position = last if request["query"] is None else min(request["query"], last)
        token, against, note = request["token"], request["against"], ""
        if request["typed"]:
            token, note = typed_token(look.tokenizer, request["typed"])
        if token is None:
            token = int(next_token(look.model, look.trace, position).argmax())
        if against == token:
            against = None
        found = attribute(look.model, look.trace, position, token, against)
        return {
            "tokens": look.tokens,
            "position": position,
            "choices": choices(look, position, [id for id in (token, against) if id is not None]),
            "token": token,
            "against": against,
            "note": note,
            "token_embedding": found.token_embedding,
            "position_embedding": found.position_embedding,
            "heads": rounded(found.heads, 5),
            "mlps": rounded(found.mlps, 5),
            "biases": found.biases,
            "n_biases": found.n_biases,
            "sum": found.total,
            "logit": found.logit,
        }

    view(
        "attention-attribution",
        "tabs/attention/attribution.js",
        "pg-attribution",
        functions=[attribution],
        diverging=DIVERGING,
    )
