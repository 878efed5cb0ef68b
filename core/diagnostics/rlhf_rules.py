"""How a policy cheats: what goes wrong when answers are bent to a score, said from the log of PPO or DPO.

A score is not what people want but a guess at it. Pressed hard enough a policy finds answers that score well and that
nobody likes (Gao et al. 2022, arXiv:2210.10760): all of one length, all alike, or far from any language. The score
itself does not tell; these do. Each rule compares the latest iterations with the first ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.diagnostics.finding import Finding
from core.diagnostics.loss_rules import not_finite
from core.diagnostics.machine_rules import memory
from core.diagnostics.run_log import Numbers, Rule, RunState

FIRST, LATEST = 2, 3  # iterations that stand for the beginning, and for now
LONGER, SHORTER = 1.8, 0.4  # times the first length
REPEATED = 0.15  # share of three-token sequences, above the first one
CALM = 0.4  # share of the first entropy of a token
FAR = 15.0  # nats a response: an answer e^15 times likelier than by the reference
TOO_FAR = 2.0  # times the distance that was asked for


class MetricSeries:
    """The values of a metric that is there once an iteration or once an evaluation."""

    def __init__(self, lines: Sequence[Mapping[str, Any]], metric: str):
        found = [(line["step"], line[metric]) for line in lines if metric in line]
        self.steps: list[int] = [step for step, _ in found]
        self.values: Numbers = np.array([value for _, value in found], dtype=np.float64)

    @property
    def known(self) -> bool:
        return len(self.values) >= FIRST + LATEST

    @property
    def first(self) -> float:
        return float(self.values[:FIRST].mean())

    @property
    def latest(self) -> float:
        return float(self.values[-LATEST:].mean())

    @property
    def latest_step(self) -> int:
        return self.steps[-LATEST]


def runaway(run: RunState) -> Finding | None:
    """Too far from the reference, as each iteration's answers say."""
    course, config = MetricSeries(run.lines, "objective/kl"), run.config
    if not course.known:
        return None
    target = config.get("kl_target") or 0.0
    limit = max(TOO_FAR * target, target + 3.0) if target else FAR
    if course.latest < limit:
        return None
    asked = f"; {target:g} were asked for" if target else ""
    coefficient = float(config.get("kl_coef", 0.0))
    return Finding(
        "KL runaway",
        course.latest_step,
        "The policy runs away from the reference",
        f"From step {course.latest_step:,} on it is {course.latest:.1f} nats a response away{asked}.",
        "It may have left what the reward model was trained on: its scores mean little there.",
        "Begin again with a higher price for distance, and half the learning rate.",
        {"kl_coef": float(f"{max(3 * coefficient, 0.05):.2g}"), "learning_rate": halved(config)},
        0,
    )


def dpo_runaway(run: RunState) -> Finding | None:
    """The same, as each evaluation says."""
    moved = MetricSeries(run.lines, "kl/val")
    if not len(moved.values) or moved.values[-1] < FAR:
        return None
    return Finding(
        "KL runaway",
        moved.steps[-1],
        "The policy has run away from the reference",
        f"At step {moved.steps[-1]:,} it is {moved.values[-1]:.1f} nats a response away.",
        "The margins of a few votes are bought with changes to everything that it says.",
        "Begin again with a larger beta, or with fewer steps.",
        {"beta": float(f"{3 * run.config['beta']:.2g}")},
        0,
    )


def length(run: RunState) -> Finding | None:
    course = MetricSeries(run.lines, "val/length")
    if not course.known or SHORTER * course.first < course.latest < LONGER * course.first:
        return None
    how = "longer" if course.latest > course.first else "shorter"
    return Finding(
        "length",
        course.latest_step,
        f"The answers become {how} and {how}",
        f"They had {course.first:.0f} tokens at the beginning and have {course.latest:.0f} from step "
        f"{course.latest_step:,} on.",
        "The reward model may pay for the length, or for something that is easier to do at that length.",
        "If that is not what you meant: vote on pairs where the better answer has the other length, train the reward "
        "model again; or begin again with a higher price for distance.",
        {"kl_coef": dearer(run.config)},
        0,
    )


def repetition(run: RunState) -> Finding | None:
    course = MetricSeries(run.lines, "val/repetition")
    if not course.known or course.latest < course.first + REPEATED:
        return None
    return Finding(
        "repetition",
        course.latest_step,
        "The answers become all alike",
        f"{course.latest:.0%} of what is said, three tokens at a time, has been said before in the same iteration; at "
        f"the beginning it was {course.first:.0%}.",
        "It has found a few phrases that always score well.",
        "Begin again with a higher price for distance, or end earlier.",
        {"kl_coef": dearer(run.config)},
        0,
    )


def entropy_collapse(run: RunState) -> Finding | None:
    """Of a token, not of an answer: short answers have little entropy however free each word is."""
    whole, tokens = MetricSeries(run.lines, "objective/entropy"), MetricSeries(run.lines, "val/length")
    if not whole.known or not tokens.known:
        return None
    then, now = whole.first / tokens.first, whole.latest / tokens.latest
    if now > CALM * then:
        return None
    return Finding(
        "entropy collapse",
        whole.latest_step,
        "The policy hardly hesitates any more",
        f"The entropy of a token fell from {then:.2f} to {now:.2f} nats.",
        "It has made up its mind about every word, and what it does not try it cannot learn.",
        "Begin again with half the learning rate, or with a higher price for distance.",
        {"learning_rate": halved(run.config)},
        0,
    )


def dearer(config: Mapping[str, Any]) -> float:
    return float(f"{max(2 * float(config.get('kl_coef', 0.0)), 0.05):.2g}")


def halved(config: Mapping[str, Any]) -> float:
    return float(f"{float(config['learning_rate']) / 2:.2g}")


DPO_RULES: tuple[Rule, ...] = (dpo_runaway,)
# It makes its own data as it goes, so its loss says nothing about how well it learns.
PPO_RULES: tuple[Rule, ...] = (not_finite, memory, runaway, length, repetition, entropy_collapse)
