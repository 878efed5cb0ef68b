"""The logit lens: what each layer would say next."""

from typing import Any

from core.interpretability import activations
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, rounded
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import SCALE


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def logit_lens(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        lens = activations.logit_lens(look.model, look.trace)
        names = {id: look.token(id) for id in set(lens.ids.flatten().tolist())}
        return {
            "tokens": look.tokens,
            "best": [[[names[id] for id in cell] for cell in row] for row in lens.ids.tolist()],
            "probabilities": rounded(lens.probabilities.float()),
            "actual": rounded(lens.actual.float()),
            "scale": SCALE,
        }

    view("attention-lens", "tabs/attention/lens.js", "pg-lens", functions=[logit_lens])
