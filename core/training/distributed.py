"""Data-parallel training: the same program in several processes, started by `torchrun`, each with a share of the batch.

Every process holds the whole model and takes the same steps. Gradients are summed over the processes once a step, after
all micro-batches; as losses are divided by the targets of the *whole* batch, that sum is the gradient that a single
process would have had. The first process (`is_main`) alone writes, evaluates and obeys the run's controls.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from core.datasets.batch import Batch

B = TypeVar("B", bound=Batch)
PATIENCE = timedelta(days=30)  # the others wait while the first is paused; torchrun ends them if it dies


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started: NCCL between GPUs, gloo between CPUs. Alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
        wait_for_all()  # who leaves early breaks the connections of those that are still at work
    finally:
        dist.destroy_process_group()


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    return rank() == 0


def wait_for_all() -> None:
    if dist.is_initialized():
        dist.barrier()


def share(batch: B) -> B:
    """This process's rows of the batch, as many as any other's, or one more or less."""
    parts = world_size()
    if len(batch) < parts:
        raise ValueError(f"batch_size must be at least the number of processes, got {len(batch)} and {parts}")
    return batch.share(rank(), parts)


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum over all processes of a small tensor."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def sum_gradients(model: nn.Module) -> None:
    if dist.is_initialized():
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        pending = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
        for work in pending:
            work.wait()


def agree(decision: bool) -> bool:
    """What the first process decided, told to all."""
    told = torch.tensor([decision])
    if dist.is_initialized():
        dist.broadcast(told, src=0)
    return bool(told)
