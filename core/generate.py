"""Sampling: text from a model, one token at a time, for one prompt (`stream`) or many at once (`batch`).

Shapes: B texts, V vocab_size.
"""

import codecs
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.config import Config, setting
from core.model import GPT, KVCache
from core.packed_model import PackedGPT
from core.tokenizer import Tokenizer

Model = GPT | PackedGPT


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
    min_p: float = setting(
        0.0,
        "Draw only from tokens at least this share as likely as the likeliest; 0 = from all",
        low=0.0,
        high=1.0,
        step=0.01,
    )
    repetition_penalty: float = setting(
        1.0, "Above 1 makes tokens that the text already holds less likely", low=1.0, high=10.0, step=0.05
    )
    seed: int = setting(0, "The same seed gives the same text", low=0, high=2**53)


@dataclass(frozen=True)
class Step:
    """One generated token. Probabilities are the model's own: before anything that `Sampling` does."""

    id: int
    probability: float
    alternatives: list[tuple[int, float]]  # the likeliest ids with their probabilities, best first


@dataclass(frozen=True)
class TextStep(Step):
    """One generated token and the characters that became complete with it ("" in the midst of one)."""

    text: str = field(default="", kw_only=True)


def stream(
    model: Model, ids: list[int], sampling: Sampling, stop: Collection[int] = (), n_alternatives: int = 5
) -> Iterator[Step]:
    """Continue `ids`, yielding each token as it is drawn; ends after `max_new_tokens` or before a token in `stop`.

    A text that grows longer than `block_size` slides: see `context_start`. Raises ValueError if the prompt is empty or
    longer than that, or if the model's output is no distribution.
    """
    context = Context(model, [ids], sampling)
    generator = torch.Generator().manual_seed(sampling.seed)
    for _ in range(sampling.max_new_tokens):
        logits = context.next_logits()  # (1, V)
        id = draw(logits, context.texts, sampling, [generator])[0]
        if id in stop:
            return
        context.append([id])
        yield describe_step(id, logits[0], n_alternatives)


def batch(model: Model, prompts: list[list[int]], sampling: Sampling, stop: Collection[int] = ()) -> list[list[int]]:
    """The continuations of `prompts`, of any lengths, written side by side: only the new ids, without the stop token.

    Text number i is the one that `stream` writes with the seed `sampling.seed + i`. Raises ValueError like `stream`,
    and if there are no prompts.
    """
    context = Context(model, prompts, sampling)
    rows = list(range(len(prompts)))  # of the texts that are not finished
    generators = [torch.Generator().manual_seed(sampling.seed + row) for row in rows]
    written: list[list[int]] = [[] for _ in prompts]
    for _ in range(sampling.max_new_tokens):
        drawn = draw(context.next_logits(), context.texts, sampling, generators)
        going = [i for i, id in enumerate(drawn) if id not in stop]
        if len(going) < len(rows):
            context.keep(going)
            rows, drawn = [rows[i] for i in going], [drawn[i] for i in going]
            generators = [generators[i] for i in going]
        if not rows:
            break
        context.append(drawn)
        for row, id in zip(rows, drawn, strict=True):
            written[row].append(id)
    return written


# --- what the model has read ----------------------------------------------------------------------------------


class Context:
    """Texts that grow together, and what the model remembers of them: each token is read once (see `KVCache`)."""

    def __init__(self, model: Model, prompts: list[list[int]], sampling: Sampling):
        check(model, prompts, sampling)
        self.model, self.texts = model.eval(), [list(ids) for ids in prompts]
        self.capacity = max(map(len, prompts)) + sampling.max_new_tokens
        self.cache = KVCache(model, 0)

    @torch.inference_mode()
    def next_logits(self) -> Tensor:
        """Logits (B, V) for the token that follows each text."""
        if 0 < self.cache.length < self.cache.capacity:
            unread = [ids[-1:] for ids in self.texts]
        else:  # the beginning, or no room left: read what is visible of all of them
            unread = [ids[context_start(len(ids), self.model.config.block_size) :] for ids in self.texts]
            padding = torch.tensor([max(map(len, unread)) - len(ids) for ids in unread], device=self.model.device)
            unread = [[0] * empty + ids for empty, ids in zip(padding.tolist(), unread, strict=True)]
            self.cache = KVCache(self.model, len(unread), self.capacity, padding)
        idx = torch.tensor(unread, device=self.model.device)
        return self.model(idx, cache=self.cache, last_only=True)[0][:, -1].float().cpu()

    def append(self, ids: list[int]) -> None:
        for text, id in zip(self.texts, ids, strict=True):
            text.append(id)

    def keep(self, rows: list[int]) -> None:
        """Forget all texts but these."""
        self.texts = [self.texts[row] for row in rows]
        self.cache.keep(rows)


