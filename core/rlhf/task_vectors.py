"""Task arithmetic: models between a parent and its children, and beyond them, made of their weights alone.

    weights = parent + a (child - parent)        one child: Ilharco et al. 2023, arXiv:2212.04089
    weights = parent + sum of a_i (child_i - parent)    several of one parent: Ramé et al. 2023, arXiv:2306.04488

child - parent is the task vector: all that a training has changed. With a = 0 the model is the parent, with a = 1 the
child, bit for bit; below 0 it is led away from what was learned, above 1 farther than it was taught. Part by part, a
block's attention or its MLP, what was learned can be left out.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from core import lora
from core.model import GPT, GPTConfig

LEAST, MOST = -1.0, 2.0  # of a: beyond, texts fall apart
ATTENTION, MLP, EMBEDDINGS = "attn", "mlp", "embeddings"  # the last with the norm behind all blocks


def mix(parent: GPT, children: Sequence[tuple[GPT, float]], off: Collection[str] = ()) -> GPT:
    """parent + the sum of a (child - parent) over (child, a), but in the parts `off`, see `parts`, the parent.

    A new model that shares with the parent what is the same, so train neither. Raises ValueError in words for models
    that cannot be mixed, see `check_alike`, and for an unknown part.
    """
    check_plain(parent)
    if unknown := sorted(set(off) - set(parts(parent.config))):
        raise ValueError(f"{unknown[0]!r} is no part of this model: its parts are {', '.join(parts(parent.config))}")
    for child, _ in children:
        check_alike(parent, child)
    moved = [(dict(child.named_parameters()), a) for child, a in children if a]
    new = {}
    with torch.no_grad():
        for name, start in parent.named_parameters():
            ends = [(weights[name], a) for weights, a in moved if not torch.equal(weights[name], start)]
            if ends and part_of(name) not in off:
                new[name] = blend(start, ends)
    return with_parameters(parent, new)


def blend(start: Tensor, ends: Sequence[tuple[Tensor, float]]) -> Tensor:
    """start + the sum of a (end - start), of any shape; with a single end exact at a = 0 and a = 1."""
    if len(ends) == 1:
        return torch.lerp(start, *ends[0])
    total = start.clone()
    for end, a in ends:
        total.add_(end - start, alpha=a)
    return total


def with_parameters(model: GPT, new: Mapping[str, Tensor]) -> GPT:
    """A copy whose parameters of these names are `new`; all others are the model's own, not copied."""
    shared: dict[int, Any] = {
        id(old): nn.Parameter(new[name], requires_grad=False) if name in new else old
        for name, old in model.named_parameters()
    }
    return copy.deepcopy(model, shared).eval()


# --- parts ----------------------------------------------------------------------------------------------------


def parts(config: GPTConfig) -> list[str]:
    """The names of what can be left out: attn.0, mlp.0, attn.1, ..., embeddings. Layers count from 0."""
    return [*(f"{kind}.{layer}" for layer in range(config.n_layer) for kind in (ATTENTION, MLP)), EMBEDDINGS]


def part_of(parameter: str) -> str:
    """The part to which a parameter belongs; a layer norm to the half of the block that reads through it."""
    words = parameter.split(".")
    if words[:2] != ["transformer", "h"]:
        return EMBEDDINGS
    return f"{ATTENTION if words[3] in ('attn', 'ln_1') else MLP}.{words[2]}"


# --- what can be mixed ----------------------------------------------------------------------------------------


def check_alike(parent: GPT, child: GPT) -> None:
    """Raise ValueError in words unless the child is a plain language model, of the parent's shape."""
    check_plain(child)
    ours, theirs = (shape(model.config) for model in (parent, child))
    different = [f"{name} {ours[name]} and {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if different:
        raise ValueError(
            f"only models of one shape can be mixed, and these differ: {', '.join(different)} (parent and child); "
            "choose a child that was trained from this parent"
        )


def check_plain(model: Any) -> None:
    """Raise ValueError unless all weights are there as they are used: not packed, rounded, or beside an adapter."""
    if not isinstance(model, GPT):
        raise ValueError(
            f"a {type(model).__name__} has no weights that can be mixed: give the language model that it was made from"
        )
    if lora.linears(model, lora.LoRALinear):
        raise ValueError("this model still has its LoRA beside its weights: merge it first (core.lora.merge_adapters)")
    if not all(weights.is_floating_point() for weights in model.parameters()):
        raise ValueError("this model's weights are rounded to integers: give the model that they were rounded from")


def shape(config: GPTConfig) -> dict[str, Any]:
    """All that decides what weights mean; dropout does not."""
    return {name: value for name, value in vars(config).items() if name != "dropout"}
