"""Several processes, one training: the same program, started by `torchrun`, each with a share of every batch.

Each process holds the whole model and takes the same steps; DistributedDataParallel sums the gradients over the
processes while the last micro-batch goes backward. As losses are divided by the targets of the *whole* batch, that sum
is the gradient that a single process would have had. Where a model is too large for that, each process holds a part of
it: core/training/sharding.py. The first process (`is_main`) alone writes, evaluates and obeys the run's controls.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from core.datasets.batch import Batch

B = TypeVar("B", bound=Batch)
PATIENCE = timedelta(days=30)  # the others wait while the first is paused; torchrun ends them if it dies
TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # by which a process knows that it is one
ORDERS = ("go on", "stop", "gather weights", "save optimizers")  # of the first process to the others, between two steps


def join() -> None:
    """Meet the processes that torchrun started: NCCL between GPUs, gloo between CPUs. Alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    if has_gpu():
        torch.cuda.set_device(local_rank())
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu() else "gloo", timeout=PATIENCE)


def leave() -> None:
    """Part in good order: who leaves early breaks the connections of those that are still at work.

    Who fails does not call this, but ends; torchrun then ends the others, wherever they wait.
    """
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def is_launched() -> bool:
    """Was this process started by torchrun?"""
    return "WORLD_SIZE" in os.environ


def environment() -> dict[str, str]:
    """That of a process that trains by itself, whoever starts it."""
    return {name: value for name, value in os.environ.items() if name not in TORCHRUN}


def local_rank() -> int:
    """The number of this process among those on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def has_gpu() -> bool:
    """Is there a GPU for this process alone?"""
    return local_rank() < torch.cuda.device_count()


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    return rank() == 0


def wait_for_all() -> None:
    if dist.is_initialized():
        dist.barrier()


# --- each its share -------------------------------------------------------------------------------------------


def share(batch: B) -> B:
    """This process's rows of the batch, as many as any other's, or one more or less."""
    parts = world_size()
    if len(batch) < parts:
        raise ValueError(f"batch_size must be at least the number of processes, got {len(batch)} and {parts}")
    return batch.share(rank(), parts)


class LossModule(nn.Module):
    """A loss as a module with one method, which is all that DistributedDataParallel can call."""

    def __init__(self, model: Any, loss_fn: Callable[[Any, Any], Any]):
        super().__init__()
        self.model, self.loss_fn = model, loss_fn

    def forward(self, batch: Batch) -> Any:
        return self.loss_fn(self.model, batch)


class Objective:
    """A model and its loss, whose gradients are summed over the processes."""

    def __init__(self, model: Any, loss_fn: Callable[[Any, Any], Any], sharded: bool = False):
        """sharded: the model sums its gradients itself."""
        self.model, self.loss_fn = model, loss_fn
        self.replica: DistributedDataParallel | None = None
        if world_size() > 1 and not sharded:
            self.replica = DistributedDataParallel(LossModule(model, loss_fn), gradient_as_bucket_view=True)
        self.tried = 0  # tokens of the largest micro-batch that is known to fit into the memory of all

    def __call__(self, batch: Batch) -> Any:
        """What the loss function returns for this process's rows."""
        return self.replica(batch) if self.replica else self.loss_fn(self.model, batch)

    def local(self, is_last: bool) -> AbstractContextManager[None]:
        """Around a micro-batch: its gradients are only added up here, unless it is the last one of a step."""
        return nullcontext() if is_last or self.replica is None else self.replica.no_sync()


# --- what all must know ---------------------------------------------------------------------------------------


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum over all processes of a small tensor."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def largest(value: float) -> float:
    """Of the values of all processes."""
    found = torch.tensor(value, dtype=torch.float64)
    if dist.is_initialized():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.item()


def tell(order: str) -> None:
    """Give the other processes, all of which wait in `listen`, one of ORDERS."""
    if dist.is_initialized():
        dist.broadcast(torch.tensor(ORDERS.index(order)), src=0)


def listen() -> str:
    """What the first process wants."""
    order = torch.tensor(0)
    dist.broadcast(order, src=0)
    return ORDERS[int(order)]