def check(model: Model, prompts: list[list[int]], sampling: Sampling) -> None:
    """Raise ValueError, in words, for what cannot be continued."""
    if not prompts:
        raise ValueError("nothing to continue: give at least one prompt")
    if sampling.top_k > model.config.vocab_size:
        raise ValueError(
            f"top_k must be at most the vocabulary's {model.config.vocab_size} tokens, got {sampling.top_k}; 0 = all"
        )
    for ids in prompts:
        if not ids:
            raise ValueError("nothing to continue: give at least one token")
        if len(ids) > model.config.block_size:
            raise ValueError(
                f"the prompt has {len(ids)} tokens, but the model's context holds {model.config.block_size}: shorten it"
            )
        if bad := [id for id in ids if not 0 <= id < model.config.vocab_size]:
            raise ValueError(f"token id {bad[0]} is outside the vocabulary of {model.config.vocab_size}")


def context_start(length: int, block_size: int) -> int:
    """Index of the first token that the model still sees of a text of `length` tokens.

    The context slides by half a block at a time: positions are learned, so every slide makes all keys and values
    anew, and sliding by one would cost a whole forward pass a token.
    """
    hop = max(1, block_size // 2)
    return max(0, -(-(length - block_size) // hop) * hop)


# --- drawing a token ------------------------------------------------------------------------------------------


def draw(logits: Tensor, texts: list[list[int]], sampling: Sampling, generators: list[torch.Generator]) -> list[int]:
    """One token for each row of logits (B, V). Raises ValueError if the model gives no usable distribution."""
    if not torch.isfinite(logits.amax(1)).all():  # a NaN anywhere is the largest
        raise ValueError("the model's output is not a number: its weights are damaged, choose another checkpoint")
    probabilities = distribution(logits, texts, sampling)
    return [
        int(torch.multinomial(row, 1, generator=generator))
        for row, generator in zip(probabilities, generators, strict=True)
    ]


def distribution(logits: Tensor, texts: list[list[int]], sampling: Sampling) -> Tensor:
    """The probabilities (B, V) with which the next token of each text is drawn, from the model's logits (B, V)."""
    if sampling.repetition_penalty != 1:
        logits = torch.stack(
            [apply_repetition_penalty(row, ids, sampling) for row, ids in zip(logits, texts, strict=True)]
        )
    if sampling.temperature < 1e-6:  # as good as 0, by which one cannot divide
        return torch.zeros_like(logits).scatter(1, logits.argmax(1, keepdim=True), 1.0)
    return apply_sampling(logits, sampling)


def apply_repetition_penalty(logits: Tensor, ids: list[int], sampling: Sampling) -> Tensor:
    """Logits (V,) with those of `ids` moved towards "unlikely" (Keskar et al. 2019, arXiv:1909.05858, section 4.1)."""
    seen = torch.tensor(sorted(set(ids)))
    old, penalty = logits[seen], sampling.repetition_penalty
    return logits.index_put((seen,), torch.where(old > 0, old / penalty, old * penalty))


def apply_sampling(logits: Tensor, sampling: Sampling) -> Tensor:
    """Temperature, then top-k, top-p and min-p: probabilities (B, V).

    Top-p: Holtzman et al. 2020, arXiv:1904.09751; min-p: Nguyen et al. 2024, arXiv:2407.01082.
    """
    scaled = logits / sampling.temperature
    if sampling.top_k:
        scaled = scaled.masked_fill(scaled < scaled.topk(sampling.top_k).values[:, -1:], -torch.inf)
    probabilities = torch.softmax(scaled, 1)
    if sampling.top_p < 1:
        ordered, index = probabilities.sort(1, descending=True)
        beyond = ordered.cumsum(1) - ordered >= sampling.top_p  # what comes before already reaches top_p
        probabilities = probabilities.masked_fill(torch.zeros_like(beyond).scatter(1, index, beyond), 0.0)
    if sampling.min_p > 0:
        probabilities = probabilities.masked_fill(
            probabilities < sampling.min_p * probabilities.amax(1, keepdim=True), 0.0
        )
    return probabilities / probabilities.sum(1, keepdim=True)


def describe_step(id: int, logits: Tensor, n_alternatives: int) -> Step:
    """Token `id`, which was drawn from logits (V,), beside the ones that the model found likeliest."""
    likely = torch.softmax(logits, 0)
    best = likely.topk(min(n_alternatives, len(likely)))
    return Step(id, float(likely[id]), list(zip(best.indices.tolist(), best.values.tolist(), strict=True)))


# --- text -----------------------------------------------------------------------------------------------------


def stream_text(
    model: Model,
    tokenizer: Tokenizer,
    ids: list[int],
    sampling: Sampling,
    stop: Collection[int] | None = None,
    n_alternatives: int = 5,
) -> Iterator[TextStep]:
    """Continue the prompt `ids`; ends before `<|endoftext|>` unless `stop` says otherwise.

    The concatenated `text` of the steps is valid Unicode: characters come whole, bytes that form none as U+FFFD, and
    one that is incomplete at the end not at all.
    An empty prompt starts a new document.
    """
    ids = ids or [tokenizer.eot]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for step in stream(model, ids, sampling, {tokenizer.eot} if stop is None else stop, n_alternatives):
        text = decoder.decode(tokenizer.token_bytes(step.id))
        yield TextStep(step.id, step.probability, step.alternatives, text=text)
