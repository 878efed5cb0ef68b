"""Sampling: text from a model, one token at a time, for one prompt (`stream`) or many at once (`batch`).

Shapes: B texts, V vocab_size.
"""

import codecs
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from core.config import Config, setting
from core.graph_decoder import AHEAD, GraphDecoder, can_decode
from core.length_buckets import OF_LIKE_LENGTH, by_length
from core.model import GPT, KVCache
from core.packed_model import PackedGPT
from core.tokenizer import Tokenizer

Model = GPT | PackedGPT


@dataclass(frozen=True)
class Sampling(Config):
    """How the next token is drawn from the model's distribution."""

    max_new_tokens: int = setting(200, "Tokens to write at most", low=1, high=100_000, title="Longest answer")
    temperature: float = setting(
        0.6,
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
    longer than that, or if the model's output is no distribution. n_alternatives: 0 where nobody reads them.
    """
    context = Context(model, [ids], sampling)
    left = sampling.max_new_tokens
    while left:
        (drawn,), logits = context.write(left)
        left -= len(drawn)
        for step in describe_steps(drawn, logits[:, 0], n_alternatives):
            if step.id in stop:
                return
            yield step


def batch(
    model: Model,
    prompts: list[list[int]],
    sampling: Sampling,
    stop: Collection[int] = (),
    with_stop: bool = False,
) -> list[list[int]]:
    """The continuations of `prompts`, of any lengths, written side by side: only the new ids.

    The token of `stop` at which a text ended is not among them, unless `with_stop`.

    Text number i is the one that `stream` writes with the seed `sampling.seed + i`. Raises ValueError like `stream`,
    and if there are no prompts.
    """
    context = Context(model, prompts, sampling)
    rows = list(range(len(prompts)))  # of the texts that are not finished
    written: list[list[int]] = [[] for _ in prompts]
    left = sampling.max_new_tokens
    while left and rows:
        drawn, _ = context.write(left)
        left -= len(drawn[0])
        going = []
        for i, ids in enumerate(drawn):
            end = next((n for n, id in enumerate(ids) if id in stop), None)
            written[rows[i]] += ids[:end] if end is None else ids[: end + with_stop]
            if end is None:
                going.append(i)
        if len(going) < len(rows):
            context.keep(going)
            rows = [rows[i] for i in going]
    return written


# --- what the model has read ----------------------------------------------------------------------------------


class Context:
    """Texts that grow together, and what the model remembers of them: each token is read once (see `KVCache`)."""

    def __init__(self, model: Model, prompts: list[list[int]], sampling: Sampling):
        check(model, prompts, sampling)
        self.model, self.texts, self.sampling = model.eval(), [list(ids) for ids in prompts], sampling
        self.generators = [torch.Generator().manual_seed(sampling.seed + row) for row in range(len(prompts))]
        # Apple's GPUs lack the float64 that probabilities are summed up in, so there the CPU draws.
        self.device = torch.device("cpu") if model.device.type == "mps" else model.device
        self.said: Tensor | None = None  # which tokens each text holds, bool (B, V), if that matters
        if sampling.repetition_penalty != 1:
            self.said = tokens_in(prompts, model.config.vocab_size).to(self.device)
        self.capacity = max(map(len, prompts)) + sampling.max_new_tokens
        self.cache = KVCache(model, 0)
        self.decoder = None
        if isinstance(model, GPT) and can_decode(model):
            self.decoder = GraphDecoder.trusted(model, partial(draw, sampling=sampling))

    @torch.inference_mode()
    def write(self, most: int) -> tuple[list[list[int]], Tensor]:
        """The next tokens of each text, up to `most`, and the logits (n, B, V) from which they were drawn.

        On a GPU they are several, and some may lie behind a text's end.
        """
        room = self.cache.capacity - self.cache.length
        goes_on = self.decoder is not None and self.cache.length > 0 and room > 0
        if self.decoder and goes_on:
            unread = torch.tensor([ids[-1] for ids in self.texts])
            drawn, logits = self.decoder.write(unread, self.uniforms(min(most, room, AHEAD)))
        else:
            logits = self.next_logits()[None]
            drawn = draw(logits[0], self.uniforms(1)[0].to(self.device), self.said, self.sampling)[None]
        new: list[list[int]] = drawn.T.tolist()
        if DAMAGED in itertools.chain(*new):
            raise ValueError("the model's output is not a number: its weights are damaged, choose another checkpoint")
        for text, ids in zip(self.texts, new, strict=True):
            text += ids
        if self.said is not None:
            self.said.scatter_(1, drawn.T, True)
        if self.decoder and not goes_on:
            self.decoder.begin(self.cache, self.said)
        return new, logits

    @torch.inference_mode()
    def next_logits(self) -> Tensor:
        """Logits (B, V) for the token that follows each text."""
        if 0 < self.cache.length < self.cache.capacity:
            return self.logits([ids[-1:] for ids in self.texts], self.cache)
        # the beginning, or no room left: read what is visible of all of them
        texts = [ids[context_start(len(ids), self.model.config.block_size) :] for ids in self.texts]
        if self.model.device.type != "cpu" or len(texts) <= OF_LIKE_LENGTH:
            self.cache, logits = self.read(texts, self.capacity)
            return logits
        lengths = torch.tensor(list(map(len, texts)))
        longest = int(lengths.max())
        self.cache = KVCache(self.model, len(texts), self.capacity, longest - lengths)
        self.cache.length = longest
        logits = torch.empty(len(texts), self.model.config.vocab_size)
        for rows in by_length(lengths.tolist(), OF_LIKE_LENGTH):
            part, logits[rows] = self.read([texts[row] for row in rows], longest)
            self.cache.place(rows, part)
        return logits

    def read(self, texts: list[list[int]], capacity: int) -> tuple[KVCache, Tensor]:
        """A cache that holds these texts, shorter ones with empty slots before them; logits (B, V) for what follows."""
        padding = torch.tensor([max(map(len, texts)) - len(ids) for ids in texts], device=self.model.device)
        cache = KVCache(self.model, len(texts), capacity, padding)
        filled = [[0] * empty + ids for empty, ids in zip(padding.tolist(), texts, strict=True)]
        return cache, self.logits(filled, cache)

    def logits(self, unread: list[list[int]], cache: KVCache) -> Tensor:
        """Logits (B, V) for the token that follows, once these have been read behind what the cache holds."""
        idx = torch.tensor(unread, device=self.model.device)
        return self.model(idx, cache=cache, last_only=True)[0][:, -1].float().to(self.device)

    def uniforms(self, n: int) -> Tensor:
        """Numbers from [0, 1), (n, B), with which the next n tokens are drawn, from each text's own generator."""
        return torch.stack([torch.rand(n, generator=generator) for generator in self.generators], 1)

    def keep(self, rows: list[int]) -> None:
        """Forget all texts but these."""
        self.texts, self.generators = [self.texts[row] for row in rows], [self.generators[row] for row in rows]
        self.said = None if self.said is None else self.said[rows]
        if self.decoder:
            self.decoder.keep(rows)
        else:
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


DAMAGED = -1  # drawn where the model gives no usable distribution
SHORTLIST = 512  # likeliest tokens of a large vocabulary, among which what top-p keeps almost always is


def draw(logits: Tensor, uniforms: Tensor, said: Tensor | None, sampling: Sampling) -> Tensor:
    """One token for each row of logits (B, V), as ids (B,), or DAMAGED. All on the logits' device.

    uniforms: (B,) from [0, 1), all the chance there is: see `pick`. said: see `apply_repetition_penalty`. A GPU need
    not be waited for; a CPU, which sorts slowly, sorts a whole vocabulary only for rows whose shortlist is too short.
    """
    if said is not None:
        logits = apply_repetition_penalty(logits, said, sampling.repetition_penalty)
    if is_greedy(sampling):
        best, ids = logits.max(1)  # a NaN anywhere is the largest
        return torch.where(torch.isfinite(best), ids, DAMAGED)
    by_top_p = sampling.top_p < 1 and not sampling.top_k
    few = SHORTLIST if by_top_p and logits.device.type == "cpu" and logits.shape[1] >= 4 * SHORTLIST else None
    weights, candidates = apply_sampling(logits, sampling, few)
    ids = pick(weights, candidates, uniforms)
    if few:
        is_short = weights[:, -1] != 0  # the last one stays, so others behind it might; or it is NaN
        if is_short.any():
            ids[is_short] = pick(*apply_sampling(logits[is_short], sampling), uniforms[is_short])
    return ids


def pick(weights: Tensor, candidates: Tensor | None, uniforms: Tensor) -> Tensor:
    """The candidates, ids (B,), at which the weights (B, K), summed up, exceed the given share (B,) of their sum.

    candidates: ids (B, K); None = 0 to K - 1. DAMAGED where the weights are no numbers.
    """
    sums = running_sums(weights)
    total = sums[:, -1:]
    index = torch.searchsorted(sums, uniforms[:, None] * total, right=True)  # where they rise, so no weight is 0
    index = index.clamp(max=weights.shape[1] - 1)  # behind the end where there is a NaN
    ids = index if candidates is None else candidates.gather(1, index)
    return torch.where(torch.isfinite(total), ids, DAMAGED)[:, 0]


def running_sums(x: Tensor) -> Tensor:
    """`x.cumsum(1)` of x (B, K), in float64: in float32 there would be gaps that no number meets.

    All rows are summed up in one go, which a GPU does several times faster, and what came before a row is taken off.
    """
    summed = x.flatten().cumsum(0, dtype=torch.float64).view_as(x)
    return summed - (summed[:, :1] - x[:, :1])


def distribution(logits: Tensor, texts: list[list[int]], sampling: Sampling) -> Tensor:
    """The probabilities (B, V) with which the next token of each text is drawn, from the model's logits (B, V)."""
    if sampling.repetition_penalty != 1:
        said = tokens_in(texts, logits.shape[1]).to(logits.device)
        logits = apply_repetition_penalty(logits, said, sampling.repetition_penalty)
    if is_greedy(sampling):
        return torch.zeros_like(logits).scatter(1, logits.argmax(1, keepdim=True), 1.0)
    weights, candidates = apply_sampling(logits, sampling)
    if candidates is not None:
        weights = torch.zeros_like(logits).scatter(1, candidates, weights)
    return weights / weights.sum(1, keepdim=True)


def is_greedy(sampling: Sampling) -> bool:
    return sampling.temperature < 1e-6  # as good as 0, by which one cannot divide


def tokens_in(texts: list[list[int]], vocab_size: int) -> Tensor:
    """Which tokens each text holds, bool (B, V)."""
    said = torch.zeros(len(texts), vocab_size, dtype=torch.bool)
    for row, ids in zip(said, texts, strict=True):
        row[ids] = True
    return said


def apply_repetition_penalty(logits: Tensor, said: Tensor, penalty: float) -> Tensor:
    """Logits (B, V) with those of the tokens in `said`, bool (B, V), moved towards "unlikely".

    Keskar et al. 2019, arXiv:1909.05858, section 4.1.
    """
    return torch.where(said, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def apply_sampling(logits: Tensor, sampling: Sampling, few: int | None = None) -> tuple[Tensor, Tensor | None]:
    """Temperature, then top-k, top-p and min-p: the candidates' weights (B, K), 0 for those that fall away.

    A weight is how likely a token is compared with the likeliest. Where only the order tells what stays, they come
    likeliest first, with their ids (B, K); else all in the vocabulary's order, (B, V), without ids.
    few: for top-p without top-k, take no more than this many; a row is complete if its last weight is 0.
    Top-p: Holtzman et al. 2020, arXiv:1904.09751; min-p: Nguyen et al. 2024, arXiv:2407.01082.
    """
    scaled, candidates = logits / sampling.temperature, None
    if sampling.top_k:
        scaled, candidates = scaled.topk(sampling.top_k)
    weights = (scaled - scaled.amax(1, keepdim=True)).exp()
    if sampling.top_p < 1:
        enough = sampling.top_p * weights.sum(1, keepdim=True, dtype=torch.float64)
        if candidates is None:
            weights, candidates = weights.topk(few) if few else weights.sort(1, descending=True)
        before = running_sums(weights) - weights
        weights = weights.masked_fill(before >= enough, 0.0)
    if sampling.min_p > 0:
        weights = weights.masked_fill(weights < sampling.min_p, 0.0)
    return weights, candidates


def describe_steps(ids: list[int], logits: Tensor, n_alternatives: int) -> list[Step]:
    """Tokens, each drawn from its row of logits (n, V), beside those that the model found likeliest."""
    likely = torch.softmax(logits, 1)
    probabilities = likely.gather(1, torch.tensor(ids, device=likely.device)[:, None])[:, 0].tolist()
    best = likely.topk(min(n_alternatives, likely.shape[1]))
    ranked = [list(zip(*row, strict=True)) for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    return [Step(*step) for step in zip(ids, probabilities, ranked, strict=True)]


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
