"""Look inside a vocabulary: how a token was built, and what a text looked like after each merge.

Byte-pair encoding applies its merges to a pre-token in the order in which they were learned (Sennrich et al. 2016,
arXiv:1508.07909, algorithm 1). Joining two tokens removes one boundary between two bytes, for good. All that a text
ever looks like is therefore in one array: for each boundary, the merge that removes it.

>>> tok = Tokenizer.train("low lower lowest low low", vocab_size=262)   # merges: l+o, lo+w, " "+low
>>> boundary_merges(tok, "low!").tolist()
[1, 2, 4]
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import regex

from core.tokenizer import LONE_SURROGATE, Tokenizer, merge_parts


@dataclass(frozen=True)
class MergeTree:
    """A token and the two whose merge made it; a single byte has none. `merge` counts from 1, 0 is a byte."""

    token: bytes
    id: int
    merge: int
    parts: tuple["MergeTree", ...]

    def leaves(self) -> Iterator[bytes]:
        """The single bytes at the ends of the branches, from left to right."""
        if not self.parts:
            yield self.token
        for part in self.parts:
            yield from part.leaves()


def merge_tree(token: bytes, ranks: dict[bytes, int]) -> MergeTree:
    """How `token` grew from single bytes. Raises ValueError if no merges make it."""
    if token not in ranks:
        raise ValueError(f"{token!r} was not built by merges")
    parts = merge_parts(token, ranks) if len(token) > 1 else ()
    id = ranks[token]
    return MergeTree(token, id, max(0, id - 255), tuple(merge_tree(part, ranks) for part in parts))


def boundary_merges(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """How many merges it takes until each boundary between two bytes of `text` is gone: (bytes - 1,) integers.

    The boundaries with a value above n are those that the vocabulary cut down to its first n merges leaves, for any n.
    One that never goes, such as that between two words, has a value above the number of merges.
    """
    never = len(tokenizer.ranks) - 256 + 1
    splitter = regex.compile(tokenizer.split_pattern)
    known: dict[str, list[int]] = {}
    values: list[int] = []
    for part in LONE_SURROGATE.split(text):
        is_surrogate = LONE_SURROGATE.fullmatch(part)
        for word in [part] if is_surrogate else (match.group() for match in splitter.finditer(part)):
            if word not in known:
                inner = [never] * 2 if is_surrogate else removals(word.encode(), tokenizer.ranks)
                known[word] = [*inner, never]  # nothing merges over its end
            values += known[word]
    return np.array(values[:-1], dtype=np.int64)


def removals(word: bytes, ranks: dict[bytes, int]) -> list[int]:
    """`boundary_merges` inside one pre-token."""
    never = len(ranks)
    values = [never - 255] * (len(word) - 1)
    parts = [bytes([b]) for b in word]
    places = list(range(len(word) - 1))  # of the boundaries that are left
    waiting = [ranks.get(word[i : i + 2], never) for i in places]  # the rank that would remove each of them
    last = 0
    while waiting and (rank := min(waiting)) < never:
        i = waiting.index(rank)
        last = max(last, rank)  # ranks rise anyway; a smaller vocabulary would have stopped at the first that it lacks
        values[places[i]] = last - 255
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
        del places[i], waiting[i]
        if i > 0:
            waiting[i - 1] = ranks.get(parts[i - 1] + parts[i], never)
        if i < len(waiting):
            waiting[i] = ranks.get(parts[i] + parts[i + 1], never)
    if word in ranks:  # found whole, also by a vocabulary whose merges do not make it
        values = [min(value, ranks[word] - 255) for value in values]
    return values
