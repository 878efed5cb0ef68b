"""Throughput: how long a training will take here, before it is begun; a few layers are timed, the rest is counted."""

import functools
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from core.linear_cross_entropy import linear_cross_entropy
from core.model import Block, GPTConfig
from core.training.device import autocast, pick_device
from core.training.loop import FitConfig
from core.training.planning.memory import micro_batch_size

MOST_TOKENS = 512  # that are timed at once: more take longer in proportion
HOLDS = 60  # seconds for which what was timed holds: then the machine may be less busy, or more
OPTIMIZER_SHARE = {"adamw": 0.05, "muon": 0.25}  # of a step's time beside the passes, as seen for small models on a CPU


def step_seconds(model: GPTConfig, fit: FitConfig, tokens: float | None = None) -> float:
    """Seconds of one optimiser step on this machine as busy as it is now.

    tokens: in a step, padding included; batch_size whole contexts if None.
    """
    device = pick_device(fit.device)
    timed_shape = replace(model, block_size=min(model.block_size, MOST_TOKENS))
    rows = max(1, min(micro_batch_size(fit), MOST_TOKENS // model.block_size))
    passes = token_seconds(timed_shape, rows, device.type, fit.dtype, int(time.monotonic() // HOLDS))
    total = (tokens or fit.batch_size * model.block_size) * passes
    again = 4 / 3 if fit.recompute else 1  # the forward pass, a third of the work, comes twice
    return total * again * (1 + OPTIMIZER_SHARE[fit.optimizer])


@functools.lru_cache(maxsize=64)
def token_seconds(model: GPTConfig, rows: int, device: str, dtype: str, moment: int) -> float:
    """Seconds that one token takes forward and backward through all blocks and the head, in batches of `rows`.

    moment: a number of its own for each time at which it is measured anew.
    """
    where = torch.device(device)
    block = Block(model, 0).to(where).train()
    head = torch.randn(model.padded_vocab_size, model.n_embd, device=where, requires_grad=True)
    x = torch.randn(rows, model.block_size, model.n_embd, device=where, requires_grad=True)
    targets = torch.zeros(rows, model.block_size, dtype=torch.long, device=where)

    def through_block() -> None:
        with autocast(where, dtype):
            y = block(x)
        y.backward(x)

    def through_head() -> None:
        with autocast(where, dtype):
            loss = linear_cross_entropy(x, head, targets, model.vocab_size)
        loss.backward()

    seconds = model.n_layer * least_seconds(through_block, where) + least_seconds(through_head, where)
    return seconds / (rows * model.block_size)


def least_seconds(work: Callable[[], None], device: torch.device, times: int = 3) -> float:
    """The least of a few times, after one that warms up: what comes between only makes them longer."""
    measured = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        measured.append(time.perf_counter() - began)
    return min(measured[1:])
