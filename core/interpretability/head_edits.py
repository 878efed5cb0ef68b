"""One attention head, edited: its output made weaker or stronger, or its gaze fixed on one token.

Scaling a head's output down to 0 is the ablation of Michel et al. 2019 (arXiv:1905.10650, equation 4, with any xi
instead of 0 or 1); fixing its weights leaves the values, so that it shows what the head says once where it looks is
settled.

Shapes: B texts, T time (tokens), S tokens that may be looked back to, nh heads, hs head size.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.model import GPT, Attention, GPTConfig


@dataclass(frozen=True)
class HeadEdit:
    """What is done to one head; as it stands, nothing."""

    layer: int  # from 0, as the head
    head: int
    scale: float = 1.0  # factor on what the head returns: 0 silences it, 2 doubles it
    token: int | None = None  # position of the only token that it looks at; those before it see it not, and stay

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale >= 0):
            raise ValueError(f"the scale of a head must be a number from 0 on, got {self.scale}")
        if self.token is not None and self.token < 0:
            raise ValueError(f"the token that a head looks at must be a position from 0 on, got {self.token}")


class EditedAttention(Attention):
    """The attention of a layer of which one head is edited; positions count from the beginning of the text."""

    def __init__(self, config: GPTConfig, edit: HeadEdit):
        super().__init__(config, edit.layer)
        self.edit = edit

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        y = super().attend(q, k, v, mask).clone()  # (B, nh, T, hs)
        head, token, T, S = self.edit.head, self.edit.token, q.shape[2], k.shape[2]
        if token is not None:
            first = max(0, token - (S - T))  # of the queries, which are the last T of S: the first that sees the token
            y[:, head, first:] = v[:, head, token : token + 1]  # the sum of the values with a weight of 1 on this one
        y[:, head] *= self.edit.scale
        return y


def edited_copy(model: GPT, edit: HeadEdit) -> GPT:
    """A model whose weights are those of `model`, not copied, and which has the edited head: `model` stays as it is.

    It computes attention step by step on every device, so that texts of two copies differ by their edits alone.
    Raises ValueError if there is no such head.
    """
    config = model.config
    if not (0 <= edit.layer < config.n_layer and 0 <= edit.head < config.n_head):
        raise ValueError(
            f"the model has {config.n_layer} layers of {config.n_head} heads: there is no head {edit.head + 1} in "
            f"layer {edit.layer + 1}"
        )
    with torch.device("meta"):  # a model without weights takes no memory
        copy = GPT(config)
        copy.blocks[edit.layer].attn = EditedAttention(config, edit)
    copy.load_state_dict(model.state_dict(), assign=True)
    return copy.eval()
