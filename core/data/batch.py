"""What every kind of data becomes before it meets a model."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.model import IGNORE_INDEX


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T) and for each position the id that should come next, IGNORE_INDEX where it does not count."""

    inputs: Tensor
    targets: Tensor

    @property
    def n_targets(self) -> int:
        """Number of targets that count."""
        return int((self.targets != IGNORE_INDEX).sum())

    def split(self, size: int) -> list["Batch"]:
        return [Batch(i, t) for i, t in zip(self.inputs.split(size), self.targets.split(size), strict=True)]

    def pin(self) -> "Batch":
        """In memory that a GPU can copy from while it computes."""
        return Batch(self.inputs.pin_memory(), self.targets.pin_memory())

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.inputs.to(device, non_blocking=True), self.targets.to(device, non_blocking=True))
