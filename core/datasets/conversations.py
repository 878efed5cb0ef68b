"""Conversations: which of their tokens are learned, and as batches.

    <|user|>What is the matter?<|assistant|>Between who?<|endoftext|>      (core/chat_template.py)

Only what the assistant says counts in the loss, its closing <|endoftext|> included, so that the model learns to answer
and to stop, and not to ask (Touvron et al. 2023, arXiv:2307.09288, section 3.1, which also leaves the user's tokens out
of the loss).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from core.chat_template import encode_chat
from core.datasets.batch import Batch
from core.length_buckets import Buckets
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import Tokenizer

# --- batches --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A conversation as tokens, and which of them are targets."""

    ids: list[int]
    mask: list[bool]


def examples(
    tokenizer: Tokenizer, conversations: Sequence[Sequence[Mapping[str, str]]], block_size: int
) -> tuple[list[Example], int]:
    """The conversations that fit into the context, and how many are too long for it and left out."""
    encoded = [Example(*encode_chat(tokenizer, messages)) for messages in conversations]
    fitting = [example for example in encoded if len(example.ids) <= block_size + 1]  # the last is only a target
    return fitting, len(encoded) - len(fitting)


def collate(chosen: Sequence[Example]) -> Batch:
    """The examples side by side, (B, T), filled up on the right with what does not count."""
    T = max(len(example.ids) for example in chosen) - 1
    inputs = torch.zeros(len(chosen), T, dtype=torch.long)
    targets = torch.full((len(chosen), T), IGNORE_INDEX)
    for row, example in enumerate(chosen):
        ids, counts = torch.tensor(example.ids), torch.tensor(example.mask)
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = torch.where(counts, ids, IGNORE_INDEX)[1:]
    return Batch(inputs, targets)


class ChatBatches:
    """Training batches of examples of about equal length, as a pure function of the step (see `Buckets`)."""

    def __init__(self, chosen: Sequence[Example], batch_size: int, seed: int):
        if not chosen:
            raise ValueError("there is no conversation to learn from: give more, or shorter ones")
        self.examples = chosen
        self.buckets = Buckets([len(example.ids) for example in chosen], batch_size, seed)

    def __call__(self, step: int) -> Batch:
        return collate([self.examples[i] for i in self.buckets(step)])
