"""A comparison of methods on disk: what is compared, how far it is, and the points of its picture so far.

    CHECKPOINTS/.methods/NAME/comparison.json    all that is known, written anew whenever something is
                              control            stop
                              log.txt            for people
                              runs/              its votes and trainings, while they are needed

Who computes holds the lock file `.lock`: a comparison that says that it runs, while nobody holds it, was interrupted.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.atomic_files import is_locked, write_json, write_text
from core.bounded_files import facts_of, is_file, modified, read_json, read_text
from core.config import Config, setting
from core.preferences.rule_annotators import RULES
from core.roots import shipped
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
BEST_OF_N = "best-of-n"
PARENT, VOTES = "parent", "votes"
# The parts of the work, in their order, and what each is called.
PARTS = {
    PARENT: "Parent, best-of-n",
    VOTES: "Votes of the rule",
    DPO: "DPO",
    GRPO: "GRPO",
    REWARD: "Reward model",
    PPO: "PPO",
}
METHODS = {BEST_OF_N: "Best-of-n", **{method: PARTS[method] for method in (DPO, PPO, GRPO)}}


@dataclass(frozen=True)
class MethodsConfig(Config):
    """What is compared, and how thoroughly."""

    parent: str = setting(shipped("bard-chat"), "The model that all methods begin with", refers="checkpoint")
    rule: str = setting(
        "question", "What answers are rewarded for: all methods get the same rule", choices=tuple(RULES)
    )
    votes: int = setting(200, "Votes of the rule, from which DPO and PPO's reward model learn", low=20, high=5000)
    length: float = setting(
        1.0, "Steps of each training, as a multiple of its stage's own recipe", low=0.01, high=10.0, title="Length"
    )
    prompts: int = setting(100, "Held-out prompts on which each point is measured", low=20, high=500)
    samples: int = setting(16, "Answers of the parent to each of them, for best-of-n", low=2, high=64)
    seed: int = setting(0, "The same seed gives the same votes and answers", low=0, high=2**31)
    device: str = setting("auto", "Where to compute; auto takes the fastest", choices=("auto", "cuda", "mps", "cpu"))


@dataclass(frozen=True)
class Part:
    """How far a part of the work is."""

    name: str  # of PARTS
    total: int  # answers, votes or optimiser steps
    expected: float  # seconds on two cores, about
    done: int = 0
    seconds: float = 0.0  # that it has taken; 0: it has not begun
    ended: bool = False  # early, perhaps, as where a rule cannot decide on so many pairs


@dataclass(frozen=True)
class Point:
    """A method at one strength, measured on held-out prompts: intervals are at 95 %, by prompts."""

    method: str  # of METHODS
    strength: int  # optimiser steps, or n
    reward: float  # share of the answers that the rule likes
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

    config: MethodsConfig
    parent: str  # its name
    parent_sha256: str
    state: str  # of STATES
    created: str  # UTC
    message: str  # why it failed
    parts: list[Part]
    points: list[Point]

    def changed(self, part: Part) -> "Comparison":
        """With another state of a part."""
        return replace(self, parts=[part if one.name == part.name else one for one in self.parts])


# --- on disk --------------------------------------------------------------------------------------------------


def write_comparison(directory: Path, comparison: Comparison) -> None:
    write_json(directory / FILE, asdict(comparison) | {"config": comparison.config.to_dict()})


def read_comparison(directory: Path) -> Comparison:
    """As it was written down. Raises ValueError that names the file if it is not there or damaged."""
    path = directory / FILE
    values = read_json(path)
    try:
        values = values | {"config": MethodsConfig.from_dict(values.get("config", {}))}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    found = facts_of(values, Comparison, path)
    if found.state not in STATES:
        raise ValueError(f"{path} is damaged: it tells of a state {found.state!r:.40}")
    parts, points = read_each(found.parts, Part, path), read_each(found.points, Point, path)
    if unknown := {part.name for part in parts} - set(PARTS) or {point.method for point in points} - set(METHODS):
        raise ValueError(f"{path} is damaged: it tells of {min(unknown)!r:.40}")
    return replace(found, parts=parts, points=points)


def read_each(found: Sequence[Any], kind: type[Any], path: Path) -> list[Any]:
    if not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{path} is damaged: it should hold objects in braces")
    return [facts_of(one, kind, path) for one in found]


def look_at_comparison(directory: Path) -> Comparison:
    """As it is now. Raises ValueError likewise."""
    found = read_comparison(directory)
    if found.state in (CREATED, RUNNING) and not is_locked(directory / LOCK):
        found = read_comparison(directory)  # it may have ended in good order between the two looks
        age = abs(time.time() - modified(directory / FILE) / 1e9)  # clocks are set back, too
        if found.state == RUNNING or (found.state == CREATED and age > START_SECONDS):
            return replace(found, state=INTERRUPTED)
    return found


def comparisons(checkpoints: Path) -> list[Path]:
    """The directories of all comparisons, the latest first."""
    found = [path.parent for path in (checkpoints / DIRECTORY).glob(f"*/{FILE}")]
    return sorted(found, key=lambda path: (-modified(path / FILE), path.name))


def request_stop(directory: Path) -> None:
    write_text(directory / CONTROL, "stop")


def is_stop_requested(directory: Path) -> bool:
    return is_file(directory / CONTROL) and read_text(directory / CONTROL, most=100) == "stop"


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
