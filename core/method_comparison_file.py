"""A comparison on disk: what is compared, how far it is, and the points of its picture so far.

    CHECKPOINTS/.methods/NAME/comparison.json    all that is known, written anew whenever something is
                              control            stop
                              log.txt            for people
                              runs/              its votes and trainings, while they are needed

It is of methods (core/method_comparison.py), or of reward models that learned from few votes and from many
(core/goodhart.py). Who computes holds the lock file `.lock`: a comparison that says that it runs, while nobody holds
it, was interrupted.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.atomic_files import is_locked, remove, write_json, write_text
from core.bounded_files import facts_of, is_file, modified, read_json, read_text
from core.method_comparison_settings import COMPARE, CONFIGS, ComparisonConfig
from core.stages.registry import DPO, GRPO, PPO, REWARD

DIRECTORY, FILE, LOCK, CONTROL, LOG = ".methods", "comparison.json", ".lock", "control", "log.txt"
CREATED, RUNNING, FINISHED, STOPPED, FAILED, INTERRUPTED = STATES = (
    "created",
    "running",
    "finished",
    "stopped",
    "failed",
    "interrupted",
)
START_SECONDS = 60  # a process that does not hold the lock after this time will not come any more
BEST_OF_N, DIAL, STEERING = "best-of-n", "dial", "steering"  # methods that train nothing
PARENT, VOTES = "parent", "votes"
# The parts of the work, and what each is called.
PARTS = {
    PARENT: "Parent, best-of-n",
    VOTES: "Votes of the rule",
    DPO: "DPO",
    DIAL: "Dial from parent to DPO",
    STEERING: "Steering vector",
    GRPO: "GRPO",
    REWARD: "Reward model",
    PPO: "PPO",
}
METHODS = {BEST_OF_N: "Best-of-n", **{method: PARTS[method] for method in (DPO, PPO, GRPO)}}
METHODS |= {DIAL: "Dial", STEERING: "Steering"}


@dataclass(frozen=True)
class Part:
    """How far a part of the work is."""

    name: str  # of PARTS
    total: int  # answers, votes, optimiser steps or points
    expected: float  # seconds on two cores, about
    done: int = 0
    seconds: float = 0.0  # that it has taken; 0: it has not begun
    ended: bool = False  # early, perhaps, as where a rule cannot decide on so many pairs
    votes: int = 0  # from which its reward model learns, where several are compared
    answers: int = 0  # that were written to be voted on

    @property
    def title(self) -> str:
        return PARTS[self.name] + (f", {self.votes:,} votes" if self.votes else "")

    def is_same(self, other: "Part") -> bool:
        return (self.name, self.votes) == (other.name, other.votes)


@dataclass(frozen=True)
class Point:
    """A method at one strength, measured on held-out prompts: intervals are at 95 %, by prompts."""

    method: str  # of METHODS
    strength: int  # optimiser steps, or n; of a dial and of steering, in hundredths
    reward: float  # share of the answers that the rule likes; in GOODHART its score, in standard deviations
    reward_low: float
    reward_high: float
    kl: float  # nats an answer from the parent
    kl_low: float
    kl_high: float
    prompts: int
    words: float  # in an answer, on average
    words_low: float
    words_high: float
    seconds: float  # that it took to get there
    answers: int  # that were written for it
    votes: int  # that were given for it
    each: int  # answers that are written for each one that is given
    proxy: float = 0.0  # in GOODHART the reward model's score, in standard deviations
    proxy_low: float = 0.0
    proxy_high: float = 0.0


@dataclass(frozen=True)
class Proxy:
    """A reward model, compared with the rule whose votes it has learned from: on the parent's answers."""

    votes: int
    mean: float  # of its scores
    std: float
    agreement: float  # share of pairs of answers to a prompt that it ranks as the rule does
    agreement_low: float
    agreement_high: float
    prompts: int


@dataclass(frozen=True)
class Turn:
    """Whether the rule's score falls while a reward model is pushed against.

    Where it is highest is chosen on each half of the prompts, how far it falls from there to the end is measured on the
    other one.
    """

    method: str
    votes: int
    peak: int  # the strength at which it is highest, on all prompts
    last: int
    fall: float  # standard deviations, from the peak to the last strength
    fall_low: float
    fall_high: float
    prompts: int

    @property
    def is_real(self) -> bool:
        """More than chance."""
        return self.fall_low > 0 and self.peak != self.last


@dataclass(frozen=True)
class Price:
    """What a point of reward, a hundredth of the answers, has cost a method by its last point."""

    method: str
    gain: float  # points
    seconds: float  # each of these for one point
    answers: float
    votes: float


@dataclass(frozen=True)
class Comparison:
    """All that is known of a comparison."""

    config: ComparisonConfig
    parent: str  # its name
    parent_sha256: str
    state: str  # of STATES
    created: str  # UTC
    message: str  # why it failed
    parts: list[Part]
    points: list[Point]
    kind: str = COMPARE  # of CONFIGS
    gold_mean: float = 0.0  # in GOODHART, of the rule's score of the parent's answers, in its unit
    gold_std: float = 0.0
    proxies: list[Proxy] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    def changed(self, part: Part) -> "Comparison":
        """With another state of a part."""
        return replace(self, parts=[part if one.is_same(part) else one for one in self.parts])

    @property
    def goes_on(self) -> bool:
        return self.state in (CREATED, RUNNING)

    @property
    def can_resume(self) -> bool:
        """Has it ended before it was done?"""
        return self.state in (STOPPED, INTERRUPTED, FAILED)


