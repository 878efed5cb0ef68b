"""Rewards of answers: each a function from a prompt and its answers to numbers, and several with weights.

Shapes: N answers, R rewards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real

import torch
from torch import Tensor

from core.datasets.instructions import Instruction, lines, words
from core.datasets.verse import metre, rhyme
from core.preferences.reward_terms import INSTRUCTIONS, LENGTH, METRE, RHYME, Term
from core.preferences.rule_annotators import RULES, Rule
from core.rlhf.own_reward import Reward, call_in_time, describe, read_own_reward

Asked = Mapping[str, Sequence[Instruction]]  # {prompt: what it asks for}


def rule_reward(rule: Rule, prompt: str, answers: Sequence[str]) -> list[float]:
    """1 for an answer that is what the rule likes, 0 for any other: what is counted before and after a training."""
    return [float(rule.holds(answer)) for answer in answers]


def instruction_reward(asked: Asked, prompt: str, answers: Sequence[str]) -> list[float]:
    """Share of the prompt's instructions that an answer follows; 1 where there are none."""
    instructions = asked[prompt]
    followed = [[instruction.is_followed(answer) for instruction in instructions] for answer in answers]
    return [sum(one) / len(one) if one else 1.0 for one in followed]


def metre_reward(prompt: str, answers: Sequence[str]) -> list[float]:
    """How near the lines of an answer are to iambic pentameters, on average."""
    return [sum(map(metre, said)) / len(said) if (said := lines(answer)) else 0.0 for answer in answers]


def rhyme_reward(prompt: str, answers: Sequence[str]) -> list[float]:
    return [rhyme(lines(answer)) for answer in answers]


def length_reward(prompt: str, answers: Sequence[str]) -> list[float]:
    """In words."""
    return [float(len(words(answer))) for answer in answers]


def reward_of(term: Term, asked: Asked, learned: Mapping[str, Reward]) -> Reward:
    """The function that a term names. learned: those that a model gives. ValueError if it cannot be had."""
    simple: dict[str, Reward] = {
        **{name: partial(rule_reward, rule) for name, rule in RULES.items()},
        INSTRUCTIONS: partial(instruction_reward, asked),
        METRE: metre_reward,
        RHYME: rhyme_reward,
        LENGTH: length_reward,
        **learned,
    }
    return read_own_reward(term) if term.is_own else simple[term.source]


@dataclass(frozen=True)
class Rewards:
    """Several rewards with their weights. seconds: that one of them may take for the answers to a prompt."""

    terms: Sequence[Term]
    functions: Sequence[Reward]
    seconds: float

    @property
    def names(self) -> list[str]:
        """As metrics call them."""
        return [term.name for term in self.terms]

    def __call__(self, prompts: Sequence[str], answers: Sequence[str]) -> Tensor:
        """(N, R): each reward of each answer, without its weight. Answers to one prompt come one after the other.

        Raises ValueError that names the reward which failed.
        """
        found: list[list[list[float]]] = []
        first = 0
        while first < len(prompts):
            last = first
            while last < len(prompts) and prompts[last] == prompts[first]:
                last += 1
            some = list(answers[first:last])
            pairs = zip(self.terms, self.functions, strict=True)
            found.append([self.one(term, function, prompts[first], some) for term, function in pairs])
            first = last
        return torch.cat([torch.tensor(group, dtype=torch.float32).T for group in found])

    def total(self, parts: Tensor) -> Tensor:
        """(N,): the weighted sum of the parts (N, R)."""
        return parts @ torch.tensor([term.weight for term in self.terms])

    def one(self, term: Term, function: Reward, prompt: str, answers: list[str]) -> list[float]:
        """What one reward gives to the answers to a prompt."""
        try:
            found = call_in_time(function, prompt, answers, self.seconds) if term.is_own else function(prompt, answers)
            numbers = [one.item() if isinstance(one, Tensor) else one for one in found]
        except TimeoutError as error:
            raise ValueError(
                f"the reward {term.source} took longer than reward_seconds = {self.seconds:g} for {len(answers)} "
                "answers: make it faster, or allow it more"
            ) from error
        except Exception as error:  # whatever a person's own function may raise
            if not term.is_own:
                raise
            raise ValueError(
                f"the reward {term.source} raised {describe(error)}, for the prompt {prompt!r:.60}"
            ) from error
        if len(numbers) != len(answers):
            raise ValueError(f"the reward {term.source} gave {len(numbers)} numbers for {len(answers)} answers")
        if bad := [one for one in numbers if not isinstance(one, Real) or not math.isfinite(one)]:
            raise ValueError(f"the reward {term.source} gave {bad[0]!r}, which is no finite number")
        return [float(one) for one in numbers]
