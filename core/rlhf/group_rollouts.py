"""The answers from which a policy learns group by group: what is kept of them, and what is told.

Shapes: N answers, those to one prompt one after the other; T predictions, R rewards.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.chat_template import question
from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.preferences.reward_terms import TOTAL
from core.rlhf.rollouts import repetition
from core.tokenizer import Tokenizer


def all_alike(rewards: Tensor) -> Tensor:
    """(P,): did all answers of the group (P, G) score the same? From such a group nothing is learned."""
    spread = rewards.std(1)
    return torch.isclose(spread, torch.zeros_like(spread))


@dataclass(frozen=True)
class GroupRollouts(Batch):
    """Answers of the policy as it was, those to one prompt one after the other, and how they were rewarded.

    inputs, targets (N, T): prompt and answer; targets count where they are tokens of the answer, its end included.
    """

    logprobs: Tensor  # (N, T) by the policy that wrote them
    reference: Tensor  # (N, T) log-probabilities by the parent
    advantages: Tensor  # (N,)
    parts: Tensor  # (N, R) each reward, without its weight
    rewards: Tensor  # (N,) their weighted sum, less the penalty for those that did not end in time
    ended: Tensor  # (N,) did the answer end by itself?
    weights: Tensor  # (N,) of its losses, among those that are learned from at once; on average over all tokens 1

    @property
    def mask(self) -> Tensor:
        return self.targets != IGNORE_INDEX

    def mean_kl(self) -> float:
        """KL of the policy to the parent in nats an answer, as seen on these."""
        return ((self.logprobs - self.reference) * self.mask).sum(1).mean().item()

    def metrics(self, names: list[str], group_size: int) -> dict[str, float]:
        """TRL's of an iteration, and what tells a policy that cheats."""
        grouped = self.rewards.view(-1, group_size)
        answers = [targets[mask].tolist() for targets, mask in zip(self.targets, self.mask, strict=True)]
        spread = self.parts.std(0).tolist()
        parts = {f"rewards/{name}/mean": mean for name, mean in zip(names, self.parts.mean(0).tolist(), strict=True)}
        parts |= {f"rewards/{name}/std": std for name, std in zip(names, spread, strict=True)}
        return parts | {
            TOTAL: self.rewards.mean().item(),
            "reward_std": self.rewards.std().item(),
            "frac_reward_zero_std": all_alike(grouped).float().mean().item(),
            "completions/mean_length": self.mask.sum(1).float().mean().item(),
            "completions/clipped_ratio": 1 - self.ended.float().mean().item(),
            "objective/kl": self.mean_kl(),
            "val/repetition": repetition(answers),
        }

    def describe(self, names: list[str], group_size: int, count: int, tokenizer: Tokenizer) -> list[dict[str, Any]]:
        """`count` groups as details.jsonl holds them, those first whose answers differ most in reward."""
        spread = self.rewards.view(-1, group_size).std(1)
        order = spread.argsort(descending=True, stable=True)[:count].tolist()
        return [
            {
                "prompt": question(tokenizer, self.prompt_ids(group * group_size)),
                "rewards": names,
                "answers": [
                    self.describe_answer(row, tokenizer) for row in range(group * group_size, (group + 1) * group_size)
                ],
            }
            for group in order
        ]

    def prompt_ids(self, row: int) -> list[int]:
        first = int(self.mask[row].int().argmax())  # the position that predicts the answer's first token
        ids: list[int] = self.inputs[row, : first + 1].tolist()
        return ids

    def describe_answer(self, row: int, tokenizer: Tokenizer) -> dict[str, Any]:
        mask = self.mask[row]
        return {
            "tokens": [tokenizer.token_bytes(id).hex() for id in self.targets[row][mask].tolist()],
            "kl": (self.logprobs - self.reference)[row][mask].tolist(),
            TOTAL: self.rewards[row].item(),
            "parts": self.parts[row].tolist(),
            "advantage": self.advantages[row].item(),
            "ended": bool(self.ended[row]),
        }
