"""The activation cache: forward passes that people look into, kept for a while.

A look is asked for by its key, which the page holds: {"model": name, "text": text}, and "step" for a run's snapshot.
"""

import base64
import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.checkpoint import Checkpoint
from core.interpretability import activations
from core.interpretability.activations import Trace
from core.interpretability.head_patterns import PATTERNS, Recognised, recognise, repeated_tokens, sharpest
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints, get_or_make
from playground.ui.palette import LINES, MARKS, SCALE
from playground.ui.text import page_text, visible_token

MOST_TOKENS = 128  # a head's picture has a row of pixels a token; a longer text is cut
MOST_CHARACTERS = 4000  # more than enough for them
KEPT_PASSES = 6


@dataclass(frozen=True)
class ForwardPass:
    """One model's pass over the first T tokens of a text."""

    model: GPT
    tokenizer: Tokenizer
    trace: Trace
    weights: Tensor  # (n_layer, n_head, T, T) on the CPU
    tokens: list[str]
    found: Recognised  # what the heads do on this text
    known: Recognised  # what they do on repeated random tokens
    seconds: float  # of the pass

    @property
    def ids(self) -> list[int]:
        return self.trace.ids

    @property
    def loss(self) -> float | None:
        """Nats a token on this text; None if there is nothing to predict."""
        return float(activations.losses(self.model, self.trace).mean()) if len(self.ids) > 1 else None

    def token(self, id: int) -> str:
        return visible_token(self.tokenizer.token_bytes(id))


class ActivationCache:
    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.passes: dict[tuple[Any, ...], ForwardPass] = {}
        self.known: dict[tuple[Any, ...], Recognised] = {}
        self.lock = threading.RLock()

    def at(self, key: Mapping[str, Any]) -> ForwardPass:
        """The look behind `key`. Raises ValueError for an unknown model or an empty text."""
        name, text, step = key["model"], key["text"], key.get("step")
        model_key = (*self.checkpoints.key(name), step)
        with self.lock:
            return get_or_make(
                self.passes, (model_key, text), lambda: self.make(model_key, name, text, step), KEPT_PASSES
            )

    def make(self, model_key: tuple[Any, ...], name: str, text: str, step: int | None) -> ForwardPass:
        checkpoints = self.checkpoints
        loaded = checkpoints.load(name) if step is None else checkpoints.load_snapshot(name, step)
        model, tokenizer = loaded.model, loaded.tokenizer
        ids = tokenizer.encode(page_text(text)[:MOST_CHARACTERS])[: most_tokens(model)]
        began = time.perf_counter()
        seen = activations.trace(model, ids)
        weights = activations.attention_of(model, seen).float().cpu()
        seconds = time.perf_counter() - began
        tokens = [visible_token(tokenizer.token_bytes(id)) for id in ids]
        known = get_or_make(self.known, model_key, lambda: recognise_heads(loaded), 2 * KEPT_PASSES)
        return ForwardPass(model, tokenizer, seen, weights, tokens, recognise(weights, ids), known, seconds)


def most_tokens(model: GPT) -> int:
    return min(MOST_TOKENS, model.config.block_size)


def recognise_heads(loaded: Checkpoint[GPT]) -> Recognised:
    """What the heads of a model do where nothing but repetition helps."""
    ids = repeated_tokens(loaded.tokenizer.vocab_size, loaded.model.config.block_size)
    return recognise(activations.attention(loaded.model, ids).float().cpu(), ids)


def head_grid(look: ForwardPass) -> dict[str, Any]:
    """All heads for the page to draw, with what is known about each."""
    n_layer, n_head, _, _ = look.weights.shape
    return {
        "n_layer": n_layer,
        "n_head": n_head,
        "tokens": look.tokens,
        "weights": encoded(look.weights * 255, torch.uint8),
        "scale": SCALE,
        "loss": look.loss,
        "seconds": look.seconds,
        "patterns": patterns(),
        "line_colors": LINES,
        "sharpest": sharpest(look.found),
        "heads": {"test": describe_heads(look.known), "text": describe_heads(look.found)},
    }


def patterns() -> list[dict[str, str]]:
    """What a head may be called, in the order in which it is shown: name, title, about, color, and the letter's ink."""
    marks = itertools.cycle(MARKS)
    return [
        {"name": name, "title": pattern.title, "about": pattern.about, "color": color, "ink": ink}
        for (name, pattern), (color, ink) in zip(PATTERNS.items(), marks, strict=False)
    ]


def describe_heads(found: Recognised) -> dict[str, Any]:
    """Names, entropies and scores of all heads, layer after layer."""
    numbers = {name: rounded(scores.flatten()) for name, scores in found.scores.items()}
    numbers["entropy"] = rounded(found.entropy.flatten())
    return {"names": [name for layer in found.names for name in layer], "numbers": numbers}


def encoded(weights: Tensor, dtype: torch.dtype) -> str:
    """The lower triangles of weights (..., T, T), row after row, as numbers of `dtype` in base64."""
    rows, columns = torch.tril_indices(*weights.shape[-2:])
    numbers = weights[..., rows, columns].round().clamp(min=0)
    return base64.b64encode(numbers.to(dtype).numpy().tobytes()).decode()


def rounded(numbers: Tensor, digits: int = 4) -> list[Any]:
    """Numbers for the page, of any shape; -inf, which JSON lacks, becomes None."""
    if numbers.dim() > 1:
        return [rounded(row, digits) for row in numbers]
    return [None if number == -torch.inf else round(number, digits) for number in numbers.tolist()]
