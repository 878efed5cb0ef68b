"""Long texts: one head's attention on a text up to the model's context, as one picture."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.interpretability import activations
from core.interpretability.activations import Trace
from core.model import GPT
from playground.services.checkpoints import Checkpoints, Key, get_or_make
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, encoded
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import SCALE
from playground.ui.text import page_text, visible_token

MOST_TOKENS = 2048  # a picture of as many rows and columns is what a browser draws without a stall
MOST_CHARACTERS = 40_000  # more than enough for them
KEPT_PASSES = 2  # GPT-2's residual streams of 1,024 tokens take 41 MB


@dataclass(frozen=True)
class LongPass:
    """One model's pass over the first T tokens of a text."""

    model: GPT
    trace: Trace
    tokens: list[str]
    total: int  # tokens of the text
    seconds: float  # of the pass

    def weights(self, layer: int, head: int) -> Tensor:
        """(T, T) on the CPU."""
        return activations.head_attention(self.model, self.trace, layer, head).float().cpu()

    @property
    def cut(self) -> str:
        """A sentence if not all of the text was read."""
        T, context = len(self.tokens), self.model.config.block_size
        if self.total == T:
            return ""
        why = f"the model's context holds {context:,}" if context == T else f"a picture holds {MOST_TOKENS:,}"
        return f"Only the first {T:,} tokens are shown, of {self.total:,}: {why}."


class LongPasses:
    """The latest passes over long texts."""

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.passes: dict[tuple[Key, str], LongPass] = {}
        self.lock = threading.Lock()

    def at(self, name: str, text: str) -> LongPass:
        """Raises ValueError for an unknown model or an empty text."""
        with self.lock:
            return get_or_make(
                self.passes, (self.checkpoints.key(name), text), lambda: self.make(name, text), KEPT_PASSES
            )

    def make(self, name: str, text: str) -> LongPass:
        loaded = self.checkpoints.load(name)
        model, tokenizer = loaded.model, loaded.tokenizer
        ids = tokenizer.encode(page_text(text))
        began = time.perf_counter()
        seen = activations.trace(model, ids[: min(MOST_TOKENS, model.config.block_size)])
        seconds = time.perf_counter() - began
        tokens = [visible_token(tokenizer.token_bytes(id)) for id in seen.ids]
        return LongPass(model, seen, tokens, len(ids), seconds)


def build(looks: ActivationCache, services: Services) -> None:
    passes = LongPasses(looks.checkpoints)

    @server_function
    def read_long(request: dict[str, Any]) -> dict[str, Any]:
        """The forward pass, and the tokens that it read."""
        read = passes.at(request["model"], request["text"])
        return {"tokens": read.tokens, "cut": read.cut, "seconds": read.seconds, "scale": SCALE}

    @server_function
    def long_head(request: dict[str, Any]) -> dict[str, Any]:
        """The weights of one head in that pass, as bytes."""
        weights = passes.at(request["model"], request["text"]).weights(request["layer"], request["head"])
        return {"weights": encoded(weights * 255, torch.uint8)}

    view("attention-long", "tabs/attention/long_text.js", "pg-long", functions=[read_long, long_head])
