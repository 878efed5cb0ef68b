"""Gradient accumulation, checked: one batch of 64 and eight of 8 give the same gradient on the model at hand.

And the common mistake beside it: to average the *means* of the micro-batches. Where they have different numbers of
targets that count (padding, masked prompts), a target in a short one then weighs more than one in a long one.
"""

import re
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from core.datasets.batch import Batch
from core.huggingface import Model
from core.model import set_dropout
from core.training.distributed import Objective
from core.training.loop import FitConfig, LossFn, accumulate, summed

LAYER = re.compile(r"transformer\.h\.(\d+)\.")
Gradients = dict[str, list[Tensor]]  # of each layer's parameters


@dataclass(frozen=True)
class LayerDifference:
    """How far the gradients of one layer are apart."""

    name: str  # "embedding", "block 1", ..., "final norm", "head" (unless it is the embedding)
    difference: float  # max |a - b| / max |a|, a the gradient of the larger micro-batches
    mistake: float  # the same for the average of micro-batch means
    norm: float  # length of a


def accumulation_check(
    model: Model, batch: Batch, loss_fn: LossFn, config: FitConfig, micro_batch_sizes: tuple[int, int] = (64, 8)
) -> list[LayerDifference]:
    """The gradient of `batch` in micro-batches of the two sizes, layer by layer; the mistake is made with the second.

    Dropout is off: it draws other zeros for another split, and would hide what is shown. In bfloat16 the sums of the
    two ways round differently, so float32 is computed whatever `config` says. `model` is left as it was; three
    gradients of its size are held. Raises ValueError for a batch without targets, or if the memory does not suffice.
    """
    if batch.n_targets == 0:
        raise ValueError("the batch has nothing to learn from: every target is masked")
    config, (whole_size, part_size) = replace(config, dtype="float32"), micro_batch_sizes
    training = {module: module.training for module in model.modules()}
    kept = {parameter: parameter.grad for parameter in model.parameters()}
    dropout = model.config.dropout
    randomness = torch.random.get_rng_state()
    try:
        set_dropout(model, 0.0)
        whole = gradient(model, batch, loss_fn, config, whole_size)
        parts = gradient(model, batch, loss_fn, config, part_size)
        wrong = gradient(model, batch, partial(mean_of_means, loss_fn, batch, part_size), config, part_size)
    finally:
        set_dropout(model, dropout)
        torch.random.set_rng_state(randomness)
        for module, mode in training.items():
            module.training = mode
        for parameter, grad in kept.items():
            parameter.grad = grad
    return [
        LayerDifference(name, difference(a, parts[name]), difference(a, wrong[name]), norm(a))
        for name, a in whole.items()
    ]


def mean_of_means(loss_fn: LossFn, whole: Batch, size: int, model: Model, micro: Batch) -> Tensor:
    """The mistake, as a loss that `accumulate` divides by the targets of the whole batch: that is undone here."""
    count = len(whole.split(size))
    return summed(loss_fn(model, micro)).loss / max(1, micro.n_targets) / count * whole.n_targets


def gradient(model: Model, batch: Batch, loss_fn: LossFn, config: FitConfig, micro_batch_size: int) -> Gradients:
    """As `fit` accumulates it, by layer, in the order of the model."""
    model.zero_grad(set_to_none=True)
    if accumulate(Objective(model, loss_fn), batch, batch.n_targets, config, 0, micro_batch_size) is None:
        raise ValueError(f"the device has too little memory for {micro_batch_size} sequences at once")
    layers: Gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            layers.setdefault(layer_of(name), []).append(parameter.grad)
    return layers


def layer_of(parameter: str) -> str:
    if found := LAYER.match(parameter):
        return f"block {int(found[1]) + 1}"
    if ".ln_f." in parameter:
        return "final norm"
    return "embedding" if parameter.startswith("transformer.") else "head"


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    """max |a - b| / max |a| over a layer; 0 where both are 0."""
    apart = max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))
    largest = max(x.abs().max().item() for x in a)
    return apart / largest if largest else apart


def norm(gradients: list[Tensor]) -> float:
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())
