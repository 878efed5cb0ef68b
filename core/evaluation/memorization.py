"""Verbatim memorization: what of a text stands word for word in the text that a model learned from.

A span is copied if N tokens or more of it stand in a row in the training text, within one passage of it (no document's
end and no speaker's name between). Of all such spans the maximal ones count: those that are no part of a longer one.
Carlini et al. 2021, arXiv:2012.07805; 2023, arXiv:2202.07646; as n-gram overlap, McCoy et al. 2023, arXiv:2111.09509.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.passages import passages
from core.evaluation.ngram_index import N, NGramIndex
from core.tokenizer import Token, Tokenizer


@dataclass(frozen=True)
class Span:
    """Tokens of a text, `start` up to `end`, that stand in a training text from the token `place` on."""

    start: int
    end: int
    place: int
    times: int  # in how many places they stand; of what stands everywhere, in how many at least


def copied_spans(ids: NDArray[Any], index: NGramIndex) -> list[Span]:
    """The maximal copied spans of a passage, (T,) ids, in order; they may overlap, but none holds another.

    From each n-gram that the text holds a span grows to the left and to the right as long as one of its places goes on
    with it. The next span ends behind this one: it is looked for where it would have to end.
    """
    buckets, text = index.buckets(ids), index.tokens
    spans: list[Span] = []
    window = 0
    while window < len(buckets):
        start, end = window, window + N
        places = index.places(ids[start:end], buckets[window])
        if len(places):
            while start > 0 and len(longer := places[text[places - 1] == ids[start - 1]]):
                start, places = start - 1, longer - 1
            while end < len(ids) and len(longer := places[text[places + (end - start)] == ids[end]]):
                end, places = end + 1, longer
            spans.append(Span(start, end, int(places[0]), len(places)))
        window = end - N + 1
    return spans


@dataclass(frozen=True)
class Quotation:
    """A stretch of a text, in characters, that stands in a training text; `span` is all of what stands there."""

    start: int
    end: int
    index: NGramIndex
    span: Span


@dataclass(frozen=True)
class Copies:
    """What of a text is copied. Speakers' names are left out of both numbers of tokens."""

    tokens: int
    copied: int
    quotations: tuple[Quotation, ...]  # in order, not overlapping


def find_copies(text: str, tokenizer: Tokenizer, indexes: Sequence[NGramIndex]) -> Copies:
    """What of `text` stands in any of the indexed training texts. Where two spans overlap the longer one is told."""
    tokens, copied = 0, 0
    quotations: list[Quotation] = []
    for first, last in passages(text):
        read = tokenizer.inspect(text[first:last])
        ids = np.array([token.id for token in read], np.int64)
        found = [(span, index) for index in indexes for span in copied_spans(ids, index)]
        found.sort(key=lambda one: one[0].end - one[0].start)
        owner = np.full(len(ids) + 1, -1)  # which of them tells of a token; the last one is no token
        for i, (span, _) in enumerate(found):
            owner[span.start : span.end] = i
        tokens, copied = tokens + len(ids), copied + int((owner >= 0).sum())
        edges = [0, *(np.flatnonzero(np.diff(owner)) + 1)]
        at = [first + n for n in token_starts(text[first:last], read)]
        for start, end in pairwise(edges):
            if owner[start] >= 0:
                span, index = found[owner[start]]
                quotations.append(Quotation(at[start], at[end], index, span))
    return Copies(tokens, copied, tuple(quotations))


def token_starts(text: str, tokens: Sequence[Token]) -> list[int]:
    """The characters at which tokens begin, and the end; one that begins within a character begins behind it."""
    raw = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    before = np.concatenate(([0], np.cumsum(raw & 0xC0 != 0x80)))  # characters that have begun before each byte
    return [*(int(before[token.start]) for token in tokens), len(text)]


def copied_share(texts: Sequence[str], tokenizer: Tokenizer, indexes: Sequence[NGramIndex]) -> float:
    """The share of the tokens of `texts` that are copied; 0 of texts without tokens."""
    found = [find_copies(text, tokenizer, indexes) for text in texts]
    return sum(one.copied for one in found) / max(1, sum(one.tokens for one in found))
