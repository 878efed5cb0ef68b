"""The training loop: gradients of a batch, accumulated over micro-batches and processes; clip; step; next.

Every stage trains with `fit`; stages differ only in their batches and in their loss. Losses are *summed* over what
counts in a micro-batch and divided by what counts in the whole batch, so that the split into micro-batches changes
nothing: 1 x 64, 8 x 8 and 2 processes x 4 x 8 give the same gradient, masks of unequal length included.

Shapes: B batch, T time.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from core.compiling import or_eager
from core.config import Config, setting
from core.datasets.batch import Batch
from core.datasets.pretraining import HeldOut
from core.huggingface import Model
from core.model import GPT
from core.training import distributed
from core.training.batches import Batches, made_in_time, prefetched
from core.training.captured_step import MOST_FLOPS, CapturedStep
from core.training.compiled_blocks import CompiledBlocks
from core.training.device import autocast
from core.training.distributed import Objective
from core.training.lr_schedule import learning_rate
from core.training.optimizer import make_optimizers, set_learning_rate, take_step

AfterStep = Callable[[int], dict[str, float]]  # of the number of steps taken; returns more metrics of that step


class Summed(NamedTuple):
    """A loss, and other things worth seeing of a step; all are scalars, summed over what counts."""

    loss: Tensor
    metrics: dict[str, Tensor]


LossFn = Callable[[Any, Any], Tensor | Summed]  # of the model and a batch


@dataclass(frozen=True)
class FitConfig(Config):
    """How a model is trained, whatever the stage."""

    max_steps: int = setting(1000, "Optimiser steps", low=1, high=100_000_000, title="Steps")
    batch_size: int = setting(16, "Sequences a step", low=1, high=1_000_000)
    micro_batch_size: int = setting(
        0, "Sequences in memory at once; gradients accumulate over the rest. 0 = all that fit", low=0, high=1_000_000
    )
    learning_rate: float = setting(1e-3, "Peak learning rate", low=0.0, high=10.0)
    final_learning_rate: float = setting(0.0, "Learning rate at the last step", low=0.0, high=10.0)
    warmup_steps: int = setting(50, "Steps over which the learning rate rises", low=0)
    optimizer: str = setting(
        "muon",
        "muon: matrices move in all directions alike, learns in fewer steps; adamw: the classic, cheaper a step",
        choices=("muon", "adamw"),
        fixed=True,
    )
    weight_decay: float = setting(0.1, "Pull of matrices towards 0 (not of biases and norms)", low=0.0)
    beta1: float = setting(0.9, "AdamW: memory of the gradient's mean", low=0.0, high=0.9999)
    beta2: float = setting(0.99, "AdamW: memory of its square", low=0.0, high=0.99999)
    muon_momentum: float = setting(0.95, "Muon: memory of the gradient's mean", low=0.0, high=0.9999)
    grad_clip: float = setting(1.0, "Longest gradient; longer ones are shortened. 0 = any", low=0.0)
    seed: int = setting(1337, "The same seed gives the same run", low=0, high=2**31, fixed=True)
    eval_interval: int = setting(100, "Steps between two looks at the validation text", low=1)
    save_interval: int = setting(200, "Steps between two saved states to resume from", low=1)
    keep_steps: int = setting(
        3,
        "Saved steps that stay, the latest ones, to fork the run from. 0 = none once it is finished",
        low=0,
        high=1000,
    )
    snapshots: int = setting(
        12,
        "Weights kept for a time-lapse of attention: at step 0, then on a log scale up to the last step. 0 = none",
        low=0,
        high=100,
    )
    processes: int = setting(
        0,
        "Processes that share each batch, one on each GPU. 0 = one for each GPU of the machine; on a CPU, one",
        low=0,
        high=1024,
    )
    shard: bool = setting(
        False,
        "Pre-training in several processes: each keeps a part of weights, gradients and AdamW's averages (FSDP2), for "
        "models too large for one GPU",
    )
    device: str = setting("auto", "Where to train; auto takes the fastest", choices=("auto", "cuda", "mps", "cpu"))
    dtype: str = setting(
        "auto",
        "Arithmetic of the forward pass; auto is bfloat16 on CUDA from Ampere on, float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    recompute: bool = setting(
        False,
        "Gradient checkpointing: keep only each block's input for the backward pass and compute the rest again: "
        "less memory, 1/3 slower",
    )
    compile: str = setting(
        "auto",
        "torch.compile the blocks: half a minute's start, then faster; auto where a GPU will win that back",
        choices=("auto", "on", "off"),
    )
    keep_best: bool = setting(
        False, "Early-stopping checkpoint: finish with the weights of the lowest validation loss, not the last ones"
    )
    save_dtype: str = setting("float32", "Precision of the finished weights on disk", choices=("float32", "float16"))

    def __post_init__(self) -> None:
        if isinstance(self.compile, bool):  # as older runs have it
            object.__setattr__(self, "compile", "on" if self.compile else "off")
        super().__post_init__()
        if self.processes > self.batch_size:
            raise ValueError(
                f"batch_size must be at least the number of processes, got {self.batch_size} and {self.processes}"
            )
        if self.shard and self.optimizer != "adamw":
            raise ValueError(f"optimizer must be adamw where the model is in shards, got {self.optimizer}")
        if self.warmup_steps > self.max_steps:
            raise ValueError(f"warmup_steps must be at most max_steps, got {self.warmup_steps} and {self.max_steps}")


@dataclass(frozen=True)
class StepLog:
    """What one optimiser step did. `step` counts from 1: it is the number of steps taken so far."""

    step: int
    loss: float  # nats a target
    lr: float
    grad_norm: float  # before clipping
    tokens: int  # that the model read, padding included
    seconds: float  # since the step before, without what was done with its log
    micro_batch_size: int  # smaller than asked for if the device's memory was
    data_wait: float  # share of `seconds` spent waiting for the batch
    metrics: dict[str, float] = field(default_factory=dict)  # whatever else the stage measures


class NotFinite(ArithmeticError):
    """The loss or the gradient is NaN or infinite; the optimiser has not stepped."""

    def __init__(self, step: int, metric: str, value: float):
        super().__init__(f"{metric} became {value} at step {step}")
        self.step, self.metric, self.value = step, metric, value


def no_metrics(step: int) -> dict[str, float]:
    return {}


def say_nothing(message: str) -> None:
    pass


def fit(
    model: Any,
    batches: Batches,
    loss_fn: LossFn,
    config: FitConfig,
    optimizers: list[Optimizer] | None = None,
    start_step: int = 0,
    prefetch: bool = True,
    after_step: AfterStep = no_metrics,
    say: Callable[[str], None] = say_nothing,
) -> Iterator[StepLog]:
    """Train `model` in place, yielding after every optimiser step.

    To go on from a saved state, pass its optimisers and the number of steps taken. Randomness (dropout) is a function
    of (seed, step), so a resumed run equals an uninterrupted one. Raises NotFinite before a bad step is taken, and
    ValueError if the device's memory is too small for a single sequence.

    say: shows what is being done where a step takes long.
    prefetch: make the next batch while this one is learned from. Not where the model itself writes what it learns
    from: its batches are made when their step has come, and making them is work, not waiting.
    """
    optimizers = optimizers or optimizers_of(model, config)
    model.transformer.recompute = config.recompute
    micro_batch_size = config.micro_batch_size or config.batch_size
    objective = Objective(model, loss_fn, sharded=config.shard)
    captured = captured_step(objective, config, optimizers, micro_batch_size)
    compiled = CompiledBlocks(model, "off" if captured and config.compile == "auto" else config.compile, say)
    began = time.perf_counter()
    make = prefetched if prefetch else made_in_time
    for step, batch, waited in make(batches, range(start_step, config.max_steps), model.device):
        if batch is None:
            return
        lr = learning_rate(
            step, config.learning_rate, config.final_learning_rate, config.warmup_steps, config.max_steps
        )
        done = one_step(objective, batch, config, optimizers, step, lr, micro_batch_size, captured)
        micro_batch_size = done.micro_batch_size
        metrics = done.metrics | after_step(step + 1)
        seconds = time.perf_counter() - began
        yield StepLog(
            step=step + 1,
            loss=done.loss,
            lr=lr,
            grad_norm=done.grad_norm,
            tokens=batch.inputs.numel(),
            seconds=seconds,
            micro_batch_size=micro_batch_size,
            data_wait=min(1.0, waited / seconds),
            metrics=metrics,
        )
        compiled.consider(seconds, config.max_steps - step - 1)
        began = time.perf_counter()  # what the consumer did in between is not training


class StepResult(NamedTuple):
    """What came of one step: means over all targets that count."""

    loss: float
    grad_norm: float  # before clipping
    micro_batch_size: int  # halved until the device's memory sufficed
    metrics: dict[str, float]


def one_step(
    objective: Objective,
    batch: Batch,
    config: FitConfig,
    optimizers: list[Optimizer],
    step: int,
    lr: float,
    micro_batch_size: int,
    captured: CapturedStep | None = None,
) -> StepResult:
    """One optimiser step on `batch` at rate `lr`; step counts from 0. Raises NotFinite before a bad step is taken."""
    total = batch.n_targets
    if total == 0:
        raise ValueError(f"the batch of step {step + 1} has nothing to learn from: every target is masked")
    model, part = objective.model, distributed.share(batch)
    micro_batch_size = min(micro_batch_size, math.ceil(len(batch) / distributed.world_size()))  # the same in all
    if captured and captured.fits(part):
        seed_step(model, config, step)
        found = captured.gradients(part, total)
        values = finite(step + 1, found)
        set_learning_rate(optimizers, lr)
        captured.move()
        return StepResult(values[0], values[1], micro_batch_size, {})
    while (seen := accumulate(objective, part, total, config, step, micro_batch_size)) is None:
        torch.cuda.empty_cache()
        if micro_batch_size == 1:
            raise ValueError("the device has too little memory for one sequence: " + LESS_MEMORY)
        micro_batch_size //= 2
    norm = clip_gradients(model, config)
    loss, metrics = seen
    values = finite(step + 1, {"loss/train": loss, "grad_norm": norm, **metrics})
    take_step(optimizers, lr)
    return StepResult(
        loss=values[0],
        grad_norm=values[1],
        micro_batch_size=micro_batch_size,
        metrics=dict(zip(metrics, values[2:], strict=True)),
    )


def summed(found: Tensor | Summed) -> Summed:
    """What a loss function returned, in its longer form."""
    return found if isinstance(found, Summed) else Summed(found, {})


LESS_MEMORY = "turn recompute on, or choose a smaller block_size or model"


def accumulate(
    objective: Objective, batch: Batch, total: int, config: FitConfig, step: int, micro_batch_size: int
) -> Summed | None:
    """Leave the gradients of the mean loss in `.grad`, summed over all processes; returns the means over all of them.

    batch: this process's part of the whole batch, in which `total` targets count. Returns None, gradients forgotten,
    if the device's memory, here or in another process, was too small for `micro_batch_size` sequences.
    """
    if not fits_everywhere(objective, batch, config, micro_batch_size):
        return None
    seed_step(objective.model, config, step)
    try:
        sums = or_eager(lambda: backward(objective, batch, total, config, micro_batch_size))
    except torch.OutOfMemoryError:
        if distributed.world_size() > 1:  # the others wait for these gradients
            raise ValueError(f"the device has too little memory for micro-batches of {micro_batch_size}") from None
        objective.model.zero_grad(set_to_none=True)
        return None
    means = distributed.all_reduce_sum(torch.stack(list(sums.values()))).unbind()
    return Summed(means[0], dict(zip(list(sums)[1:], means[1:], strict=True)))


def fits_everywhere(objective: Objective, batch: Batch, config: FitConfig, micro_batch_size: int) -> bool:
    """Try a micro-batch that is larger than all before it, where a process that runs out of memory in the middle of a
    step would leave the others waiting: replicas on GPUs.
    """
    tokens = micro_batch_size * batch.inputs.shape[1]
    if objective.replica is None or objective.model.device.type != "cuda" or tokens <= objective.tried:
        return True
    failed = False
    try:
        with objective.local(is_last=False):
            or_eager(lambda: backward(objective, batch.split(micro_batch_size)[0], 1, config, micro_batch_size))
    except torch.OutOfMemoryError:
        failed = True
    objective.model.zero_grad(set_to_none=True)
    if distributed.largest(failed):
        return False
    objective.tried = tokens
    return True


def seed_step(model: Any, config: FitConfig, step: int) -> None:
    """Dropout on, by chance that is a function of seed, step and process."""
    model.train()
    torch.manual_seed((config.seed * 1_000_003 + step) * distributed.world_size() + distributed.rank())


def backward(
    objective: Objective, batch: Batch, total: int | Tensor, config: FitConfig, micro_batch_size: int
) -> dict[str, Tensor]:
    """Leave the gradients of the mean loss in `.grad`; returns the shares of `batch` of that loss and of metrics."""
    objective.model.zero_grad(set_to_none=True)  # a first try may have been broken off
    device = objective.model.device
    sums: dict[str, Tensor] = {"loss": torch.zeros((), device=device)}
    micros = batch.split(micro_batch_size)
    for micro in micros:
        with objective.local(is_last=micro is micros[-1]):
            with autocast(device, config.dtype):
                loss, metrics = summed(objective(micro.to(device)))
            (loss * distributed.world_size() / total).backward()  # torch takes the mean over the processes
        for name, value in {"loss": loss, **metrics}.items():
            sums[name] = sums.get(name, 0) + value.detach().float() / total
    return sums


def clip_gradients(model: Any, config: FitConfig) -> Tensor:
    """Shorten the gradient if it is too long; returns its length before that."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip or math.inf)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of a model in shards


