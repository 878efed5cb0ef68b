"""A GPT that names a class instead of the next token: the transformer, and a score for each class in place of the head.

The score is read at the last token of a text, the only one that has seen all of it (Radford et al. 2018, "Improving
language understanding by generative pre-training", section 3.2). Shorter texts of a batch are padded at their end: what
stands behind the last token cannot be seen from there. Equal to Hugging Face's `GPT2ForSequenceClassification`.

Shapes: B batch, T time (tokens), C n_embd, L classes.
"""

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, Block, GPTConfig


class SequenceClassifier(nn.Module):
    """Scores of a text for each of `labels`."""

    def __init__(self, config: GPTConfig, labels: Sequence[str]):
        super().__init__()
        self.config, self.labels = config, tuple(labels)
        self.transformer = GPT(config).transformer  # initialised as GPT-2's
        self.score = nn.Linear(config.n_embd, len(self.labels), bias=False)
        nn.init.normal_(self.score.weight, std=0.02)

    @classmethod
    def from_language_model(cls, gpt: GPT, labels: Sequence[str], seed: int) -> Self:
        """A classifier with a copy of the transformer of `gpt`, which knows the language, and a score that is new."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = cls(gpt.config, labels)
        classifier.transformer.load_state_dict(gpt.transformer.state_dict())
        return classifier.to(gpt.device)

    @property
    def blocks(self) -> list[Block]:
        return [block for block in self.transformer.h if isinstance(block, Block)]

    @property
    def device(self) -> torch.device:
        return self.transformer.wte.weight.device

    def forward(self, idx: Tensor, last: Tensor) -> Tensor:
        """Scores (B, L) of texts idx (B, T), each read at the position of its last token, last (B,).

        Raises ValueError if T is more than `block_size`.
        """
        if idx.shape[1] > self.config.block_size:
            raise ValueError(f"{idx.shape[1]} tokens do not fit into the context of {self.config.block_size}")
        x = self.transformer(idx)  # (B, T, C)
        logits: Tensor = self.score(x[torch.arange(len(x), device=x.device), last])
        return logits.float()

    def summed_loss(self, idx: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats, summed over the texts. targets (B, T): the class at each text's last token."""
        last = last_tokens(targets)
        return F.cross_entropy(self(idx, last), targets.gather(1, last[:, None])[:, 0], reduction="sum")

    @torch.inference_mode()
    def predict(self, ids: list[int]) -> dict[str, float]:
        """Probability of each label for one text, of which the context's first tokens are read."""
        if not ids:
            raise ValueError("the text is empty: give at least one word to classify")
        self.eval()
        idx = torch.tensor([ids[: self.config.block_size]], device=self.device)
        scores = self(idx, torch.tensor([idx.shape[1] - 1], device=self.device))
        return dict(zip(self.labels, scores[0].softmax(-1).tolist(), strict=True))


def last_tokens(targets: Tensor) -> Tensor:
    """Where each text ends, (B,): the one position of its row of targets (B, T) that counts."""
    return (targets != IGNORE_INDEX).int().argmax(1)
