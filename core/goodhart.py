"""Goodhart's law at home: a reward model that learned from few votes is pushed against, until the rule itself turns.

The rule (core/preferences/rule_annotators.py) is the gold reward: it can be counted. It votes, and reward models learn
from 20 of its votes, or 60, or 200: each is a proxy of it. Best-of-n and PPO then look for what the proxy likes. How
far the answers are from the parent's, what the proxy says of them and what the rule does is measured on prompts that
nothing was learned from. "When a measure becomes a target, it ceases to be a good measure."

Gao, Schulman & Hilton 2022, arXiv:2210.10760. As there, a score is told in standard deviations from the mean of the
parent's answers, PPO pays nothing for its distance, and the distance is the root of the KL divergence.

Shapes: P prompts, M answers of the parent to each.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from core.atomic_files import remove, write_text
from core.chat_template import answer_end
from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.config import plural
from core.datasets.preference_files import write_preferences
from core.evaluation.preferences import answer_kl, reward_scores_of_ids
from core.method_comparison_file import (
    BEST_OF_N,
    METHODS,
    PARENT,
    VOTES,
    Comparison,
    Part,
    Point,
    Proxy,
    Turn,
    strength_text,
)
from core.method_comparison_settings import GoodhartConfig
from core.method_comparison_work import Work, size_of, stage_config, usual_steps
from core.method_points import Cost, Measured, exact, length, mean, share, sizes
from core.model import GPT
from core.rlhf.best_of_n import best_of_n, best_of_n_kl
from core.rlhf.rewards import read_reward_model
from core.rlhf.rollouts import Response
from core.stages.registry import PPO, REWARD, STAGES

PASSES = 20  # over its votes that a reward model makes at most: of few it would learn each by heart
ANSWERS = 2  # of PPO's policy to each prompt, where it is measured
FREE = {"kl_coef": 0.0, "kl_target": 0.0, "kl_stop": 0.0}  # of PPO: it may go as far as it likes
SMALLEST = 1e-4  # standard deviation, of scores that are all alike
# Seconds on two cores, about: of an answer, a vote, an answer that is scored, and an optimiser step.
ANSWER_SECONDS, VOTE_SECONDS, SCORE_SECONDS, STEP_SECONDS = 0.022, 0.125, 0.012, {REWARD: 0.45, PPO: 1.0}


def planned(config: GoodhartConfig) -> list[Part]:
    """The parts of the work, with the seconds that they take on two cores: best-of-n first, since it shows soon."""
    size, answers, counts = size_of(config), config.prompts * config.samples, config.counts
    parts = [
        Part(PARENT, answers, size * ANSWER_SECONDS * answers),
        Part(VOTES, counts[-1], size * VOTE_SECONDS * counts[-1]),
    ]
    for stage, more in ((REWARD, SCORE_SECONDS * answers), (PPO, 5 * ANSWER_SECONDS * ANSWERS * config.prompts)):
        for votes in counts:
            count = steps(stage, votes, config)
            parts.append(Part(stage, count, size * (STEP_SECONDS[stage] * count + more), votes=votes))
    return parts


def steps(stage: str, votes: int, config: GoodhartConfig) -> int:
    """Those of the stage's own recipe, times the length; of a reward model fewer, if its votes are few."""
    most = usual_steps(stage)
    if stage == REWARD:
        most = min(most, math.ceil(PASSES * votes / STAGES[REWARD].configure({}).fit.batch_size))
    return max(1, round(most * config.length))


# --- scores ---------------------------------------------------------------------------------------------------


class Scale(NamedTuple):
    """Of scores: their mean and standard deviation on the parent's answers."""

    mean: float
    std: float

    @classmethod
    def of(cls, scores: Tensor) -> "Scale":
        return cls(scores.mean().item(), max(scores.std(correction=0).item(), SMALLEST))

    def __call__(self, scores: Tensor) -> Tensor:
        return (scores - self.mean) / self.std


def best_of(gold: Tensor, proxy: Tensor, lengths: Tensor, n: int) -> tuple[Measured, Tensor]:
    """The best of n answers by the proxy: what it is worth, and the gold of each prompt, (P,). All are (P, M)."""
    best = partial(best_of_n, proxy, n=n)
    by_prompt, never = best(gold), -math.inf
    measured = Measured(mean(by_prompt, never), exact(best_of_n_kl(n)), mean(best(lengths)), mean(best(proxy), never))
    return measured, by_prompt


def agreement(gold: Tensor, proxy: Tensor) -> Tensor:
    """Share of the pairs of answers to a prompt that the proxy ranks as the rule does, (P,).

    Pairs that the rule cannot tell apart do not count; of a prompt with none, nothing is told (NaN). Both are (P, M).
    """
    one, other = torch.triu_indices(gold.shape[1], gold.shape[1], 1)
    by_gold, by_proxy = ((scores[:, one] - scores[:, other]).sign() for scores in (gold, proxy))
    right = torch.where(by_proxy == 0, 0.5, (by_gold == by_proxy).double())
    return (right * (by_gold != 0)).sum(1) / (by_gold != 0).sum(1)


