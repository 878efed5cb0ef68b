"""Activation patching: which activations carry what two texts differ in.

The model reads a changed text, but one activation is taken from its run on the clean text; how much of the difference
between the two runs' answers comes back? (Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section
2; in this form, with two texts of equal length and a difference of logits, Wang et al. 2022, "Interpretability in the
Wild", section 3.)

A share of 1 means that the one activation brings back all of it, 0 none; below 0 it leads away, above 1 beyond. All
patches of one layer are one batch. Shapes: B patches, T time (tokens), C n_embd, nh heads, hs head size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.interpretability.activations import Trace, unembed
from core.interpretability.block_outputs import block_outputs
from core.model import GPT

LEAST_CHANGE = 0.05  # of the difference of the two logits: shares of less would be noise


@dataclass(frozen=True)
class Pair:
    """Two passes over texts of equal length, and the answers that tell them apart."""

    clean: Trace
    changed: Trace
    answer: int  # the token that the clean text calls for
    other: int  # and the changed text
    clean_difference: float  # logit of `answer` minus that of `other` after the clean text
    changed_difference: float  # the same after the changed text

    @property
    def first(self) -> int:
        """The position of the first token that differs: before it, both passes are the same."""
        return next(i for i, (a, b) in enumerate(zip(self.clean.ids, self.changed.ids, strict=True)) if a != b)


@torch.inference_mode()
def make_pair(model: GPT, clean: Trace, changed: Trace, answer: int | None = None, other: int | None = None) -> Pair:
    """Two passes as a pair; an answer that is not given is the likeliest token after its text.

    Raises ValueError if the texts differ in length or not at all, or if the answers hardly tell them apart.
    """
    if len(clean.ids) != len(changed.ids):
        raise ValueError(f"the two texts must have equally many tokens, got {len(clean.ids)} and {len(changed.ids)}")
    if clean.ids == changed.ids:
        raise ValueError("the two texts are the same: replace a word in one of them")
    logits = [unembed(model, seen.residual[-1, -1]) for seen in (clean, changed)]
    answer = int(logits[0].argmax()) if answer is None else answer
    other = int(logits[1].argmax()) if other is None else other
    if answer == other:
        raise ValueError("the two answers are the same token: give two that differ")
    differences = [float(row[answer] - row[other]) for row in logits]
    if abs(moved := differences[0] - differences[1]) < LEAST_CHANGE:
        raise ValueError(
            f"the change moves the difference of the two answers' logits by only {abs(moved):.3f}: "
            "change more, or choose other answers"
        )
    return Pair(clean, changed, answer, other, *differences)


@torch.inference_mode()
def patch_residual(model: GPT, pair: Pair, layer: int) -> Tensor:
    """Shares (T,) that come back with the clean residual stream at one position, before block `layer`.

    layer: 0 for the embeddings, n_layer for what the last block leaves behind.
    """
    rows = one_position_each(pair, pair.clean.residual[layer], pair.changed.residual[layer])
    return at_positions(pair, shares(model, pair, rows, layer))


@torch.inference_mode()
def patch_mlp(model: GPT, pair: Pair, layer: int) -> Tensor:
    """Shares (T,) that come back with the clean output of a block's MLP at one position."""
    clean, changed = (block_outputs(model, seen, layer) for seen in (pair.clean, pair.changed))
    rows = changed.middle + one_position_each(pair, clean.mlp, changed.mlp)
    return at_positions(pair, shares(model, pair, rows, layer + 1))


@torch.inference_mode()
def patch_heads(model: GPT, pair: Pair, layer: int) -> Tensor:
    """Shares (nh,) that come back with the clean output of one head, at all positions."""
    block, nh = model.blocks[layer], model.config.n_head
    clean, changed = (block_outputs(model, seen, layer).heads for seen in (pair.clean, pair.changed))
    each = torch.arange(nh)
    heads = changed.repeat(nh, 1, 1, 1)  # (nh, T, nh, hs)
    heads[each, :, each] = clean.transpose(0, 1)
    rows = pair.changed.residual[layer] + block.attn.c_proj(heads.flatten(2))
    rows = rows + block.mlp(block.ln_2(rows))
    return shares(model, pair, rows, layer + 1)


# What may be taken from the clean run -> how. The residual stream has one layer more than there are blocks.
PATCHES: dict[str, Callable[[GPT, Pair, int], Tensor]] = {
    "residual": patch_residual,
    "heads": patch_heads,
    "mlp": patch_mlp,
}


def one_position_each(pair: Pair, clean: Tensor, changed: Tensor) -> Tensor:
    """(B, T, C): each row is `changed` (T, C) with one position of `clean`, from the first that may differ on."""
    positions = torch.arange(pair.first, len(changed))
    rows = changed.repeat(len(positions), 1, 1)
    rows[torch.arange(len(positions)), positions] = clean[positions]
    return rows


def at_positions(pair: Pair, found: Tensor) -> Tensor:
    """Shares (T,) of all positions: before the first that differs nothing can come back."""
    return torch.cat([found.new_zeros(pair.first), found])


def shares(model: GPT, pair: Pair, rows: Tensor, layer: int) -> Tensor:
    """Read residual streams (B, T, C) from block `layer` on: (B,) of the difference that comes back."""
    for block in model.blocks[layer:]:
        rows = block(rows)
    logits = unembed(model, rows[:, -1])
    difference = logits[:, pair.answer] - logits[:, pair.other]
    share: Tensor = (difference - pair.changed_difference) / (pair.clean_difference - pair.changed_difference)
    return share.cpu()
