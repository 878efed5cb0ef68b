"""The points in the picture of a comparison: what is measured of a model, and what it took to get there."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from core.checkpoint import Checkpoint, read_card
from core.config import plural
from core.datasets.instructions import words
from core.evaluation.preferences import answer_kl
from core.method_comparison_file import METHODS, Point, strength_text
from core.method_comparison_settings import COMPARE
from core.model import GPT
from core.preferences.agreement import Z, wilson
from core.preferences.pair_generation import PAIR_SAMPLING
from core.preferences.rule_annotators import Rule
from core.rlhf.best_of_n import best_of_n, best_of_n_kl
from core.rlhf.rollouts import Response, generate_responses
from core.training.run_directory import Run, step_number

SIDE_BY_SIDE = 64  # answers that are written at once


class Interval(NamedTuple):
    """A mean over prompts, and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float


class Measured(NamedTuple):
    reward: Interval  # share of the answers that the rule likes, or its score
    kl: Interval  # nats an answer from the parent
    words: Interval  # in an answer
    proxy: Interval = Interval(0.0, 0.0, 0.0)  # what a reward model says, where that is compared with the rule


@dataclass(frozen=True)
class Cost:
    """What has been spent."""

    seconds: float = 0.0
    answers: int = 0
    votes: int = 0


def share(values: Tensor) -> Interval:
    """Of what is between 0 and 1 for each prompt, (P,): Wilson's interval.

    Where a prompt's value is a mean itself, it is too wide rather than too narrow.
    """
    return Interval(values.mean().item(), *wilson(values.sum().item(), len(values)))


def mean(values: Tensor, least: float = 0.0) -> Interval:
    """Of what is never below `least`, (P,)."""
    middle, half = values.mean().item(), Z * values.std().item() / math.sqrt(len(values))
    return Interval(middle, max(least, middle - half), middle + half)


def exact(value: float) -> Interval:
    """Of what is not estimated."""
    return Interval(value, value, value)


@dataclass(frozen=True)
class Evaluator:
    """A rule, held-out prompts as tokens, and the parent: by these all are measured."""

    parent: Checkpoint[GPT]
    rule: Rule
    prompts: Sequence[list[int]]
    seed: int

    def write(self, model: GPT, samples: int = 1) -> Iterator[list[Response]]:
        """So many answers to each prompt, those to one after the other, some at a time."""
        asked = [ids for ids in self.prompts for _ in range(samples)]
        for first in range(0, len(asked), SIDE_BY_SIDE):
            sampling = replace(PAIR_SAMPLING, seed=self.seed + first)
            yield generate_responses(model, self.parent.tokenizer, asked[first : first + SIDE_BY_SIDE], sampling)

    def texts(self, responses: Sequence[Response]) -> list[str]:
        return [self.parent.tokenizer.decode(response.answer).strip() for response in responses]

    def measure(self, model: GPT) -> Measured:
        """By one answer to each prompt; reward and KL are of the same ones."""
        written = [response for some in self.write(model) for response in some]
        texts = self.texts(written)
        held, lengths = (torch.tensor([float(of(text)) for text in texts]) for of in (self.rule.holds, length))
        kl = answer_kl(model, self.parent.model, [response.example for response in written])
        return Measured(share(held), mean(kl), mean(lengths))

    def best_of(self, texts: Sequence[str], samples: int) -> dict[int, Measured]:
        """Of as many answers to each prompt, {n: what picking the best of n does}, from 1, the parent as it is, on."""
        scores, held, lengths = (
            torch.tensor([float(of(text)) for text in texts], dtype=torch.float64).view(-1, samples)
            for of in (self.rule.score, self.rule.holds, length)
        )
        found = {}
        for n in sizes(samples):
            best = partial(best_of_n, scores, n=n)
            found[n] = Measured(share(best(held)), exact(best_of_n_kl(n)), mean(best(lengths)))
        return found


def sizes(samples: int) -> list[int]:
    """The n of best-of-n: powers of 2 up to the number of answers, and that."""
    return sorted({2**i for i in range(samples.bit_length())} | {samples})


def length(text: str) -> int:
    return len(words(text))


# --- of a training --------------------------------------------------------------------------------------------


def steps_kept(run: Run) -> list[Path]:
    """Where the weights lie that a training had at some of its steps: not at its start, and always at its end."""
    kept = [path for path in run.snapshots() if step_number(path)]
    last = read_card(run.directory / "card.json").step
    return kept if kept and step_number(kept[-1]) == last else [*kept, run.directory]


def point(method: str, strength: int, measured: Measured, spent: Cost, prompts: int, each: int = 1) -> Point:
    reward, kl, length, proxy = measured
    return Point(
        method=method,
        strength=strength,
        reward=reward.value,
        reward_low=reward.low,
        reward_high=reward.high,
        kl=kl.value,
        kl_low=kl.low,
        kl_high=kl.high,
        prompts=prompts,
        words=length.value,
        words_low=length.low,
        words_high=length.high,
        seconds=spent.seconds,
        answers=spent.answers,
        votes=spent.votes,
        each=each,
        proxy=proxy.value,
        proxy_low=proxy.low,
        proxy_high=proxy.high,
    )


def describe(point: Point, kind: str = COMPARE) -> str:
    """A line for people."""
    kl = f"{point.kl:.2f} [{point.kl_low:.2f}, {point.kl_high:.2f}] nats"
    of = plural(point.prompts, "prompt")
    if kind == COMPARE:
        found = f"{100 * point.reward:.0f} % [{100 * point.reward_low:.0f}, {100 * point.reward_high:.0f}] of {of}"
    else:
        found = f"rule {signed(point.reward, point.reward_low, point.reward_high)}, "
        found += f"reward model {signed(point.proxy, point.proxy_low, point.proxy_high)} of {of}"
    cost = f"{point.seconds:.0f} s, {plural(point.answers, 'answer')}, {plural(point.votes, 'vote')}"
    what = strength_text(point.method, point.strength)
    return f"  {METHODS[point.method]}, {what}: {found}, KL {kl}, {point.words:.1f} words; {cost}"


def signed(value: float, low: float, high: float) -> str:
    """Standard deviations."""
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(round(number, 2) + 0.0 for number in (value, low, high)))  # no -0
