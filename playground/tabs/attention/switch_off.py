"""Ablation, heads switched off: what the model then says next, and how much worse it reads the text."""

from typing import Any

import torch

from core.interpretability import activations
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, rounded
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING

SHOWN = 10  # tokens of each distribution


def likeliest(look: ForwardPass, before: torch.Tensor, after: torch.Tensor) -> list[list[Any]]:
    """[token, probability before, after] of the tokens that are likeliest in either."""
    best = torch.maximum(before, after).topk(min(SHOWN, len(before))).indices.tolist()
    best.sort(key=lambda id: -float(before[id]))
    return [[look.token(id), round(float(before[id]), 4), round(float(after[id]), 4)] for id in best]


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def without(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        model, last = look.model, len(look.ids) - 1
        position = last if request["query"] is None else min(request["query"], last)
        heads = [(layer, head) for layer, head in request["heads"]]
        with activations.ablate_heads(model, heads):
            seen = activations.trace(model, look.ids)
        before, after = (activations.next_token(model, trace, position) for trace in (look.trace, seen))
        return {
            "rows": likeliest(look, before, after),
            "position": position,
            "tokens": look.tokens,
            "loss": look.loss,
            "loss_after": float(activations.losses(model, seen).mean()) if last else None,
        }

    @server_function
    def change_of_layer(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        return {"changes": rounded(activations.ablate_layer(look.model, look.trace, request["layer"]), 5)}

    view(
        "attention-switch-off",
        "tabs/attention/switch_off.js",
        "pg-switch-off",
        functions=[without, change_of_layer],
        diverging=DIVERGING,
    )
