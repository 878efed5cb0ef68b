"""Dropout (Srivastava et al. 2014, JMLR 15, 1929) that costs little on a CPU.

There torch draws a number for every activation on one core, and its attention with dropout is not fused: a dropout of
0.1 took a third of a training step. Here 64 random bits serve four activations, and most of the scores that no token
may look at are not made. Elsewhere, and where the code is compiled, it is torch's own.

Shapes: B batch, T time (tokens), nh heads, hs head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """In training zeroes each activation with probability p, and divides what stays by 1 - p."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p and draws_here(x)):
            return F.dropout(x, self.p, self.training)
        return x * survivors(x.shape, self.p) / (1 - self.p)


def draws_here(x: Tensor) -> bool:
    """Is dropout of x drawn by this module, and not by torch?"""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def survivors(shape: torch.Size, p: float) -> Tensor:
    """Which activations stay, bool: each with probability 1 - p, rounded to a multiple of 2^-16."""
    words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return (words.view(torch.int16)[: shape.numel()] >= round(p * 2**16) - 2**15).view(shape)


def attention_with_dropout(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, scale: float
) -> Tensor:
    """What F.scaled_dot_product_attention returns for q, k and v (B, nh, T, hs); like it, in float32 under autocast.

    mask: what each token may look at of all up to itself, bool (B, 1, T, T); if None, all of it. What is dropped are
    shares of attention.
    """
    parts = []
    with torch.autocast(q.device.type, enabled=False):
        queries, keys, values = q.float() * scale, k.float().contiguous(), v.float().contiguous()
        for start, end in score_pieces(q.shape[2]):
            scores = queries[:, :, start:end] @ keys[:, :, :end].mT  # (B, nh, rows, end)
            if mask is None:
                seen = torch.ones(end - start, end, dtype=torch.bool).tril(start)
            else:
                seen = mask[:, :, start:end, :end]
            shares = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1)
            parts.append(shares * survivors(shares.shape, dropout) @ values[:, :, :end])
        return (torch.cat(parts, 2) / (1 - dropout)).to(q.dtype)


def score_pieces(T: int) -> list[tuple[int, int]]:
    """First token, and the one behind the last, whose scores are made at once: of four pieces, 5/8 of all scores."""
    rows = max(64, -(-T // 4))
    return [(start, min(start + rows, T)) for start in range(0, T, rows)]
