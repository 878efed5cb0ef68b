"""Two models side by side on the same text, and where they differ."""

from typing import Any

import torch

from core.checkpoint import read_config
from playground.services.services import Services
from playground.services.vocabularies import Vocabularies
from playground.tabs.attention.activation_cache import MOST_TOKENS, ActivationCache, ForwardPass, encoded, head_grid
from playground.tabs.attention.heatmaps import difference
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING
from playground.ui.text import page_text


def obstacle(looks: ActivationCache, vocabularies: Vocabularies, key: dict[str, Any], other: str) -> str:
    """Why the tokens of a look and of the model `other` cannot be laid over each other, in a few words, or nothing.

    The other model itself is not loaded for it.
    """
    mine = looks.at(key)
    try:
        tokenizer = vocabularies.load(other)
        context = read_config(looks.checkpoints.path(other) / "config.json").block_size
    except ValueError:
        return "cannot be read"
    if tokenizer.digest != mine.tokenizer.digest:
        return "has another vocabulary"
    tokens = len(tokenizer.encode(page_text(key["text"])))
    return "" if len(mine.ids) == min(tokens, MOST_TOKENS, context) else "reads another part of this long text"


def build(looks: ActivationCache, services: Services) -> None:
    checkpoints, vocabularies = looks.checkpoints, services.vocabularies

    def both(key: dict[str, Any], other: str) -> tuple[ForwardPass, ForwardPass]:
        """The chosen model's look and the other one's. Raises ValueError if they do not read the same tokens."""
        if reason := obstacle(looks, vocabularies, key, other):
            raise ValueError(f"{other} {reason}: choose another model")
        return looks.at(key), looks.at(key | {"model": other})

    @server_function
    def others(request: dict[str, Any]) -> dict[str, Any]:
        """[name, why it cannot be compared, empty if it can] of every other model."""
        key = request["key"]
        names = [name for name in checkpoints.names() if name != key["model"]]
        return {"others": [[name, obstacle(looks, vocabularies, key, name)] for name in names]}

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

    view(
        "attention-compare",
        "tabs/attention/compare.js",
        "pg-compare",
        functions=[others, compare, head_difference],
    )
