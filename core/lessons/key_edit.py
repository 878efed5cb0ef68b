"""One row of an attention head: what it looks at, what that sums to, and how one key must change to be looked at.

A score is q . k / sqrt(d_k) (Vaswani et al. 2017, equation 1), so only the part of a key along the query counts: the
shortest change that gives a key the score s moves it along q by (s - score) sqrt(d_k) / |q|.

Shapes: T time (tokens), hs head size.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from core.interpretability import activations
from core.interpretability.activations import Head, Steps, Trace, each_output
from core.interpretability.head_patterns import recognise, repeated_tokens
from core.model import GPT


def strongest_head(model: GPT, pattern: str) -> Head:
    """The head that follows a pattern most where nothing but repetition helps: on random tokens, twice in a row."""
    ids = repeated_tokens(model.config.vocab_size, model.config.block_size)
    scores = recognise(activations.attention(model, ids).float().cpu(), ids).scores[pattern]  # (n_layer, nh)
    layer, head = divmod(int(scores.argmax()), model.config.n_head)
    return layer, head


def tokens_for(weights: Tensor, share: float) -> list[int]:
    """The fewest positions that together have `share` of the weights (T,), the heaviest first."""
    order = weights.argsort(descending=True)
    enough = int((weights[order].cumsum(0) < share).sum()) + 1
    return [int(position) for position in order[:enough]]


def partial_output_error(row: Steps, positions: list[int]) -> float:
    """How far, as a share of its length, the head's output is from the sum over these positions alone."""
    partial = row.weights[positions] @ row.v[positions]
    return float((row.output - partial).norm() / row.output.norm())


@dataclass(frozen=True)
class KeyChange:
    """The shortest change of one key after which its token has the wanted share of one query's attention."""

    change: Tensor  # (hs,) to be added to the key
    length: float  # of it, as a share of the key's own

    @classmethod
    def towards(cls, row: Steps, query: int, key: int, wanted: float) -> "KeyChange":
        """Raises ValueError if the key is not among several that the query sees, or the share not between 0 and 1."""
        if not (0 <= key <= query and query > 0 and 0 < wanted < 1):
            raise ValueError("choose a key that the query sees beside others, and a share between 0 and 1")
        others = [position for position in range(query + 1) if position != key]
        score = math.log(wanted / (1 - wanted)) + float(row.scaled[others].logsumexp(0))
        along = (score - float(row.scaled[key])) / (row.scale * float(row.q.norm()))
        return cls(along * row.q / row.q.norm(), abs(along) / float(row.k[key].norm()))


@contextmanager
def edited_key(model: GPT, place: Head, position: int, change: Tensor) -> Iterator[None]:
    """In this thread, `change` (hs,) is added to the key that a head has at a position."""
    (layer, head), hs = place, model.config.head_size

    def edit(_number: int, output: Tensor) -> Tensor:
        _, k, _ = output.chunk(3, -1)  # views of (B, T, C) each
        k[:, position, head * hs : (head + 1) * hs] += change
        return output

    with each_output([model.blocks[layer].attn.c_attn], edit):
        yield


def pass_with_edited_key(
    model: GPT, ids: list[int], place: Head, position: int, change: Tensor
) -> tuple[Trace, Tensor]:
    """A whole pass with an edited key, and all its attention weights (n_layer, nh, T, T)."""
    with edited_key(model, place, position, change):
        seen = activations.trace(model, ids)
        return seen, activations.attention_of(model, seen)