def captured_step(
    objective: Objective, config: FitConfig, optimizers: list[Optimizer], micro_batch_size: int
) -> CapturedStep | None:
    """A step that is going to be captured, if that is worth it: on one GPU, with a small model that reads texts."""
    model = objective.model
    flops = config.batch_size * model.config.block_size * model.config.flops_per_token
    alone = model.device.type == "cuda" and distributed.world_size() == 1
    if not alone or objective.loss_fn is not language_model_loss or flops > MOST_FLOPS:
        return None

    def work(batch: Batch, total: Tensor) -> dict[str, Tensor]:
        found = backward(objective, batch, total, config, micro_batch_size)
        return {"loss/train": found["loss"], "grad_norm": clip_gradients(model, config)}

    return CapturedStep(work, optimizers, model.device)


def finite(step: int, values: dict[str, Tensor]) -> list[float]:
    """The values as numbers, in one wait for the device. Raises NotFinite if one of them is none."""
    numbers = torch.stack([value.detach().float() for value in values.values()]).tolist()
    for name, number in zip(values, numbers, strict=True):
        if not math.isfinite(number):
            raise NotFinite(step, name, number)
    return numbers


def optimizers_of(model: Model, config: FitConfig) -> list[Optimizer]:
    betas = (config.beta1, config.beta2)
    return make_optimizers(
        model, config.optimizer, config.learning_rate, config.weight_decay, betas, config.muon_momentum
    )


def language_model_loss(model: Model, batch: Batch) -> Tensor:
    """Cross-entropy in nats, summed over the targets that count."""
    return model.summed_loss(batch.inputs, batch.targets)


@torch.inference_mode()
def mean_loss(model: Model, batches: Iterable[Batch], dtype: str = "float32") -> float:
    """Cross-entropy in nats a target over all `batches`, dropout off."""
    model.eval()
    total, count = 0.0, 0
    for batch in batches:
        with autocast(model.device, dtype):
            total += language_model_loss(model, batch.to(model.device)).item()
        count += batch.n_targets
    return total / count


def held_out_metrics(model: GPT, held_out: HeldOut, dtype: str = "float32") -> dict[str, float]:
    """`loss/val` in nats a token, and `bpb/val` in bits per byte: like perplexity, but whatever the vocabulary."""
    loss = mean_loss(model, held_out.batches, dtype)
    return {"loss/val": loss, "bpb/val": loss * held_out.n_tokens / held_out.n_bytes / math.log(2)}
