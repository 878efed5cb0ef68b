"""A skill, what an evaluation has seen of it, and from when on a model has it.

A skill counts as learned where two evaluations in a row are above its bar, one before them was below, and none after
them is: so noise announces nothing, nor does what the model could do before it was trained.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.interpretability.activations import Head
from core.preferences.agreement import wilson

ALONE = 2.0  # how much less the words of one text tell than as many of many texts, where that cannot be seen


@dataclass(frozen=True)
class Skill:
    """Something that a model can be seen to do. `bar` and `floor` are on the scale of what its measure returns."""

    name: str  # on disk
    title: str  # one to three words
    sentence: str  # what a model that has it does
    counted: str  # of a share: what is counted, as in "12 of 30 ..."; of a head: what its attention falls on
    bar: float  # it is there where the interval lies above
    floor: float  # it is not there where the interval lies below


@dataclass(frozen=True)
class Seen:
    """What one evaluation has seen of a skill: a share with its 95 % interval, or a head's score, which has none."""

    step: int
    value: float | None  # None: nothing was written that could be counted
    low: float
    high: float
    count: int = 0
    of: int = 0  # cases; 0 of a head
    example: str = ""  # of what was counted


@dataclass(frozen=True)
class Which:
    """A skill of the model, or of one of its heads."""

    skill: str
    head: Head | None = None


@dataclass(frozen=True)
class Birth:
    """When a skill was learned: the last evaluation at which it was not there, and the first two at which it was."""

    which: Which
    before: Seen
    first: Seen
    again: Seen


@dataclass(frozen=True)
class Births:
    """born: by step. unsteady: what was above its bar twice in a row, but certainly below at a later evaluation."""

    born: list[Birth]
    unsteady: list[Which]


Series = Mapping[Which, Sequence[Seen]]  # what the evaluations of a run have seen, by step


def find_births(series: Series, skills: Mapping[str, Skill]) -> Births:
    """What was learned in the course of these evaluations, and when."""
    born, unsteady = [], []
    for which, seen in series.items():
        skill = skills[which.skill]
        there = [is_there(one, skill) for one in seen]
        first = there.index(True) if True in there else len(there)
        twice = [i for i in range(first, len(there) - 1) if there[i] and there[i + 1]]
        if not twice or False not in there[:first]:
            continue
        if False in there[first:]:
            unsteady.append(which)
            continue
        before = max(i for i in range(first) if there[i] is False)
        born.append(Birth(which, seen[before], seen[twice[0]], seen[twice[0] + 1]))
    return Births(sorted(born, key=lambda birth: birth.first.step), unsteady)


def is_there(seen: Seen, skill: Skill) -> bool | None:
    """None: it cannot be told from this evaluation."""
    if seen.value is None or seen.high < skill.floor:
        return False
    return True if seen.low >= skill.bar else None


def share(step: int, hits: Sequence[int], of: Sequence[int], example: str = "") -> Seen:
    """A share of what several texts hold, of which text i has `hits[i]` of `of[i]`, with its 95 % interval.

    What stands in one text is alike, so it counts as fewer cases than it is: as many as would scatter so much between
    texts (the design effect; Kish 1965, chapter 5).
    """
    n, texts = sum(of), len(of)
    if n == 0:
        return Seen(step, None, 0.0, 1.0)
    value = sum(hits) / n
    by_chance, effect = value * (1 - value) / n, 1.0
    if texts == 1:
        effect = ALONE
    elif by_chance:
        squares = sum((hit - value * count) ** 2 for hit, count in zip(hits, of, strict=True))
        effect = max(1.0, texts / (texts - 1) * squares / n**2 / by_chance)
    effective = max(1, round(n / effect))
    low, high = wilson(value * effective, effective)
    return Seen(step, value, low, high, sum(hits), n, example)


def merge(parts: Sequence[Series]) -> dict[Which, list[Seen]]:
    """Series of several evaluations as one, by step; of a step that comes twice the last one counts."""
    found: dict[Which, dict[int, Seen]] = {}
    for which, seen in itertools.chain.from_iterable(part.items() for part in parts):
        found.setdefault(which, {}).update({one.step: one for one in seen})
    return {which: [by_step[step] for step in sorted(by_step)] for which, by_step in found.items()}
