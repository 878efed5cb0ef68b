"""How a model's answers to held-out prompts differ from its parent's, and whether by more than chance.

Each prompt is answered before and after with the same random numbers and counts once: for how many a trait grew, and
for how many it shrank, is told with Wilson's 95 % interval. Nothing is called real below ENOUGH prompts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from core.datasets.instructions import words
from core.preferences.agreement import Rate, win_rate
from core.preferences.rule_annotators import is_question

ENOUGH = 20  # independent cases: of fewer nothing is said but that they are few

Answer = Mapping[str, Any]  # {"prompt", "text", "ended"}: core.evaluation.held_out_answers; PPO, GRPO add a "score"


@dataclass(frozen=True)
class Trait:
    """What can be told of an answer by a number."""

    of: Callable[[Answer], float]
    name: str  # of its mean: "the length of answers"
    factor: float  # by which the mean is written, so that a share is a percentage
    digits: int
    unit: str
    grew: str  # "answers became longer"
    shrank: str
    gained: str  # of one prompt: "a longer answer"
    lost: str


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


LENGTH = Trait(
    lambda answer: len(words(answer["text"])),
    "the length of answers",
    1,
    1,
    " words",
    "answers became longer",
    "answers became shorter",
    "a longer answer",
    "a shorter answer",
)
QUESTIONS = Trait(
    lambda answer: float(is_question(answer["text"])),
    "the share of answers that ask a question",
    100,
    0,
    " %",
    "more answers ask a question",
    "fewer answers ask a question",
    "a question instead of none",
    "no question any more",
)
ENDED = Trait(
    lambda answer: float(answer["ended"]),
    "the share of answers that end by themselves",
    100,
    0,
    " %",
    "more answers end by themselves",
    "fewer answers end by themselves",
    "an answer that ends by itself",
    "one that is cut off",
)


SCORE = Trait(
    lambda answer: float(answer["score"]),
    "the reward score of answers",
    1,
    2,
    "",
    "the reward model scores answers higher",
    "the reward model scores answers lower",
    "a higher score",
    "a lower score",
)


REWARD = Trait(
    lambda answer: float(answer["score"]),
    "the reward of answers",
    1,
    2,
    "",
    "answers are worth more",
    "answers are worth less",
    "an answer that is worth more",
    "one that is worth less",
)


@dataclass(frozen=True)
class Change:
    """A trait before and after, on average, and for how many prompts it grew and shrank."""

    trait: Trait
    before: float
    after: float
    grew: int
    shrank: int
    same: int

    @property
    def rate(self) -> Rate:
        """How often it went the way that it mostly went; where nothing changed, half."""
        return win_rate(max(self.grew, self.shrank), min(self.grew, self.shrank), self.same)

    @property
    def is_real(self) -> bool:
        """Is it more than chance, and does the average agree?"""
        agrees = (self.after > self.before) == (self.grew > self.shrank)
        return agrees and self.rate.count >= ENOUGH and self.rate.low > 0.5

    def describe(self) -> str:
        trait = self.trait
        before, after = (f"{trait.factor * mean:.{trait.digits}f}" for mean in (self.before, self.after))
        if self.is_real:
            return f"{trait.grew if self.after > self.before else trait.shrank} ({before} → {after}{trait.unit})"
        if before == after:
            return f"{trait.name} did not change ({after}{trait.unit})"
        return f"{trait.name}: {before} → {after}{trait.unit}"

    def counts(self) -> str:
        ways = sorted([(self.grew, self.trait.gained), (self.shrank, self.trait.lost)], key=lambda way: -way[0])
        return f"{ways[0][0]} got {ways[0][1]}, {ways[1][0]} {ways[1][1]} ({interval(self.rate)}; chance: 50 %)"


def interval(found: Rate) -> str:
    assert found.share is not None
    return f"{percent(found.share)}, 95 % interval {100 * found.low:.0f} to {percent(found.high)}"


def change(trait: Trait, before: Sequence[Answer], after: Sequence[Answer]) -> Change:
    """before and after: to the same prompts."""
    then, now = ([trait.of(answer) for answer in answers] for answers in (before, after))
    grew, shrank = (sum(a > b for a, b in zip(*sides, strict=True)) for sides in ((now, then), (then, now)))
    return Change(trait, mean(then), mean(now), grew, shrank, len(then) - grew - shrank)


def describe_changes(
    before: Sequence[Answer], after: Sequence[Answer], traits: Sequence[Trait]
) -> tuple[str, str, bool]:
    """(what changed in the answers, whether by more than chance, is any of it?); the texts without a full stop.

    before and after: to the same prompts. Without any, and where all answers are the same, the second text is "".
    """
    n = len(before)
    if not n:
        return "its answers before and after were not kept", "", False
    if all(old["text"] == new["text"] for old, new in zip(before, after, strict=True)):
        return f"its answers to {n} held-out prompts are word for word what they were", "", False
    changes = [change(trait, before, after) for trait in traits]
    real = [found for found in changes if found.is_real]
    if n < ENOUGH:
        certainty = f"{count(n, 'held-out prompt')} {'is' if n == 1 else 'are'} too few to tell a change from chance"
    elif real:
        certainty = f"of {n} held-out prompts " + "; ".join(found.counts() for found in real)
    else:
        nearest = max(changes, key=lambda found: found.rate.low)
        certainty = f"of {n} held-out prompts {nearest.counts()}, which chance may do"
    return "; ".join(found.describe() for found in changes), certainty, bool(real)


def count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
