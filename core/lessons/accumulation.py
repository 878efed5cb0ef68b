"""Gradient accumulation and its two classic mistakes: the gradient of one batch of 64, and of eight of 8 in three ways.

    right            sum of the losses of all micro-batches, divided by the number of targets of the whole batch
    mean of means    each micro-batch's own mean, and the mean of these: where the micro-batches have different numbers
                     of targets, a target in a short text counts more
    not divided      each micro-batch's own mean, added up: a gradient that is eight times as long

The right one is what `core.training.loop.accumulate` does in every training.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core.datasets.batch import Batch
from core.datasets.conversations import collate, examples
from core.datasets.instructions import dialogues, split
from core.datasets.pretraining import TokenBlocks
from core.datasets.shakespeare import plays
from core.huggingface import Model
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, set_dropout
from core.tokenizer import Tokenizer
from core.training.distributed import Objective
from core.training.loop import FitConfig, LossFn, accumulate, language_model_loss
from core.training.optimizer import make_optimizers, take_step
from core.training.planning.accumulation_check import mean_of_means

BATCH, MICRO_BATCH = 64, 8  # sequences
RIGHT, MEAN_OF_MEANS, NOT_DIVIDED = "right", "mean_of_means", "not_divided"
RATE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """A gradient, or a step of the weights, beside the one of the whole batch at once."""

    difference: float  # length of the difference, as a share of the other's length
    cosine: float  # 1: the same direction
    length: float  # as a share of the other's


def compare(whole: Tensor, other: Tensor) -> Comparison:
    """Of two vectors that hold all weights; in float64, since the sum of many small squares is asked."""
    a, b = whole.double(), other.double()
    return Comparison(
        difference=float((a - b).norm() / a.norm()),
        cosine=float(a @ b / (a.norm() * b.norm())),
        length=float(b.norm() / a.norm()),
    )


def sum_of_means(loss_fn: LossFn, whole: Batch, size: int, model: Model, micro: Batch) -> Tensor:
    """The mistake of not dividing, as a loss that `accumulate` divides by the targets of the whole batch."""
    return len(whole.split(size)) * mean_of_means(loss_fn, whole, size, model, micro)


def gradients(model: GPT, batch: Batch) -> dict[str, Tensor]:
    """All weights' gradients as one vector: of the batch at once, "whole", and of micro-batches in the three ways.

    Dropout of `model` is switched off: another split would draw other zeros.
    """
    set_dropout(model, 0.0)

    def gradient(loss_fn: LossFn, size: int) -> Tensor:
        config = FitConfig(dtype="float32")
        accumulate(Objective(model, loss_fn), batch, batch.n_targets, config, 0, size)
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    mistakes = {MEAN_OF_MEANS: mean_of_means, NOT_DIVIDED: sum_of_means}
    return {
        "whole": gradient(language_model_loss, len(batch)),
        RIGHT: gradient(language_model_loss, MICRO_BATCH),
        **{
            name: gradient(partial(mistake, language_model_loss, batch, MICRO_BATCH), MICRO_BATCH)
            for name, mistake in mistakes.items()
        },
    }


def compare_gradients(found: Mapping[str, Tensor]) -> dict[str, Comparison]:
    """The three ways beside the whole batch."""
    return {name: compare(found["whole"], vector) for name, vector in found.items() if name != "whole"}


def weight_steps(model: GPT, gradient: Tensor) -> dict[str, Tensor]:
    """How far the first step of plain gradient descent and of AdamW moves the weights, one vector each."""
    stepped, rest = copy.deepcopy(model), gradient
    for parameter in stepped.parameters():
        part, rest = rest.tensor_split([parameter.numel()])
        parameter.grad = part.view_as(parameter).clone()
    take_step(make_optimizers(stepped, "adamw", RATE, 0.0, (0.9, 0.99), 0.0), RATE)
    return {"sgd": -RATE * gradient, "adamw": weights_of(stepped) - weights_of(model)}


def weights_of(model: GPT) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def equal_batch(model: GPT, tokenizer: Tokenizer, block_size: int = 64) -> Batch:
    """Rows of running text, all of one length: every token counts."""
    ids = tokenizer.encode_documents([plays()[0].render()])
    return TokenBlocks(ids, min(block_size, model.config.block_size), BATCH, seed=0)(0)


def unequal_batch(model: GPT, tokenizer: Tokenizer) -> Batch:
    """Conversations of different lengths side by side, in random order: only the answers count."""
    found = [dialogue.messages for dialogue in dialogues(split(plays())[0][:1], seed=0)]
    fitting, _ = examples(tokenizer, found, model.config.block_size)
    return collate([fitting[i] for i in np.random.default_rng(0).permutation(len(fitting))[:BATCH]])


def targets_by_micro_batch(batch: Batch) -> list[int]:
    """The number of targets that count in each."""
    return [int((micro.targets != IGNORE_INDEX).sum()) for micro in batch.split(MICRO_BATCH)]
