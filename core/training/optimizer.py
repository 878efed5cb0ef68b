"""The optimisers: AdamW for everything, or Muon for the blocks' matrices and AdamW for the rest.

Shapes: n matrices of one shape, N outputs, K inputs.
"""

import inspect
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer

from core import checkpoint
from core.training.device import in_bfloat16
from core.training.distributed import world_size

STACK = 2**24  # numbers that Muon orthogonalises at once: enough for fast products, little beside the weights


def make_optimizers(
    model: nn.Module, kind: str, lr: float, weight_decay: float, betas: tuple[float, float], momentum: float
) -> list[Optimizer]:
    """The optimisers that together train `model`; `kind` is "muon" or "adamw". Only matrices decay.

    AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    muon = {name: p for name, p in trained.items() if kind == "muon" and ".h." in name and p.dim() == 2}
    rest = [p for name, p in trained.items() if name not in muon]
    groups = [
        {"params": [p for p in rest if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
    ]
    # On a GPU the rate lies there, so that a captured step can be replayed with another one; only one process captures.
    rate = torch.tensor(lr, device="cuda") if world_size() == 1 and all(p.is_cuda for p in rest) else lr
    optimizers: list[Optimizer] = [AdamW(groups, lr=rate, betas=betas, fused=True)]
    if muon:
        fused = [p for name, p in muon.items() if name.endswith("c_attn.weight")]  # queries, keys, values in one
        single = [p for name, p in muon.items() if not name.endswith("c_attn.weight")]
        groups = [{"params": fused, "parts": 3}, {"params": single, "parts": 1}]
        optimizers.append(Muon(groups, rate, momentum, weight_decay))
    return optimizers


def take_step(optimizers: Sequence[Optimizer], lr: float) -> None:
    """One step of each at this learning rate; the gradients are forgotten."""
    set_learning_rate(optimizers, lr)
    move(optimizers)


def set_learning_rate(optimizers: Iterable[Optimizer], lr: float) -> None:
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def move(optimizers: Iterable[Optimizer]) -> None:
    """One step of each; the gradients are forgotten."""
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


# torch keeps these out of what is compiled, and imports its compiler for that: two seconds at the start of every
# training. Only blocks of a model are compiled here, so there is nothing to be kept out.
for kept_out in (inspect.unwrap(Optimizer.add_param_group), inspect.unwrap(Optimizer.zero_grad)):
    setattr(kept_out, "__dynamo_disable", kept_out)


class AdamW(torch.optim.AdamW):
    """torch's, whose own step imports the compiler as well."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Muon(Optimizer):
    """Momentum, orthogonalised (Jordan et al. 2024, kellerjordan.github.io/posts/muon).

    Every matrix moves by the nearest matrix whose singular values are all about 1, so no direction is neglected because
    its gradient is small. Scaled by 0.2 sqrt(max(N, K)) the entries move as much as AdamW's, and both share a learning
    rate and a weight decay (Liu et al. 2025, arXiv:2502.16982, equation 4).

    torch.optim.Muon is not the same: it orthogonalises queries, keys and values as one matrix, reads the rate on the
    host, so that no CUDA graph can hold its step, and multiplies in bfloat16 everywhere, which takes a CPU with such
    units a third of our time (432 ms, not 1,294, for 10.7M on one core with AMX), but AVX2, at 0.3 GFLOP/s, minutes.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float | Tensor, momentum: float, weight_decay: float):
        super().__init__(groups, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, parts=1))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                size = max(1, STACK // shape.numel())
                for first in range(0, len(parameters), size):
                    self.move(parameters[first : first + size], group)

    def move(self, parameters: list[Parameter], group: dict[str, Any]) -> None:
        """Update matrices of one shape, (N, K) each, of which each consists of `parts` one below the other."""
        ahead = torch.stack([self.look_ahead(parameter, group["momentum"]) for parameter in parameters])  # (n, N, K)
        matrices = ahead.unflatten(1, (group["parts"], -1)).flatten(0, 1)  # (n x parts, N / parts, K)
        updates = orthogonal(matrices).view_as(ahead)
        lr, larger = group["lr"], max(matrices.shape[1:])
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.mul_(1 - lr * group["weight_decay"]).sub_(update.mul_(0.2 * math.sqrt(larger) * lr))

    def look_ahead(self, parameter: Parameter, momentum: float) -> Tensor:
        """Nesterov's momentum: the average as it would be if the gradient came once more."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum)


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices (n, N, K) with their singular values brought to between 0.68 and 1.20, by Newton-Schulz iteration.

    Those below a 600th of the matrix's norm stay smaller: of a square Gaussian matrix, 0.01 to 1.20. The
    quintic's coefficients are those of Jordan et al. 2024. bfloat16 is precise enough for it, and on a GPU faster.
    """
    x = matrices.bfloat16() if in_bfloat16(matrices.device, "auto") else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(steps):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    return (x.mT if tall else x).to(matrices.dtype)


# --- on disk --------------------------------------------------------------------------------------------------


def save_optimizers(path: Path, model: nn.Module, optimizers: list[Optimizer]) -> None:
    """What the optimisers remember of each parameter (averages, step counts), under the parameter's name."""
    tensors = {name: value.cpu() for name, value in remembered(model, optimizers).items()}
    checkpoint.write_tensors(path, tensors)


def remembered(model: nn.Module, optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """What the optimisers remember, by the name of the parameter and their own for it."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": value
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def load_optimizers(path: Path, model: nn.Module, optimizers: list[Optimizer]) -> None:
    tensors = checkpoint.read_tensors(path)
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        keys = REMEMBERED[type(optimizer)]
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            name = names[parameter]
            if missing := [key for key in keys if f"{name}.{key}" not in tensors]:
                raise ValueError(f"{path} holds no {missing[0]} of {name}: this saved step is damaged, delete it")
            state = {key: tensors[f"{name}.{key}"].to(parameter.device) for key in keys}
            optimizer.state[parameter] = state
            if "step" in state:
                state["step"] = state["step"].reshape(())  # core/training/sharding.py saves it with a dimension


REMEMBERED: dict[type[Optimizer], tuple[str, ...]] = {AdamW: ("step", "exp_avg", "exp_avg_sq"), Muon: ("momentum",)}
