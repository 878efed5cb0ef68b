"""One head large: its weights as a picture, the text it reads lit up, and all of it as files."""

from typing import Any

import torch

from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, encoded, head_grid
from playground.tabs.attention.export_html import export_html
from playground.tabs.attention.heads import next_tokens
from playground.tabs.attention.heatmaps import heatmap
from playground.ui.components import view
from playground.ui.errors import server_function

# Of the picture, by what it is of; the exported page fills them in, too.
TITLES = {
    "head": "Layer {layer}, head {head}",
    "layer": "Layer {layer}, mean over its heads",
    "all": "Mean over all heads",
}


def build(looks: ActivationCache, services: Services) -> None:
    @server_function
    def focus_head(request: dict[str, Any]) -> dict[str, Any]:
        look, layer, head = looks.at(request["key"]), request["layer"], request["head"]
        over = request["over"]
        weights = {
            "head": lambda: look.weights[layer, head],
            "layer": lambda: look.weights[layer].mean(0),
            "all": lambda: look.weights.mean((0, 1)),
        }[over]()
        return heatmap(weights, look.tokens, TITLES[over].format(layer=layer + 1, head=head + 1))

    @server_function
    def standalone(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        grid = head_grid(look) | {"cut": "", "key": request["key"], "next": next_tokens(look)}
        exact = encoded(look.weights * 65535, torch.int32)
        return {"html": export_html(grid, exact, heatmap(look.weights[0, 0], look.tokens, ""), TITLES)}

    view("attention-head", "tabs/attention/head.js", "pg-head-view", functions=[focus_head, standalone])
