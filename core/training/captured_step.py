"""A training step as CUDA graphs: launching the kernels of a small model takes longer than their work.

A graph replays all launches at once, always from and to the same memory, so each batch is copied there. There are two:
one leaves the gradients, and only after somebody has looked at the loss does the other move the weights.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from core.datasets.batch import Batch
from core.training.optimizer import move

log = logging.getLogger(__name__)
WARM_UP = 3  # steps of one shape that are taken as usual: they make the optimisers' memory, and compile
MOST_FLOPS = 2e12  # of a step: more keep the GPU busy for milliseconds, and launches are made meanwhile

Work = Callable[[Batch, Tensor], dict[str, Tensor]]  # leaves the gradients; of a batch and its number of targets


class CapturedStep:
    """The gradients by `work`, and a step of the optimisers, for batches of one shape once it has come a few times."""

    def __init__(self, work: Work, optimizers: list[Optimizer], device: torch.device):
        self.work, self.optimizers, self.device = work, optimizers, device
        self.shape: torch.Size | None = None  # of the batches, the latest ones or those that are captured
        self.seen = 0  # batches of this shape, one after the other
        self.is_captured = self.failed = False

    def fits(self, batch: Batch) -> bool:
        """Is the step for this batch captured, now if not before?"""
        if self.is_captured or self.failed:
            return self.is_captured and batch.inputs.shape == self.shape
        self.seen = self.seen + 1 if batch.inputs.shape == self.shape else 1
        self.shape = batch.inputs.shape
        if self.seen > WARM_UP:
            try:
                self.capture(batch)
            except RuntimeError as error:
                self.failed = True
                log.warning("the step cannot be captured as a CUDA graph, so it stays slower: %s", error)
        return self.is_captured

    def capture(self, batch: Batch) -> None:
        self.batch = batch.map(lambda tensor: tensor.to(self.device))  # where the graph reads
        self.total = torch.ones((), device=self.device)
        self.gradients_graph, self.move_graph = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group in groups:
            group["capturable"] = True
        # Other threads, such as the one that pins the next batch, may go on using the GPU.
        with torch.cuda.graph(self.gradients_graph, capture_error_mode="thread_local"):
            self.found = self.work(self.batch, self.total)
        with torch.cuda.graph(self.move_graph, capture_error_mode="thread_local"):
            move(self.optimizers)
        for group in groups:
            group["capturable"] = False  # or the optimiser would warn when a batch of another shape comes
        self.is_captured = True

    def gradients(self, batch: Batch, total: int) -> dict[str, Tensor]:
        """What `work` returns for this batch; the gradients are left for `move`."""
        for ours, theirs in zip(self.batch.tensors(), batch.tensors(), strict=True):
            ours.copy_(theirs, non_blocking=True)
        self.total.fill_(total)
        self.gradients_graph.replay()
        return self.found

    def move(self) -> None:
        self.move_graph.replay()