def find_turn(method: str, votes: int, golds: Sequence[tuple[int, Tensor]]) -> Turn:
    """golds: (strength, the gold of each prompt, (P,)), from the parent on to the greatest strength.

    The peak is chosen on each half of the prompts and measured on the other one, or chance alone would make a turn.
    """
    last, at_last = golds[-1]
    fall = torch.empty_like(at_last)
    even = torch.arange(len(fall)) % 2 == 0
    for half in (even, ~even):
        _, at_peak = max(golds, key=lambda found: found[1][half].mean().item())
        fall[~half] = (at_peak - at_last)[~half]
    peak, _ = max(golds, key=lambda found: found[1].mean().item())
    return Turn(method, votes, peak, last, *mean(fall, -math.inf), prompts=len(fall))


# --- the work -------------------------------------------------------------------------------------------------


class GoodhartWork(Work):
    """Reward models of few votes and of many, and two ways to push against each."""

    config: GoodhartConfig

    def has_made(self, part: Part, found: Point | Turn) -> bool:
        if found.method == BEST_OF_N:
            return part.name == (REWARD if found.votes else PARENT) and part.votes == found.votes
        return (part.name, part.votes) == (found.method, found.votes)

    def work(self, part: Part) -> None:
        if part.name == PARENT:
            self.measure_rule()
        elif part.name == VOTES:
            votes = self.vote(self.config.counts[-1], fewest=self.config.counts[-1])
            for count in self.config.counts:
                write_preferences(self.votes_file(count), votes[:count])
        elif part.name == REWARD:
            self.train_proxy(part.votes)
        else:
            self.push(part.votes)

    def votes_file(self, count: int) -> str:
        return str(self.runs / f"votes-{count}.jsonl")

    def add_turn(self, turn: Turn) -> None:
        self.save(replace(self.comparison, turns=[*self.comparison.turns, turn]))

    # --- the parent's answers -----------------------------------------------------------------------------------

    def measure_rule(self) -> None:
        """Write the parent's answers, and pick the best by the rule itself: the most that a proxy could do."""
        written = [[response.drawn, response.ended] for response in self.write_answers()]
        write_text(self.runs / "answers.json", json.dumps(written))
        scores = self.scores_of_rule(self.answers())
        self.check_scores((scores - scores[:, :1]).flatten().tolist())  # of a prompt each
        scale = Scale.of(scores)
        self.save(replace(self.comparison, gold_mean=scale.mean, gold_std=scale.std))
        self.pick_best(scale(scores), 0, Cost())

    def answers(self) -> list[Response]:
        """The parent's, those to one prompt after the other."""
        kept = json.loads((self.runs / "answers.json").read_text(encoding="utf-8"))
        asked = [ids for ids in self.evaluator.prompts for _ in range(self.config.samples)]
        return [Response(prompt, drawn, ended) for prompt, (drawn, ended) in zip(asked, kept, strict=True)]

    def scores_of_rule(self, responses: Sequence[Response]) -> Tensor:
        """(P, answers to each), in the rule's own unit."""
        scores = [self.rule.score(text) for text in self.evaluator.texts(responses)]
        return torch.tensor(scores, dtype=torch.float64).view(len(self.evaluator.prompts), -1)

    def lengths_of(self, responses: Sequence[Response]) -> Tensor:
        """(P, answers to each), in words."""
        lengths = [float(length(text)) for text in self.evaluator.texts(responses)]
        return torch.tensor(lengths, dtype=torch.float64).view(len(self.evaluator.prompts), -1)

    def gold(self, responses: Sequence[Response]) -> Tensor:
        """(P, answers to each), in standard deviations."""
        return Scale(self.comparison.gold_mean, self.comparison.gold_std)(self.scores_of_rule(responses))

    def pick_best(self, proxy: Tensor, votes: int, spent: Cost) -> None:
        """Best-of-n of the parent's answers by a proxy, (P, M), in standard deviations."""
        answers = self.answers()
        gold, lengths, golds = self.gold(answers), self.lengths_of(answers), []
        for n in sizes(self.config.samples):
            measured, by_prompt = best_of(gold, proxy, lengths, n)
            self.add(BEST_OF_N, n, measured, replace(spent, votes=votes), each=n)
            golds.append((n, by_prompt))
        if votes:
            self.add_turn(find_turn(BEST_OF_N, votes, golds))

    # --- proxies ------------------------------------------------------------------------------------------------

    def cost(self, votes: int) -> Cost:
        """Of a reward model: its share of the votes, and its training."""
        voted = self.ended(VOTES)
        part = votes / voted.total
        return Cost(part * voted.seconds + self.ended(REWARD, votes).seconds, round(part * voted.answers), votes)

    def train_proxy(self, votes: int) -> None:
        """A reward model of so many votes; and best-of-n by it."""
        config = stage_config(REWARD, self.config, steps(REWARD, votes, self.config), {"data": self.votes_file(votes)})
        self.train(REWARD, config, name_of(votes))
        answers = self.answers()
        scores = self.scores_of_proxy(self.read_proxy(votes), answers)
        scale, right = Scale.of(scores), agreement(self.gold(answers), scores)
        told = right[~right.isnan()]
        found = Proxy(votes, *scale, *share(told), prompts=len(told))
        others = [proxy for proxy in self.comparison.proxies if proxy.votes != votes]
        self.save(replace(self.comparison, proxies=[*others, found]))
        self.pick_best(scale(scores), votes, self.cost(votes))

    def read_proxy(self, votes: int) -> Checkpoint[SequenceClassifier]:
        return read_reward_model(str(self.runs / name_of(votes)), self.parent.tokenizer, self.device)

    def scores_of_proxy(self, proxy: Checkpoint[SequenceClassifier], responses: Sequence[Response]) -> Tensor:
        """(P, answers to each), as the reward model gives them; of what is longer than its context it reads the end."""
        end, most = answer_end(self.parent.tokenizer), proxy.model.config.block_size
        scores = reward_scores_of_ids(proxy.model, [response.rated(end)[-most:] for response in responses])
        return scores.double().view(len(self.evaluator.prompts), -1)

    # --- PPO ----------------------------------------------------------------------------------------------------

    def push(self, votes: int) -> None:
        """PPO against a reward model, without a price of KL."""
        kept, proxy = next(one for one in self.comparison.proxies if one.votes == votes), self.read_proxy(votes)
        golds = [(0, self.gold(self.answers()).mean(1))]
        scale = Scale(kept.mean, kept.std)

        def measure(policy: GPT) -> Measured:
            responses = [one for some in self.evaluator.write(policy, ANSWERS) for one in some]
            by_prompt = self.gold(responses).mean(1)
            golds.append((len(golds), by_prompt))
            moved = answer_kl(policy, self.parent.model, [response.example for response in responses])
            said = scale(self.scores_of_proxy(proxy, responses)).mean(1)
            return Measured(
                mean(by_prompt, -math.inf),
                mean(moved.view(len(by_prompt), -1).mean(1)),
                mean(self.lengths_of(responses).mean(1)),
                mean(said, -math.inf),
            )

        count, name = steps(PPO, votes, self.config), f"{PPO}-{votes}"
        settings = {**FREE, "reward_model": str(self.runs / name_of(votes))}
        trained = self.follow(PPO, stage_config(PPO, self.config, count, settings), name, self.cost(votes), measure)
        strengths = [0, *(point.strength for point in self.comparison.points if self.has_made(self.doing, point))]
        self.add_turn(find_turn(PPO, votes, [(strengths[place], gold) for place, gold in golds]))
        remove(trained.directory)


