"""The batches of a training, made while the one before is learned from, or when their step has come."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from core.datasets.batch import Batch

# A pure function of the step (from 0), so that there is no state to save. None ends the training before max_steps.
Batches = Callable[[int], Batch | None]


def prefetched(batches: Batches, steps: range, device: torch.device) -> Iterator[tuple[int, Batch | None, float]]:
    """(step, batch, seconds waited for it) for each step; the next batch is made while this one is learned from."""

    def make(step: int) -> Batch | None:
        batch = batches(step)
        return batch.pin() if batch is not None and device.type == "cuda" else batch

    with ThreadPoolExecutor(1, "batches") as maker:
        coming = [maker.submit(make, step) for step in steps[:1]]
        for step in steps:
            began = time.perf_counter()
            batch = coming.pop().result()
            waited = time.perf_counter() - began
            if step + 1 in steps:
                coming.append(maker.submit(make, step + 1))
            yield step, batch, waited


def made_in_time(batches: Batches, steps: range, device: torch.device) -> Iterator[tuple[int, Batch | None, float]]:
    """The same, each batch made when the step before it has been taken; nobody waits meanwhile."""
    for step in steps:
        yield step, batches(step), 0.0
