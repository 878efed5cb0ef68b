"""The training loop: gradients of a batch, accumulated over micro-batches; clip; AdamW; next.

Every stage trains with `fit`; stages differ only in their batches and in their loss. Losses are *summed* over what
counts in a micro-batch and divided by what counts in the whole batch, so that the split into micro-batches changes
nothing: 1 x 64 and 8 x 8 give the same gradient, masks of unequal length included.

Shapes: B batch, T time.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from core.config import Config, setting
from core.data.batch import Batch
from core.data.pretraining import HeldOut
from core.model import GPT
from core.train.schedule import learning_rate

Batches = Callable[[int], Batch]  # a pure function of the step (from 0), so that there is no state to save
LossFn = Callable[[GPT, Batch], Tensor]  # summed over what counts, a scalar


@dataclass(frozen=True)
class FitConfig(Config):
    """How a model is trained, whatever the stage."""

    max_steps: int = setting(1000, "Optimiser steps", low=1, high=100_000_000)
    batch_size: int = setting(16, "Sequences a step", low=1, high=1_000_000)
    micro_batch_size: int = setting(
        0, "Sequences in memory at once; gradients accumulate over the rest. 0 = all", low=0, high=1_000_000
    )
    learning_rate: float = setting(1e-3, "Peak learning rate", low=0.0, high=10.0)
    final_learning_rate: float = setting(0.0, "Learning rate at the last step", low=0.0, high=10.0)
    warmup_steps: int = setting(50, "Steps over which the learning rate rises", low=0)
    weight_decay: float = setting(0.1, "Pull of matrices towards 0 (not of biases and norms)", low=0.0)
    beta1: float = setting(0.9, "AdamW: memory of the gradient's mean", low=0.0, high=0.9999)
    beta2: float = setting(0.99, "AdamW: memory of its square", low=0.0, high=0.99999)
    grad_clip: float = setting(1.0, "Longest gradient; longer ones are shortened. 0 = any", low=0.0)
    seed: int = setting(1337, "The same seed gives the same run", low=0, high=2**31)
    eval_interval: int = setting(100, "Steps between two looks at the validation text", low=1)
    save_interval: int = setting(200, "Steps between two saved states to resume from", low=1)
    device: str = setting("auto", "Where to train; auto takes the fastest", choices=("auto", "cuda", "mps", "cpu"))
    dtype: str = setting(
        "auto",
        "Arithmetic of the forward pass; auto is bfloat16 on CUDA, float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    keep_best: bool = setting(
        False, "Finish with the weights of the evaluation with the lowest validation loss, not with the last ones"
    )
    save_dtype: str = setting("float32", "Precision of the finished weights on disk", choices=("float32", "float16"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_steps > self.max_steps:
            raise ValueError(f"warmup_steps must be at most max_steps, got {self.warmup_steps} and {self.max_steps}")


class StepLog(NamedTuple):
    """What one optimiser step did. `step` counts from 1: it is the number of steps taken so far."""

    step: int
    loss: float  # nats a target
    lr: float
    grad_norm: float  # before clipping
    tokens: int  # targets that counted
    seconds: float


class NotFinite(ArithmeticError):
    """The loss or the gradient is NaN or infinite; the optimiser has not stepped."""

    def __init__(self, step: int, what: str, value: float):
        super().__init__(f"{what} became {value} at step {step}")
        self.step = step


def fit(
    model: GPT,
    batches: Batches,
    loss_fn: LossFn,
    config: FitConfig,
    optimizer: Optimizer | None = None,
    start_step: int = 0,
) -> Iterator[StepLog]:
    """Train `model` in place, yielding after every optimiser step.

    To go on from a saved state, pass its optimiser and the number of steps taken. Randomness (dropout) is a function
    of (seed, step), so a resumed run equals an uninterrupted one. Raises NotFinite before a bad step is taken.
    """
    optimizer = optimizer or make_optimizer(model, config)
    device = model.device
    for step in range(start_step, config.max_steps):
        began = time.perf_counter()
        torch.manual_seed(config.seed * 1_000_003 + step)
        model.train()
        batch = batches(step)
        total, loss = batch.n_targets, torch.zeros((), device=device)
        if total == 0:
            raise ValueError(f"the batch of step {step + 1} has nothing to learn from: every target is masked")
        for micro in batch.split(config.micro_batch_size or config.batch_size):
            with autocast(device, config.dtype):
                micro_loss = loss_fn(model, micro.to(device)) / total
            micro_loss.backward()
            loss += micro_loss.detach()
        lr = learning_rate(
            step, config.learning_rate, config.final_learning_rate, config.warmup_steps, config.max_steps
        )
        if not math.isfinite(loss.item()):
            raise NotFinite(step + 1, "the loss", loss.item())
        grad_norm = optimizer_step(model, optimizer, lr, config.grad_clip, step + 1)
        yield StepLog(step + 1, loss.item(), lr, grad_norm, total, time.perf_counter() - began)


def optimizer_step(model: GPT, optimizer: Optimizer, lr: float, grad_clip: float, step: int) -> float:
    """Clip, step, forget the gradients; returns the gradient's norm before clipping."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip or math.inf).item()
    if not math.isfinite(norm):
        raise NotFinite(step, "the gradient norm", norm)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


def make_optimizer(model: GPT, config: FitConfig) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); only matrices decay, biases and norms do not."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True)


def language_model_loss(model: GPT, batch: Batch) -> Tensor:
    """Cross-entropy in nats, summed over the targets that count."""
    return model.summed_loss(batch.inputs, batch.targets)


@torch.inference_mode()
def mean_loss(model: GPT, batches: Iterable[Batch], dtype: str = "float32") -> float:
    """Cross-entropy in nats a target over all `batches`, dropout off."""
    model.eval()
    total, count = 0.0, 0
    for batch in batches:
        with autocast(model.device, dtype):
            total += language_model_loss(model, batch.to(model.device)).item()
        count += batch.n_targets
    return total / count


def held_out_metrics(model: GPT, held_out: HeldOut, dtype: str = "float32") -> dict[str, float]:
    """`loss/val` in nats a token, and `bpb/val` in bits a byte of text, which no vocabulary can flatter."""
    loss = mean_loss(model, held_out.batches, dtype)
    return {"loss/val": loss, "bpb/val": loss * held_out.n_tokens / held_out.n_bytes / math.log(2)}


def pick_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA, else Apple's MPS, else the CPU. ValueError if it is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available[name]:
        there = ", ".join(kind for kind, there in available.items() if there)
        raise ValueError(f"device {name} is not available on this machine; available: {there}")
    return torch.device(name)


def autocast(device: torch.device, dtype: str) -> AbstractContextManager:
    """bfloat16 where asked for. `auto` asks on CUDA only: most CPUs multiply bfloat16 far slower than float32."""
    if dtype == "bfloat16" or (dtype == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