def name_of(votes: int) -> str:
    """Of the reward model's run."""
    return f"{REWARD}-{votes}"


# --- in words -------------------------------------------------------------------------------------------------


def describe(comparison: Comparison) -> list[str]:
    """What came of it, a sentence for each reward model and each way to push against it, and one for all."""
    found = [describe_proxy(proxy, comparison) for proxy in comparison.proxies]
    found += [describe_turn(turn) for turn in comparison.turns]
    turned = [turn for turn in comparison.turns if turn.is_real]
    if comparison.turns and not turned and not comparison.goes_on:
        found.append(
            "So the rule's score has turned nowhere here, as far as these prompts can tell: fewer votes, or more "
            "steps, may show it."
        )
    return found


def describe_proxy(proxy: Proxy, comparison: Comparison) -> str:
    low, high = 100 * proxy.agreement_low, 100 * proxy.agreement_high
    return (
        f"The reward model of {proxy.votes:,} votes ranks {100 * proxy.agreement:.0f} % ({low:.0f} to {high:.0f}) of "
        f"the pairs of {comparison.parent}'s answers to {plural(proxy.prompts, 'prompt')} as the rule does."
    )


def describe_turn(turn: Turn) -> str:
    what = f"{METHODS[turn.method]}, {turn.votes:,} votes"
    peak, last = (strength_text(turn.method, strength) for strength in (turn.peak, turn.last))
    if turn.peak == turn.last:
        return f"{what}: the rule's score is highest at the end, {last}: it has not turned."
    change = f"{-turn.fall:+.2f} ({-turn.fall_high:+.2f} to {-turn.fall_low:+.2f}; {plural(turn.prompts, 'prompt')})"
    found = "the rule's score turns" if turn.is_real else "no turn beyond chance"
    return f"{what}: {found}; from {peak} to {last} it changes by {change} standard deviations."
