"""The answers that a policy learns from: how they are written, and what is kept of them.

Shapes: N answers, T predictions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from core import lora
from core.chat_template import question, turn_ends
from core.compiling import uncompiled
from core.datasets.batch import Batch
from core.datasets.conversations import Example
from core.generate import Sampling, batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.packed_model import PackedGPT
from core.tokenizer import Tokenizer


@dataclass(frozen=True)
class Rollouts(Batch):
    """Answers of the policy as it was, and how they were rated.

    inputs, targets (N, T): prompt and answer; targets count where they are tokens of the answer, its end included.
    """

    logprobs: Tensor  # (N, T) by the policy that wrote them
    kl: Tensor  # (N, T) log-probability less the reference's
    values: Tensor  # (N, T) rewards that were expected
    advantages: Tensor  # (N, T) whitened
    returns: Tensor  # (N, T) what the value head should have said
    scores: Tensor  # (N,) by the reward model, normalised
    ended: Tensor  # (N,) did the answer end by itself?

    @property
    def mask(self) -> Tensor:
        return self.targets != IGNORE_INDEX

    def mean_kl(self) -> float:
        """KL of the policy to the reference in nats an answer, as seen on these."""
        return self.kl.sum(1).mean().item()

    def objective(self, kl_coef: float) -> dict[str, float]:
        """TRL's metrics of an iteration, and what tells a policy that cheats: length, repetition, no end."""
        moved, score = self.mean_kl(), self.scores.mean().item()
        answers = [targets[mask].tolist() for targets, mask in zip(self.targets, self.mask, strict=True)]
        return {
            "objective/kl": moved,
            "objective/entropy": -self.logprobs.sum(1).mean().item(),
            "objective/scores": score,
            "objective/rlhf_reward": score - kl_coef * moved,
            "objective/kl_coef": kl_coef,
            "val/length": self.mask.sum(1).float().mean().item(),
            "val/repetition": repetition(answers),
            "val/eos": self.ended.float().mean().item(),
        }

    def describe(self, count: int, tokenizer: Tokenizer) -> list[dict[str, Any]]:
        """The first `count` answers, token by token, as details.jsonl holds them."""
        found = []
        for row in range(min(count, len(self))):
            mask = self.mask[row]
            first = int(mask.int().argmax())  # the position that predicts the answer's first token
            found.append(
                {
                    "prompt": question(tokenizer, self.inputs[row, : first + 1].tolist()),
                    "tokens": [tokenizer.token_bytes(id).hex() for id in self.targets[row][mask].tolist()],
                    "score": self.scores[row].item(),
                    "kl": self.kl[row][mask].tolist(),
                    "advantages": self.advantages[row][mask].tolist(),
                    "ended": bool(self.ended[row]),
                }
            )
        return found


AnyBatch = TypeVar("AnyBatch", bound=Batch)


def shuffled_rows(answers: AnyBatch, step: int, size: int, seed: int) -> AnyBatch:
    """The rows of optimiser step `step`: in every pass over the answers of an iteration each comes once."""
    passed, position = divmod(step, len(answers) // size)
    shuffled = np.random.default_rng((seed, passed, 1)).permutation(len(answers))
    index = torch.from_numpy(shuffled[position * size : (position + 1) * size])
    return answers.map(lambda tensor: tensor[index])


def repetition(answers: Sequence[Sequence[int]]) -> float:
    """Share of the three-token sequences that had been said before, in the same answer or another one."""
    said = Counter(trio for ids in answers for trio in zip(ids, ids[1:], ids[2:], strict=False))
    return 1 - len(said) / said.total() if said else 0.0


@dataclass(frozen=True)
class Response:
    """An answer of the policy with its prompt, as it was drawn."""

    prompt: list[int]
    drawn: list[int]  # with the token that ended it
    ended: bool  # in time, by itself

    @property
    def example(self) -> Example:
        """What is learned from: every token that was drawn."""
        return Example([*self.prompt, *self.drawn], [False] * len(self.prompt) + [True] * len(self.drawn))

    @property
    def answer(self) -> list[int]:
        """Without the token that ended it."""
        return self.drawn[:-1] if self.ended else self.drawn

    def rated(self, end: int) -> list[int]:
        """What a reward model reads: an answer that ended ends with `end`, whatever mark it was; no other does."""
        return [*self.prompt, *self.answer, *[end] * self.ended]


def generate_responses(
    gpt: GPT, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], sampling: Sampling
) -> list[Response]:
    """Prompts with the answers that `gpt` gives to them; they end where the chat would end them."""
    plain = lora.merge_adapters(gpt)
    writer = PackedGPT(plain) if gpt.device.type == "cpu" else plain
    stop = turn_ends(tokenizer)
    with uncompiled():
        answers = batch(writer, [list(prompt) for prompt in prompts], sampling, stop, with_stop=True)
    return [
        Response(list(prompt), ids, bool(ids) and ids[-1] in stop) for prompt, ids in zip(prompts, answers, strict=True)
    ]
