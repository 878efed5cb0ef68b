"""A batch: inputs and targets, what every kind of data becomes before it meets a model."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from core.linear_cross_entropy import IGNORE_INDEX


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T) and for each position the id that should come next, IGNORE_INDEX where it does not count.

    Kinds of batches that hold more inherit this one. All their fields are tensors of equally many rows.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def n_targets(self) -> int:
        """What a summed loss is divided by: the number of targets that count."""
        return int((self.targets != IGNORE_INDEX).sum())

    def split(self, size: int) -> list[Self]:
        """Batches of at most `size` rows."""
        return [type(self)(*parts) for parts in zip(*(t.split(size) for t in self.tensors()), strict=True)]

    def share(self, rank: int, parts: int) -> Self:
        """The rows of one of several processes, as many as any other's, or one more or less."""
        return self.map(lambda tensor: tensor.tensor_split(parts)[rank])

    def pin(self) -> Self:
        """In memory that a GPU can copy from while it computes."""
        return self.map(torch.Tensor.pin_memory)

    def to(self, device: torch.device) -> Self:
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*map(change, self.tensors()))

    def tensors(self) -> list[Tensor]:
        return [getattr(self, f.name) for f in fields(self)]
