"""Text from a model, one token at a time: temperature, top-k, top-p (Holtzman et al. 2020, arXiv:1904.09751).

Shapes: V vocab_size.
"""

import codecs
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.config import Config, setting
from core.model import GPT, KVCache
from core.tokenizer import Tokenizer


@dataclass(frozen=True)
class Sampling(Config):
    """How the next token is drawn from the model's distribution."""

    max_new_tokens: int = setting(200, "Tokens to write at most", low=1, high=100_000)
    temperature: float = setting(
        0.8,
        "Below 1 sharpens the distribution, above 1 flattens it; 0 always takes the likeliest",
        low=0.0,
        high=5.0,
        step=0.05,
    )
    top_k: int = setting(0, "Draw from this many likeliest tokens only; 0 = from all", low=0)
    top_p: float = setting(
        0.95,
        "Draw from the likeliest tokens that together reach this probability; 1 = from all",
        low=0.01,
        high=1.0,
        step=0.01,
    )
    seed: int = setting(0, "The same seed gives the same text", low=0, high=2**53)


@dataclass(frozen=True)
class Step:
    """One generated token. Probabilities are the model's own: before temperature, top-k and top-p."""

    id: int
    probability: float
    alternatives: list[tuple[int, float]]  # the likeliest ids with their probabilities, best first


@dataclass(frozen=True)
class TextStep(Step):
    """One generated token and the characters that became complete with it ("" in the midst of one)."""

    text: str = field(default="", kw_only=True)


def stream(
    model: GPT, ids: list[int], sampling: Sampling, stop: Collection[int] = (), n_alternatives: int = 5
) -> Iterator[Step]:
    """Continue `ids`, yielding each token as it is drawn; ends after `max_new_tokens` or before a token in `stop`.

    A text longer than `block_size` slides: see `context_start`. Raises ValueError if there is nothing to continue.
    """
    if not ids:
        raise ValueError("nothing to continue: give at least one token")
    ids = list(ids)
    generator = torch.Generator().manual_seed(sampling.seed)
    model.eval()
    cache, cached_from, cached_to = KVCache(model), 0, 0
    for _ in range(sampling.max_new_tokens):
        start = context_start(len(ids), model.config.block_size)
        if start != cached_from:
            cache, cached_from, cached_to = KVCache(model), start, start
        logits = next_logits(model, ids[cached_to:], cache)  # (V,)
        cached_to = len(ids)
        step = draw(logits, sampling, generator, n_alternatives)
        if step.id in stop:
            return
        ids.append(step.id)
        yield step


@torch.inference_mode()
def next_logits(model: GPT, ids: list[int], cache: KVCache) -> Tensor:
    """Logits (V,) for the token after `ids`, which follow what `cache` holds."""
    idx = torch.tensor([ids], device=model.device)
    return model(idx, cache=cache, last_only=True)[0][0, -1].float().cpu()


def context_start(length: int, block_size: int) -> int:
    """Index of the first token that the model still sees of a text of `length` tokens.

    The context slides by half a block at a time: positions are learned, so every slide makes all keys and values
    anew, and sliding by one would cost a whole forward pass a token.
    """
    hop = max(1, block_size // 2)
    return max(0, -(-(length - block_size) // hop) * hop)


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator, n_alternatives: int) -> Step:
    """One token from logits (V,). Raises ValueError if the model gives no usable distribution."""
    if not torch.isfinite(logits.max()) or torch.isnan(logits).any():
        raise ValueError("the model's output is not a number: its weights are damaged, choose another checkpoint")
    likely = torch.softmax(logits, 0)
    if sampling.temperature < 1e-6:  # as good as 0, by which one cannot divide
        id = int(likely.argmax())
    else:
        id = int(torch.multinomial(reshape(logits, sampling), 1, generator=generator))
    best = likely.topk(min(n_alternatives, len(likely)))
    alternatives = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return Step(id, float(likely[id]), alternatives)


def reshape(logits: Tensor, sampling: Sampling) -> Tensor:
    """The distribution (V,) that is drawn from: temperature, then top-k, then top-p."""
    scaled = logits / sampling.temperature
    if 0 < sampling.top_k < len(scaled):
        scaled = scaled.masked_fill(scaled < scaled.topk(sampling.top_k).values[-1], float("-inf"))
    probabilities = torch.softmax(scaled, 0)
    if sampling.top_p < 1:
        ordered, index = probabilities.sort(descending=True)
        beyond = ordered.cumsum(0) - ordered >= sampling.top_p  # what comes before already reaches top_p
        probabilities = probabilities.index_fill(0, index[beyond], 0.0)
    return probabilities / probabilities.sum()


def stream_text(
    model: GPT, tokenizer: Tokenizer, prompt: str, sampling: Sampling, stop: Collection[int] | None = None
) -> Iterator[TextStep]:
    """Continue the text `prompt`; ends before `<|endoftext|>` unless `stop` says otherwise.

    The concatenated `text` of the steps is valid Unicode: characters come whole, bytes that form none as U+FFFD, and
    one that is incomplete at the end not at all.
    An empty prompt starts a new document.
    """
    ids = tokenizer.encode(prompt) or [tokenizer.eot]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for step in stream(model, ids, sampling, {tokenizer.eot} if stop is None else stop):
        text = decoder.decode(tokenizer.token_bytes(step.id))
        yield TextStep(step.id, step.probability, step.alternatives, text=text)
