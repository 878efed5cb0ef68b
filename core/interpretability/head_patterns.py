"""What a head does, recognised by where it looks.

The scores are those of TransformerLens' head detector (`error_measure="mul"`): the share of a head's attention that
falls on a pattern. Induction heads: Olsson et al. 2022, "In-context Learning and Induction Heads".

Shapes: L n_layer, nh heads, T time (tokens).
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

CLEAR = 0.25  # of the way from an even head to a perfect one: from here on a head has a name
FEW_QUERIES = 3  # a pattern that hardly occurs in a text says nothing about a head
REPEATED = 32  # tokens of the test sequence before it repeats
N_BYTES = 256  # the ids of single bytes come first


def previous(idx: Tensor) -> Tensor:
    return torch.ones(len(idx), len(idx)).tril(-1).triu(-1)


def first(idx: Tensor) -> Tensor:
    cells = torch.zeros(len(idx), len(idx))
    cells[1:, 0] = 1
    return cells


def duplicate(idx: Tensor) -> Tensor:
    return (idx[:, None] == idx).float().tril(-1)


def induction(idx: Tensor) -> Tensor:
    cells = torch.zeros(len(idx), len(idx))
    cells[:, 1:] = duplicate(idx)[:, :-1]  # one to the right of each copy
    return cells.tril()


@dataclass(frozen=True)
class Pattern:
    """Something that a head may do on any text."""

    title: str  # in a few words
    about: str  # to be read after "a head that"
    rank: int  # of several that a head follows, the one with the lowest names it: it tells most
    cells: Callable[[Tensor], Tensor]  # of token ids (T,): where it looks, 0 or 1, (T, T); rows are queries


PATTERNS = {  # in the order in which they are shown
    "previous": Pattern("previous token", "looks at the token just before", 3, previous),
    "first": Pattern("first token", "looks at the first token", 4, first),  # as one does that finds nothing to do
    "duplicate": Pattern("duplicate token", "looks at earlier copies of the same token", 2, duplicate),
    "induction": Pattern("induction", "looks at what followed earlier copies of the same token", 1, induction),
}


def patterns(ids: list[int]) -> dict[str, Tensor]:
    """For each pattern of PATTERNS the cells that belong to it, 0 or 1, (T, T): rows are queries, columns keys."""
    return {name: pattern.cells(torch.tensor(ids)) for name, pattern in PATTERNS.items()}


@dataclass(frozen=True)
class Recognised:
    """What the heads of a model were found to do on one text."""

    scores: dict[str, Tensor]  # pattern -> (L, nh), the share of attention that falls on it
    names: list[list[str]]  # (L, nh): the pattern that a head clearly follows, or ""
    entropy: Tensor  # (L, nh), bits: 0 looks at one token, log2 n at n tokens alike; the mean over queries


def recognise(weights: Tensor, ids: list[int]) -> Recognised:
    """Score, and name, every head by its attention weights (L, nh, T, T) on `ids`.

    A head gets the name of a pattern if it is at least CLEAR of the way from a head that looks at everything alike to
    one that follows the pattern wherever it occurs; of several, that of the one with the lowest rank.
    """
    T = len(ids)
    names = [[""] * weights.shape[1] for _ in weights]
    cells = patterns(ids)
    scores = {name: (weights * cells[name]).sum((-2, -1)) / T for name in by_rank(cells)}  # rows sum to 1: all is T
    ways = even_to_perfect(weights, ids)
    for name in by_rank(ways):
        for layer, head in (ways[name] >= CLEAR).nonzero().tolist():
            names[layer][head] = names[layer][head] or name
    return Recognised(scores, names, entropy(weights).mean(-1))


def by_rank(names: Iterable[str]) -> list[str]:
    """Patterns, the most telling one first."""
    return sorted(names, key=lambda name: PATTERNS[name].rank)


def even_to_perfect(weights: Tensor, ids: list[int]) -> dict[str, Tensor]:
    """How far each head is from one that looks at everything alike, 0, to one that follows a pattern, 1: (L, nh).

    Of weights (L, nh, T, T). A pattern that hardly occurs in the text is left out.
    """
    T = len(ids)
    even = torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]
    found = {}
    for name, cells in patterns(ids).items():
        queries = int(cells.any(-1).sum())
        chance = float((even * cells).sum() / T)
        if queries >= FEW_QUERIES and queries / T > chance:
            found[name] = ((weights * cells).sum((-2, -1)) / T - chance) / (queries / T - chance)
    return found


def sharpest(found: Recognised) -> tuple[int, int]:
    """(layer, head) of the recognised head with the lowest entropy: the one that shows most plainly what it does.

    One that looks at the first token, as those do that find nothing to do, is taken where no other has a name; one
    without a name where none has.
    """

    def key(place: tuple[int, int]) -> tuple[bool, bool, float]:
        layer, head = place
        name = found.names[layer][head]
        return not name, name == "first", float(found.entropy[layer, head])

    return min(itertools.product(range(len(found.names)), range(len(found.names[0]))), key=key)


def entropy(weights: Tensor) -> Tensor:
    """Entropy in bits of each row of weights (..., T): (...)."""
    return -torch.xlogy(weights, weights).sum(-1) / torch.log(torch.tensor(2.0))


def repeated_tokens(vocab_size: int, block_size: int, seed: int = 0) -> list[int]:
    """Different random tokens, twice in a row: nothing but induction can tell what comes next in the second half."""
    n = min(REPEATED, block_size // 2, vocab_size)
    lowest = N_BYTES if vocab_size >= N_BYTES + n else 0  # many bytes never occur in a text: nothing is known of them
    order = torch.randperm(vocab_size - lowest, generator=torch.Generator().manual_seed(seed))
    return (order[:n] + lowest).tolist() * 2
