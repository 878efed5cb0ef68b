"""The learning-rate range test: try all rates from tiny to absurd in one short training, and look where it learns.

Smith 2017, arXiv:1506.01186, section 3.3, with a rate that grows exponentially and a smoothed loss, as in fastai
(Howard & Gugger 2020, arXiv:2002.04688).
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.huggingface import Model
from core.training.batches import Batches, prefetched
from core.training.distributed import Objective
from core.training.loop import FitConfig, LossFn, NotFinite, one_step, optimizers_of

MEMORY = 0.9  # of the smoothed loss: about 10 steps
EXPLODED = 2.0  # times the best smoothed loss: the rates beyond are worse still
FEWEST = 10  # trials from which something can be said
TURN = 0.01  # share of the best smoothed loss by which a later one is worse: smoothed batches scatter by less
GAIN = 0.02  # share of its first value by which the loss must have fallen


@dataclass(frozen=True)
class Trial:
    """One step of the test. `step` counts from 1."""

    step: int
    lr: float
    loss: float  # before the step at this rate, nats a target
    smoothed: float


def range_test(
    model: Model,
    batches: Batches,
    loss_fn: LossFn,
    config: FitConfig,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> Iterator[Trial]:
    """Train a copy of `model` at rates from `low` to `high`, each the same factor above the one before.

    It ends early once the smoothed loss is EXPLODED times its best, or not finite. Micro-batches, clipping and the
    optimiser are those of `fit`; `model` stays as it is, and while the test lasts, its device holds the weights
    twice, besides gradients and the optimiser's memory as in training. Raises ValueError for a range that is none.
    """
    if not 0 < low < high or steps < 2:
        raise ValueError(f"low must be above 0 and below high, and steps at least 2, got {low}, {high} and {steps}")
    return trials_of(copy.deepcopy(model), batches, loss_fn, config, low, high, steps)


def trials_of(
    copied: Model, batches: Batches, loss_fn: LossFn, config: FitConfig, low: float, high: float, steps: int
) -> Iterator[Trial]:
    optimizers = optimizers_of(copied, config)
    copied.transformer.recompute = config.recompute
    micro_batch_size = config.micro_batch_size or config.batch_size
    objective = Objective(copied, loss_fn)
    average, best = 0.0, math.inf
    for step, batch, _ in prefetched(batches, range(steps), copied.device):
        if batch is None:
            return
        lr = low * (high / low) ** (step / (steps - 1))
        try:
            done = one_step(objective, batch, config, optimizers, step, lr, micro_batch_size)
            loss, micro_batch_size = done.loss, done.micro_batch_size
        except NotFinite:
            return
        average = MEMORY * average + (1 - MEMORY) * loss
        smoothed = average / (1 - MEMORY ** (step + 1))  # as in Adam: the average began at 0
        best = min(best, smoothed)
        yield Trial(step + 1, lr, loss, smoothed)
        if smoothed > EXPLODED * best:
            return


def suggestion(trials: list[Trial]) -> float | None:
    """A peak learning rate: between that of the steepest descent and that of the lowest loss, halfway in powers of ten.

    At the lowest smoothed loss the steps are already so large that they gain nothing; a tenth of it, the usual choice,
    was too small for AdamW on our presets. The steepest descent comes too early for Muon: from random weights the fall
    to the frequencies of the tokens is steepest at whatever rate comes by. In between lies the best rate of both.
    All is read before the curve first turns upwards: AdamW at absurd rates creeps down again, to those frequencies.
    None if nothing can be said: too few trials, a loss that hardly fell, or one that still falls at the end.
    """
    if len(trials) < FEWEST:
        return None
    smoothed = np.array([trial.smoothed for trial in trials])
    turned = np.flatnonzero(smoothed > (1 + TURN) * np.minimum.accumulate(smoothed))
    if not len(turned):
        return None
    lowest = int(smoothed[: turned[0]].argmin())
    if smoothed[lowest] > (1 - GAIN) * smoothed[0]:
        return None
    steepest = int(np.diff(smoothed[: lowest + 1]).argmin()) + 1
    return math.sqrt(trials[steepest].lr * trials[lowest].lr)
