"""Two models side by side on the same text, and where they differ."""

from typing import Any

import torch

from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, encoded, head_grid
from playground.tabs.attention.heatmaps import difference
from playground.ui.components import intro, view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING


def build(looks: ActivationCache, services: Services) -> None:
    checkpoints = looks.checkpoints

    def both(key: dict[str, Any], other: str) -> tuple[ForwardPass, ForwardPass]:
        """The chosen model's look and the other one's. Raises ValueError if they do not read the same tokens."""
        if checkpoints.load(key["model"]).tokenizer.digest != checkpoints.load(other).tokenizer.digest:
            raise ValueError(
                f"{key['model']} and {other} have different vocabularies, so their tokens cannot be laid over each "
                "other: choose a model that was trained from the other one, or with its vocabulary (setting tokenizer)"
            )
        mine, theirs = looks.at(key), looks.at(key | {"model": other})
        if len(mine.ids) != len(theirs.ids):
            raise ValueError(
                f"the smaller context of the two models cuts this text ({len(mine.ids)} and {len(theirs.ids)} tokens): "
                "shorten it"
            )
        return mine, theirs

    @server_function
    def others(request: dict[str, Any]) -> dict[str, Any]:
        return {"names": [name for name in checkpoints.names() if name != request["key"]["model"]]}

    @server_function
    def compare(request: dict[str, Any]) -> dict[str, Any]:
        mine, theirs = both(request["key"], request["other"])
        answer = {"mine": head_grid(mine), "theirs": head_grid(theirs), "scale": DIVERGING}
        if mine.weights.shape != theirs.weights.shape:
            a, b = (f"{look.weights.shape[0]} x {look.weights.shape[1]}" for look in (mine, theirs))
            return answer | {"note": f"The models have {a} and {b} heads: there is no difference map."}
        change = theirs.weights - mine.weights
        largest = max(0.05, float(change.abs().max()))
        middle = 127.5 * (1 + change / largest)
        return answer | {"change": encoded(middle, torch.uint8), "largest": largest}

    @server_function
    def head_difference(request: dict[str, Any]) -> dict[str, Any]:
        mine, theirs = both(request["key"], request["other"])
        layer, head = request["layer"], request["head"]
        title = f"Layer {layer + 1}, head {head + 1}: {request['other']} minus {request['key']['model']}"
        return difference(theirs.weights[layer, head] - mine.weights[layer, head], mine.tokens, title)

    intro(
        "Two models read the same text: orange cells got more attention in the second one, blue cells less.",
        "Compare a model with one that was trained further from it, and click the head that changed most.",
    )
    view(
        "attention-compare",
        "tabs/attention/compare.js",
        "pg-compare",
        functions=[others, compare, head_difference],
    )
