"""What PPO trains: a language model that writes, and a head that expects a reward; and the answers it learns from.

Shapes: N answers, T predictions, C n_embd.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.datasets.batch import Batch
from core.model import GPT, IGNORE_INDEX, Block, GPTConfig, Transformer
from core.rlhf.logprobs import logprobs_of
from core.tokenizer import Tokenizer


class Policy(nn.Module):
    """A GPT and a value head on its transformer (Ziegler et al. 2019, arXiv:1909.08593, section 2.1)."""

    def __init__(self, gpt: GPT):
        super().__init__()
        self.gpt = gpt
        self.value_head = nn.Linear(gpt.config.n_embd, 1, device=gpt.device)
        nn.init.zeros_(self.value_head.weight)  # it expects nothing yet
        nn.init.zeros_(self.value_head.bias)

    @property
    def config(self) -> GPTConfig:
        return self.gpt.config

    @property
    def transformer(self) -> Transformer:
        return self.gpt.transformer

    @property
    def blocks(self) -> list[Block]:
        return self.gpt.blocks

    @property
    def device(self) -> torch.device:
        return self.gpt.device

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability in nats of each target that counts, and the reward expected before it: (N, T) each."""
        x = self.gpt.hidden(inputs)  # (N, T, C)
        return logprobs_of(self.gpt, x, targets), self.value_head(x).float()[..., 0]


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

    def rows(self, index: Tensor) -> "Rollouts":
        return self.map(lambda tensor: tensor[index])

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
            prompt = self.inputs[row, 1:first].tolist()  # without the tokens that say whose turn it is
            found.append(
                {
                    "prompt": tokenizer.decode(prompt),
                    "tokens": [tokenizer.token_bytes(id).hex() for id in self.targets[row][mask].tolist()],
                    "score": self.scores[row].item(),
                    "kl": self.kl[row][mask].tolist(),
                    "advantages": self.advantages[row][mask].tolist(),
                    "ended": bool(self.ended[row]),
                }
            )
        return found


def repetition(answers: Sequence[Sequence[int]]) -> float:
    """Share of the three-token sequences that had been said before, in the same answer or another one."""
    said = Counter(trio for ids in answers for trio in zip(ids, ids[1:], ids[2:], strict=False))
    return 1 - len(said) / said.total() if said else 0.0
