"""Annotator agreement: how far votes can be trusted, habits, and win rates with their intervals."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.datasets.preference_files import OVERALL
from core.preferences.vote_store import Vote

Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval, of `count` cases; with none, share is None and the interval says nothing."""

    share: float | None
    low: float
    high: float
    count: int


def wilson(successes: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): honest for few cases, and never below 0 or above 1."""
    if n == 0:
        return 0.0, 1.0
    share, spread = successes / n, Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def rate(successes: float, n: int) -> Rate:
    return Rate(successes / n if n else None, *wilson(successes, n), n)


def win_rate(wins: int, losses: int, ties: int = 0) -> Rate:
    """A tie is half a win."""
    return rate(wins + ties / 2, wins + losses + ties)


def self_consistency(votes: Sequence[Vote]) -> Rate:
    """Of pairs that came a second time with their sides swapped: how often the same answer was chosen again, or none.

    Of what was skipped nothing is counted. Votes by one annotator.
    """
    by_pair = {vote.pair.id: vote for vote in votes if vote.choice != "skip"}
    repeated = [(by_pair[v.pair.swaps], v) for v in by_pair.values() if v.pair.swaps in by_pair]
    return rate(sum(verdict(first) == verdict(again) for first, again in repeated), len(repeated))


def verdict(vote: Vote) -> str | None:
    """The answer that was chosen, whichever side it stood on; None if neither was."""
    return vote.chosen.text if vote.decided else None


def position_bias(votes: Sequence[Vote]) -> Rate:
    """Share of the decided votes that chose the left answer: sides are random, so without a habit it is a half."""
    decided = [vote for vote in votes if vote.decided]
    return rate(sum(vote.choice == "left" for vote in decided), len(decided))


def length_bias(votes: Sequence[Vote]) -> Rate:
    """Share of the decided votes between answers of different length that chose the one with more words."""
    lengths = [(len(v.chosen.text.split()), len(v.rejected.text.split())) for v in votes if v.decided]
    unequal = [(chosen, rejected) for chosen, rejected in lengths if chosen != rejected]
    return rate(sum(chosen > rejected for chosen, rejected in unequal), len(unequal))


def cohen_kappa(of_a: Sequence[Vote], of_b: Sequence[Vote]) -> tuple[float | None, int]:
    """(kappa, number of pairs on which both annotators have voted): 1 is perfect agreement, 0 is that of chance.

    kappa = (p_o - p_e) / (1 - p_e), Cohen 1960. Choices are left, right, or neither, by the same criterion. None if
    nothing can be said: no common pair, or both always chose the same.
    """
    choices = [
        {(v.pair.id, v.criterion): v.choice if v.decided else "neither" for v in votes if v.choice != "skip"}
        for votes in (of_a, of_b)
    ]
    common = sorted(choices[0].keys() & choices[1].keys())
    n = len(common)
    if not n:
        return None, 0
    first, second = ([chosen[pair] for pair in common] for chosen in choices)
    observed = sum(x == y for x, y in zip(first, second, strict=True)) / n
    expected = sum(first.count(kind) * second.count(kind) for kind in ("left", "right", "neither")) / n**2
    return ((observed - expected) / (1 - expected) if expected < 1 else None), n


def by_models(votes: Iterable[Vote]) -> dict[frozenset[str], list[Vote]]:
    """The votes by the one or two models whose answers they were between."""
    found: dict[frozenset[str], list[Vote]] = defaultdict(list)
    for vote in votes:
        found[frozenset((vote.pair.left.writer, vote.pair.right.writer))].append(vote)
    return found


def model_wins(votes: Sequence[Vote], a: str, b: str) -> Rate:
    """How often the model `a` was preferred to `b` overall, in votes between answers of the two."""
    overall = [v for v in votes if v.criterion == OVERALL and v.choice != "skip"]
    between = [v for v in overall if {v.pair.left.writer, v.pair.right.writer} == {a, b}]
    wins = sum(vote.decided and vote.chosen.writer == a for vote in between)
    undecided = sum(not vote.decided for vote in between)
    return win_rate(wins, len(between) - wins - undecided, undecided)
