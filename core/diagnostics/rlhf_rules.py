"""How a policy cheats: what goes wrong when answers are bent to a score, said from the log of PPO, GRPO or DPO.

A score is not what people want but a guess at it. Pressed hard enough a policy finds answers that score well and that
nobody likes (Gao et al. 2022, arXiv:2210.10760): all of one length, all alike, or far from any language. The score
itself does not tell; these do. Each rule compares the latest iterations with the first ones.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.diagnostics.answer_changes import ENOUGH
from core.diagnostics.finding import Finding
from core.diagnostics.loss_rules import not_finite, overfitting
from core.diagnostics.machine_rules import memory
from core.diagnostics.run_log import Numbers, Rule, RunState
from core.preferences.reward_terms import TOTAL, parse_terms

FIRST, LATEST = 2, 3  # iterations that stand for the beginning, and for now
LONGER, SHORTER = 1.8, 0.4  # times the first length
REPEATED = 0.15  # share of three-token sequences, above the first one
CALM = 0.4  # share of the first entropy of a token
FAR = 15.0  # nats a response: an answer e^15 times likelier than by the reference
TOO_FAR = 2.0  # times the distance that was asked for
GAP = 0.25  # nats a vote between training and held-out ones, beyond the scatter of some ten votes
GUESSING = 0.85 * math.log(2)  # a loss on held-out votes above this is hardly better than a coin's
ALIKE = 0.9  # share of the groups from which nothing is learned
EATEN = 0.5  # of its spread that a part of the reward has fallen by
NOT_NATS = ("ipo", "simpo", "orpo", "kto")  # losses of which a coin does not get ln 2
RECENT = 20  # steps whose loss stands for what is known of the votes that are learned from


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
        "It may have left what makes sense, and what a reward model was trained on: scores mean little there.",
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


def lengths(run: RunState) -> MetricSeries:
    """Of the answers in tokens, as PPO or GRPO calls it."""
    found = MetricSeries(run.lines, "val/length")
    return found if found.steps else MetricSeries(run.lines, "completions/mean_length")


def length(run: RunState) -> Finding | None:
    course = lengths(run)
    if not course.known or SHORTER * course.first < course.latest < LONGER * course.first:
        return None
    how = "longer" if course.latest > course.first else "shorter"
    return Finding(
        "length",
        course.latest_step,
        f"The answers become {how} and {how}",
        f"They had {course.first:.0f} tokens at the beginning and have {course.latest:.0f} from step "
        f"{course.latest_step:,} on.",
        "The reward may pay for the length, or for something that is easier to do at that length.",
        "If that is not what you meant: change the reward, a reward model by votes on pairs where the better answer "
        "has the other length; or begin again with a higher price for distance.",
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
    whole, tokens, each = MetricSeries(run.lines, "objective/entropy"), lengths(run), MetricSeries(run.lines, "entropy")
    if each.known:
        then, now, step = each.first, each.latest, each.latest_step
    elif whole.known and tokens.known:
        then, now, step = whole.first / tokens.first, whole.latest / tokens.latest, whole.latest_step
    else:
        return None
    if now > CALM * then:
        return None
    return Finding(
        "entropy collapse",
        step,
        "The policy hardly hesitates any more",
        f"The entropy of a token fell from {then:.2f} to {now:.2f} nats.",
        "It has made up its mind about every word, and what it does not try it cannot learn.",
        "Begin again with half the learning rate, or with a higher price for distance.",
        {"learning_rate": halved(run.config)},
        0,
    )


# --- groups of answers to one prompt --------------------------------------------------------------------------------


def groups_alike(run: RunState) -> Finding | None:
    """Nothing is learned where all answers of a group score the same."""
    alike, reward = MetricSeries(run.lines, "frac_reward_zero_std"), MetricSeries(run.lines, TOTAL)
    if len(alike.values) < LATEST or float(alike.values[-LATEST:].min()) < ALIKE:
        return None
    return Finding(
        "groups all alike",
        alike.latest_step,
        "All answers to a prompt are worth the same",
        f"In {alike.latest:.0%} of the groups of the last {LATEST} iterations no answer was worth more than another; "
        f"the reward is {reward.latest:.2f} on average.",
        "An answer is measured against its group, so from these nothing is learned: the reward is a constant, or what "
        "it asks for never happens, or always.",
        "If it never happens, reward a part of it too, or give larger groups; if it always does, the model has learned "
        "it, and this run can end.",
    )


def part_eaten(run: RunState) -> Finding | None:
    """A part of the reward falls while the whole rises: another part pays more."""
    total, terms = MetricSeries(run.lines, TOTAL), parse_terms(str(run.config[TOTAL]))
    if not total.known or total.latest <= total.first:
        return None
    for term in terms:
        mean, std = (MetricSeries(run.lines, f"rewards/{term.name}/{what}") for what in ("mean", "std"))
        if not mean.known:
            continue
        lost = math.copysign(1, term.weight) * (mean.first - mean.latest)
        if lost > max(EATEN * std.first, 1e-6):
            return Finding(
                "a part eaten by another",
                mean.latest_step,
                f"{term.name} is given up for the rest of the reward",
                f"{term.name} went from {mean.first:.2f} to {mean.latest:.2f} while the reward rose from "
                f"{total.first:.2f} to {total.latest:.2f}.",
                "What the other parts pay is easier to get without it.",
                "Begin again with twice its weight, or leave it out.",
                {TOTAL: ", ".join(f"{(1 + (one == term)) * one.weight:g} {one.source}" for one in terms)},
                0,
            )
    return None


def dearer(config: Mapping[str, Any]) -> float:
    return float(f"{max(2 * float(config.get('kl_coef', 0.0)), 0.05):.2g}")


def halved(config: Mapping[str, Any]) -> float:
    return float(f"{float(config['learning_rate']) / 2:.2g}")


# --- what is learned from votes -------------------------------------------------------------------------------


def is_by_heart(train: Sequence[float], held_out: Sequence[float], config: Mapping[str, Any]) -> bool:
    """Are the votes that are learned from known, and those held out nearly guessed? Losses in nats a vote, by step."""
    if not len(train) or not len(held_out) or config.get("loss_type") in NOT_NATS:
        return False
    known = float(np.median(train[-RECENT:]))
    return held_out[-1] > max(GUESSING, known + GAP)


def by_heart(run: RunState) -> Finding | None:
    """The gap between training and held-out votes. Where the held-out loss has risen, `overfitting` says so."""
    log, held_out = run.log, MetricSeries(run.lines, "loss/val")
    if not is_by_heart(log.loss.tolist(), held_out.values.tolist(), run.config) or overfitting(run):
        return None
    return Finding(
        "votes by heart",
        held_out.steps[-1],
        "The model learns the votes by heart",
        f"At step {held_out.steps[-1]:,} the loss is {log.level(log.last_step):.2f} on the votes that it learns from, "
        f"and {held_out.values[-1]:.2f} on those held out; a coin gets {math.log(2):.2f}.",
        "It knows which answers won, and not why: on other answers it is little better than a coin.",
        "Give more votes, or begin again with fewer steps.",
        {"max_steps": max(1, run.max_steps // 2)},
        0,
    )


def few_votes(run: RunState) -> Finding | None:
    prompts, votes = (MetricSeries(run.lines, key) for key in ("n/prompts", "n/votes"))
    if not prompts.steps or not votes.steps or prompts.values[-1] >= ENOUGH:
        return None
    n, of = int(votes.values[-1]), int(prompts.values[-1])
    on = f", on {of} prompt{'s' * (of != 1)}" if of != n else ""
    return Finding(
        "few held-out votes",
        prompts.steps[0],
        "Too few votes are held out to tell how well it learns",
        f"It is measured on {n} held-out vote{'s' * (n != 1)}{on}; with fewer than {ENOUGH} every figure on them is "
        "mostly chance.",
        "A curve of so few votes may rise or fall for no reason.",
        f"Vote on some {votes_wanted(of, run.config)} more pairs, and train again.",
    )


def votes_wanted(held_out: int, config: Mapping[str, Any]) -> int:
    """How many more votes it takes, about, until ENOUGH are held out."""
    more = (ENOUGH - held_out) / float(config.get("val_share") or 1)
    return 10 * math.ceil(more / 10)


VOTE_RULES: tuple[Rule, ...] = (by_heart, few_votes)
DPO_RULES: tuple[Rule, ...] = (dpo_runaway, *VOTE_RULES)
# It makes its own data as it goes, so its loss says nothing about how well it learns.
PPO_RULES: tuple[Rule, ...] = (not_finite, memory, runaway, length, repetition, entropy_collapse)
GRPO_RULES: tuple[Rule, ...] = (*PPO_RULES, groups_alike, part_eaten)
