"""Weights laid out for writing: one token at a time, a model waits for its weights to be read, not for arithmetic.

`F.linear` with a single row reads its matrix with one core of a CPU and far below the memory's speed
(pytorch/pytorch#96643). `pack` gives a copy of a model whose linear layers read with all cores, and optionally fewer
bytes: weights rounded to 16 bits, or to 8. The model itself, `F.linear` throughout, stays the oracle.

Shapes: M rows (texts x new tokens), K inputs, N outputs, W ways into which K is split.
"""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core.model import GPT

# What `pack` may do to the weights, and what of the model it then keeps.
PRECISIONS = {
    "float32": "exact: the same products, summed in another order",
    "float16": "weights rounded to 16 bits, half the bytes; arithmetic in float32",
    "int8": "weights and the inputs of every layer rounded to 8 bits, a quarter of the bytes",
}
FEW_ROWS = 32  # with more, arithmetic counts, and F.linear is best at that


def pack(model: GPT, precision: str = "float32") -> GPT:
    """A copy of `model` for generation on a CPU. It shares embeddings and norms with `model` and cannot be trained.

    Raises ValueError for an unknown precision, or one that this processor or torch build lacks.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if model.device.type != "cpu":
        raise ValueError(f"only a model on the CPU can be packed, this one is on {model.device.type}")
    shared = {id(tensor): tensor for tensor in model.parameters()}  # not copied: deepcopy takes them as done
    packed = copy.deepcopy(model, shared).eval()
    for parent in list(packed.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, SplitLinear(child) if precision == "float32" else RoundedLinear(child, precision))
    return packed


class SplitLinear(nn.Module):
    """x W^T + b as a sum over ways: each core reads the part of W that meets its part of the inputs."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        N, K = linear.weight.shape
        ways = max(n for n in range(1, torch.get_num_threads() + 1) if K % n == 0)
        self.weight, self.bias = linear.weight, linear.bias
        self.split = linear.weight.detach().T.reshape(ways, K // ways, N).contiguous()  # (W, K/W, N)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)  # (M, K)
        if len(rows) > FEW_ROWS:
            return F.linear(x, self.weight, self.bias)
        parts = rows.unflatten(1, self.split.shape[:2]).transpose(0, 1)  # (W, M, K/W)
        y = torch.bmm(parts, self.split).sum(0)  # (M, N)
        if self.bias is not None:
            y += self.bias
        return y.view(*x.shape[:-1], -1)


class RoundedLinear(nn.Module):
    """x W^T + b with W in float16, or with W in int8 (a scale for each output) and x in int8 (one scale)."""

    def __init__(self, linear: nn.Linear, precision: str):
        super().__init__()
        weight = linear.weight.detach()
        bias = None if linear.bias is None else linear.bias.detach()
        try:
            if precision == "float16":
                self.packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
                self.product = torch.ops.quantized.linear_dynamic_fp16
            else:
                scales = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
                zeros = torch.zeros(len(scales), dtype=torch.long)
                rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
                self.packed = torch.ops.quantized.linear_prepack(rounded, bias)
                self.product = torch.ops.quantized.linear_dynamic
        except RuntimeError as error:
            raise ValueError(f"precision {precision} is not available on this machine: use float32") from error

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, self.packed)