# --- on disk --------------------------------------------------------------------------------------------------


def write_comparison(directory: Path, comparison: Comparison) -> None:
    write_json(directory / FILE, asdict(comparison) | {"config": comparison.config.to_dict()})


def read_comparison(directory: Path) -> Comparison:
    """As it was written down. Raises ValueError that names the file if it is not there or damaged."""
    path = directory / FILE
    values = read_json(path)
    kind = values.get("kind", COMPARE)
    if kind not in tuple(CONFIGS):
        raise ValueError(f"{path} is damaged: it tells of a comparison of {kind!r:.40}")
    try:
        values = values | {"config": CONFIGS[kind].from_dict(values.get("config", {}))}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    found = facts_of(values, Comparison, path)
    if found.state not in STATES:
        raise ValueError(f"{path} is damaged: it tells of a state {found.state!r:.40}")
    parts, points = read_each(found.parts, Part, path), read_each(found.points, Point, path)
    proxies, turns = read_each(found.proxies, Proxy, path), read_each(found.turns, Turn, path)
    methods = {one.method for one in (*points, *turns)}
    if unknown := {part.name for part in parts} - set(PARTS) or methods - set(METHODS):
        raise ValueError(f"{path} is damaged: it tells of {min(unknown)!r:.40}")
    return replace(found, parts=parts, points=points, proxies=proxies, turns=turns)


def read_each(found: Sequence[Any], kind: type[Any], path: Path) -> list[Any]:
    if not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{path} is damaged: it should hold objects in braces")
    return [facts_of(one, kind, path) for one in found]


def look_at_comparison(directory: Path) -> Comparison:
    """As it is now. Raises ValueError likewise."""
    found = read_comparison(directory)
    if found.goes_on and not is_locked(directory / LOCK):
        found = read_comparison(directory)  # it may have ended in good order between the two looks
        age = abs(time.time() - modified(directory / FILE) / 1e9)  # clocks are set back, too
        if found.state == RUNNING or (found.state == CREATED and age > START_SECONDS):
            return replace(found, state=INTERRUPTED)
    return found


def comparisons(checkpoints: Path) -> list[Path]:
    """The directories of all comparisons, the latest first."""
    found = [path.parent for path in (checkpoints / DIRECTORY).glob(f"[!.]*/{FILE}")]
    return sorted(found, key=lambda path: (-modified(path / FILE), path.name))


def request_stop(directory: Path) -> None:
    write_text(directory / CONTROL, "stop")


def forget_stop(directory: Path) -> None:
    """What was asked of an earlier process is not asked of the next one."""
    (directory / CONTROL).unlink(missing_ok=True)


def is_stop_requested(directory: Path) -> bool:
    return is_file(directory / CONTROL) and read_text(directory / CONTROL, most=100) == "stop"


def delete_comparison(directory: Path) -> None:
    """Remove all that is known of one. Raises ValueError while it goes on."""
    if is_locked(directory / LOCK):
        raise ValueError(f"{directory.name} is being computed: stop it first")
    remove(directory)


def strength_text(method: str, strength: int) -> str:
    """For people."""
    texts = {BEST_OF_N: f"n = {strength}", DIAL: f"a = {strength / 100:g}", STEERING: f"strength {strength / 100:g}"}
    return texts.get(method, f"step {strength:,}")


# --- what follows from it -------------------------------------------------------------------------------------


def seconds_left(comparison: Comparison) -> float:
    """Until it ends, about: what is expected of the rest, at the speed of what is done."""
    ended = [part for part in comparison.parts if part.ended]
    speed = sum(part.seconds for part in ended) / sum(part.expected for part in ended) if ended else 1.0
    left = (part.expected * (1 - min(1.0, part.done / part.total)) for part in comparison.parts if not part.ended)
    return speed * sum(left)


def parent_point(comparison: Comparison) -> Point | None:
    """The parent as it is: the best of one answer. None before that is measured."""
    return next((point for point in comparison.points if (point.method, point.strength) == (BEST_OF_N, 1)), None)


def last_points(comparison: Comparison) -> list[Point]:
    """Each method at its greatest strength: where it shines most is not looked for, as that would flatter it."""
    by_method: dict[str, list[Point]] = {method: [] for method in METHODS}
    for point in comparison.points:
        by_method[point.method].append(point)
    return [max(some, key=lambda point: point.strength) for some in by_method.values() if some]


def prices(comparison: Comparison) -> list[Price]:
    """What a point of reward costs each method that learns; none where the intervals before and after overlap."""
    parent, found = parent_point(comparison), []
    for point in last_points(comparison):
        if parent and point.method != BEST_OF_N and point.reward_low > parent.reward_high:
            gain = 100 * (point.reward - parent.reward)
            found.append(Price(point.method, gain, point.seconds / gain, point.answers / gain, point.votes / gain))
    return found
