"""What PPO trains: a language model that writes, and a head that expects a reward.

Shapes: N answers, T predictions, C n_embd.
"""

import torch
from torch import Tensor, nn

from core.model import GPT, Block, GPTConfig, Transformer
from core.rlhf.logprobs import logprobs_of


class Policy(nn.Module):
    """A GPT and a value head on its transformer (Ziegler et al. 2019, arXiv:1909.08593, section 2.1).

    temperature: at which it writes, and so at which its probabilities are meant.
    """

    def __init__(self, gpt: GPT, temperature: float = 1.0):
        super().__init__()
        self.gpt, self.temperature = gpt, temperature
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
        return logprobs_of(self.gpt, x, targets, self.temperature), self.value_head(x).float()[..., 0]
