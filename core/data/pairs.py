"""Votes as something to learn from: read, split, and as batches with the two answers of each pair side by side.

Shapes: P pairs, T tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.config import Config, setting
from core.data.batch import Batch
from core.data.buckets import Buckets
from core.data.chat import Example, as_batch, encode_chat
from core.data.preferences import Preference, read_preferences
from core.model import IGNORE_INDEX
from core.tokenizer import Tokenizer


@dataclass(frozen=True)
class PairsConfig(Config):
    """Which votes are learned from."""

    data: str = setting("", "File of votes: JSON lines with prompt, chosen and rejected, as TRL reads them")
    val_share: float = setting(0.2, "Share of the prompts whose votes are held out to measure on", low=0.01, high=0.9)
    ties: str = setting(
        "half",
        "half: of a tie, either answer may be the better one, so no margin is best; skip: ties are left out",
        choices=("half", "skip"),
    )
    skip_bad_lines: bool = setting(False, "Leave out lines that cannot be read instead of stopping")


@dataclass(frozen=True)
class EncodedPair:
    """The prompt with either answer, as tokens."""

    chosen: Example
    rejected: Example
    outcome: float  # the probability that `chosen` is the better one: 1, or 1/2 for a tie
    reference: tuple[float, float] = (0.0, 0.0)  # log-probabilities in nats by a reference model, where one is asked

    @property
    def examples(self) -> tuple[Example, Example]:
        return self.chosen, self.rejected


@dataclass(frozen=True)
class PairBatch(Batch):
    """inputs and targets (P, 2, T), the preferred answer first. A loss of it is divided by P."""

    outcomes: Tensor  # (P,)
    reference: Tensor  # (P, 2)

    @property
    def n_targets(self) -> int:
        return len(self)

    @property
    def flat_inputs(self) -> Tensor:
        return self.inputs.flatten(0, 1)  # (2P, T)

    @property
    def flat_targets(self) -> Tensor:
        return self.targets.flatten(0, 1)


@dataclass(frozen=True)
class Pairs:
    """Votes to learn from and held out, as tokens; the texts of those held out; and what was left out."""

    train: list[EncodedPair]
    val: list[EncodedPair]
    val_texts: list[Preference]
    lineage: dict[str, Any]  # for the card
    left_out: list[str]  # in words

    @property
    def val_prompts(self) -> list[str]:
        return list(dict.fromkeys(pair.prompt for pair in self.val_texts))


def read_pairs(config: PairsConfig, tokenizer: Tokenizer, block_size: int, seed: int) -> Pairs:
    """The votes in a file. Raises ValueError in words if they are too few, all ties, or all too long."""
    if not config.data:
        raise ValueError("data is empty: give a file of votes; the Label tab, and `core votes export`, write one")
    found = read_preferences(config.data, config.skip_bad_lines)
    kept = [pair for pair in found.pairs if not pair.tie] if config.ties == "skip" else found.pairs
    learned, held_out = replace(found, pairs=kept).split(config.val_share, seed)
    (train, long), (val, val_long) = (encode_pairs(tokenizer, part, block_size) for part in (learned, held_out))
    if not train or not any(pair.outcome == 1 for pair in val):
        raise ValueError(
            f"of {found.name}, the votes to {'measure on' if train else 'learn from'} that are no ties are all longer "
            f"than the context of {block_size} tokens: give shorter ones, or more"
        )
    left_out = [*found.problems]
    if long or val_long:
        left_out.append(f"{len(long) + len(val_long)} votes are longer than the context of {block_size} tokens")
    ties = sum(pair.tie for pair in found.pairs)
    lineage = {"data": found.name, "sha256": found.digest, "votes": len(found.pairs), "ties": ties}
    return Pairs(train, val, [pair for pair in held_out if pair not in val_long], lineage, left_out)


def encode_pairs(
    tokenizer: Tokenizer, pairs: Sequence[Preference], block_size: int
) -> tuple[list[EncodedPair], list[Preference]]:
    """The pairs of which both answers fit into the context, as tokens, and those that are too long and left out.

    Raises ValueError for a vocabulary that has no tokens for turns.
    """
    encoded, too_long = [], []
    for pair in pairs:
        both = [Example(*encode_chat(tokenizer, messages(pair.prompt, a))) for a in (pair.chosen, pair.rejected)]
        if max(len(example.ids) for example in both) > block_size:
            too_long.append(pair)
        else:
            encoded.append(EncodedPair(both[0], both[1], 0.5 if pair.tie else 1.0))
    return encoded, too_long


def messages(prompt: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def likelihood_batch(pairs: Sequence[EncodedPair]) -> PairBatch:
    """To ask how likely the answers are: their tokens are the targets."""
    return paired(as_batch([example for pair in pairs for example in pair.examples]), pairs)


def score_batch(pairs: Sequence[EncodedPair]) -> PairBatch:
    """To ask how good the answers are: each is read at its last token, the one target of its row."""
    return paired(read_at_end([example.ids for pair in pairs for example in pair.examples]), pairs)


def paired(rows: Batch, pairs: Sequence[EncodedPair]) -> PairBatch:
    inputs, targets = (tensor.unflatten(0, (len(pairs), 2)) for tensor in rows.tensors())
    outcomes, reference = (torch.tensor([getattr(pair, name) for pair in pairs]) for name in ("outcome", "reference"))
    return PairBatch(inputs, targets, outcomes, reference)


def read_at_end(texts: Sequence[Sequence[int]]) -> Batch:
    """Texts side by side, (B, T), filled up on the right; the one target of each is at its last token."""
    T = max(map(len, texts))
    inputs, targets = torch.zeros(len(texts), T, dtype=torch.long), torch.full((len(texts), T), IGNORE_INDEX)
    for row, ids in enumerate(texts):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, len(ids) - 1] = 0
    return Batch(inputs, targets)


class PairBatches:
    """Training batches of pairs of about equal length, as a pure function of the step (see `Buckets`)."""

    def __init__(
        self,
        pairs: Sequence[EncodedPair],
        batch_size: int,
        seed: int,
        make: Callable[[Sequence[EncodedPair]], PairBatch],
    ):
        self.pairs, self.make = pairs, make
        self.buckets = Buckets([max(len(e.ids) for e in pair.examples) for pair in pairs], batch_size, seed)

    def __call__(self, step: int) -> PairBatch:
        return self.make([self.pairs[i] for i in self.buckets(step)])
