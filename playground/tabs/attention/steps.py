"""Attention step by step: from queries and keys to weights, with the numbers of the forward pass."""

from typing import Any

from core.interpretability import activations
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, rounded
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def head_steps(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        T = len(look.ids)
        query = T - 1 if request["query"] is None else min(request["query"], T - 1)
        found = activations.steps(look.model, look.trace, request["layer"], request["head"], query)
        numbers = {name: rounded(getattr(found, name).float()) for name in ("q", "k", "v", "raw", "scaled", "masked")}
        numbers |= {name: rounded(getattr(found, name).float(), 5) for name in ("weights", "output")}
        return numbers | {"scale": found.scale, "query": query, "tokens": look.tokens}

    view("attention-steps", "tabs/attention/steps.js", "pg-steps", functions=[head_steps], diverging=DIVERGING)
