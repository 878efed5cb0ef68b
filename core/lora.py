"""LoRA: train a small change of each matrix instead of the matrix (Hu et al. 2022, arXiv:2106.09685, section 4.1).

    W' = W + (alpha / rank) B A        W (N, K) stays as it is; A (rank, K) and B (N, rank) learn

B begins at zero, so that the model begins as it was. With rank 8 a 124M model trains 1 % of its weights, and its
optimiser remembers 1 %. `merged` folds the change into W: what is saved and used later is a plain model again.

Shapes: N outputs, K inputs.
"""

import copy
import math
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core import checkpoint

ADAPTER_FILE = "adapter.safetensors"  # beside a saved step: the A and B with which it goes on
M = TypeVar("M", bound=nn.Module)
L = TypeVar("L", bound=nn.Module)


class LoRALinear(nn.Module):
    """A linear layer that is frozen, and its low-rank change, which learns."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        self.A = nn.Parameter(torch.empty_like(linear.weight[:rank]).resize_(rank, linear.in_features))
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        nn.init.normal_(self.A, std=1 / math.sqrt(linear.in_features))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y + F.linear(F.linear(x, self.A), self.B) * self.scale

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        self.linear.weight += self.scale * (self.B @ self.A)
        return self.linear


def add(model: nn.Module, rank: int, alpha: float) -> None:
    """Freeze `model` and give every linear layer of its blocks a change of this rank. A is drawn by torch's generator.

    Raises ValueError if a layer is too small for the rank.
    """
    model.requires_grad_(False)
    for parent, name, linear in linears(model, nn.Linear):
        if rank >= min(linear.in_features, linear.out_features):
            raise ValueError(f"lora_rank must be below {min(linear.in_features, linear.out_features)}, got {rank}")
        setattr(parent, name, LoRALinear(linear, rank, alpha))


def merge_adapters(model: M) -> M:
    """The plain model that `model` amounts to: itself if it has no LoRA, else a copy with all changes folded in."""
    if not linears(model, LoRALinear):
        return model
    plain = copy.deepcopy(model)
    for parent, name, layer in linears(plain, LoRALinear):
        setattr(parent, name, layer.merge())
    return plain


@torch.no_grad()
def scale(model: nn.Module, factor: float) -> None:
    """Make all that was learned so many times as large."""
    for _, _, layer in linears(model, LoRALinear):
        layer.B.mul_(factor)


def linears(model: nn.Module, kind: type[L]) -> list[tuple[nn.Module, str, L]]:
    """(parent, name, layer) of the layers of `kind` in the model's blocks."""
    blocks = model.get_submodule("transformer.h")
    return [
        (parent, name, child)
        for parent in blocks.modules()
        if not isinstance(parent, LoRALinear)
        for name, child in parent.named_children()
        if isinstance(child, kind)
    ]


# --- on disk --------------------------------------------------------------------------------------------------


def save(directory: Path, model: nn.Module) -> None:
    """Write every A and B of the model, if it has any: those of a merged model can no longer be told from its W."""
    learned = {name: value.detach().cpu() for name, value in changes(model).items()}
    if learned:
        checkpoint.write_tensors(directory / ADAPTER_FILE, learned)


def load(directory: Path, model: nn.Module) -> None:
    """Fill the A and B of `model`. Raises ValueError if the file is damaged or of another shape."""
    own, saved = changes(model), checkpoint.read_tensors(directory / ADAPTER_FILE)
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in saved.items()}:
        raise ValueError(f"{directory / ADAPTER_FILE} is of another rank or model: lora_rank cannot change in a run")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(saved[name])


def changes(model: nn.Module) -> dict[str, Tensor]:
    blocks = model.get_submodule("transformer.h")
    return {f"transformer.h.{name}": a for name, a in blocks.named_parameters() if name.endswith((".A", ".B"))}
