"""The head's product and its cross-entropy in one, a piece at a time, so that the logits never exist as a whole.

For 8 x 1024 tokens and GPT-2's vocabulary the logits alone are 1.6 GB, and their gradient as much again. Here a piece
of them is made, turned into its loss and its gradient, and forgotten; the products are the same three as without.

Shapes: N rows (B x T), C n_embd, V vocab_size, W rows of the head (V and its padding).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE_INDEX = -100  # a target of this value does not count in the loss
PIECE_BYTES = 2**26  # of float32 logits: small enough to forget soon, large enough for fast products
SMALL_VOCABULARY = 1024  # below, whole logits are small and faster


def linear_cross_entropy(x: Tensor, head: Tensor, targets: Tensor, vocab_size: int) -> Tensor:
    """Cross-entropy in nats of `softmax(x @ head[:vocab_size].T)` against `targets`, summed over those that count.

    x: (..., C). head: (W, C), of which the rows from `vocab_size` on are padding. targets: (...), IGNORE_INDEX where
    nothing counts. Equals `F.cross_entropy(logits, targets, reduction="sum")`, gradients included.
    """
    x, targets = x.flatten(0, -2), targets.flatten()
    if vocab_size <= SMALL_VOCABULARY:
        logits = F.linear(x, head)[:, :vocab_size].float()
        return F.cross_entropy(logits, targets, ignore_index=IGNORE_INDEX, reduction="sum")
    needs_gradient = torch.is_grad_enabled() and (x.requires_grad or head.requires_grad)
    total: Tensor = PiecewiseCrossEntropy.apply(x, head, targets, vocab_size, needs_gradient)  # type: ignore[no-untyped-call]
    return total


class PiecewiseCrossEntropy(torch.autograd.Function):
    """The gradient is made with the loss, while a piece's logits are there, and only scaled in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, targets: Tensor, vocab_size: int, needs_gradient: bool) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            rows, weight = x.to(dtype), head.to(dtype)
            total = torch.zeros((), device=x.device)
            if needs_gradient:
                x_gradient, head_gradient = torch.empty_like(x), torch.zeros_like(head)
                ctx.save_for_backward(x_gradient, head_gradient)  # which lets go of them after the backward pass
            size = max(1, PIECE_BYTES // (4 * len(head)))
            for start in range(0, len(x), size):
                piece, wanted = rows[start : start + size], targets[start : start + size]
                counts = wanted != IGNORE_INDEX
                logits = (piece @ weight.T).float()  # (n, W)
                logits[:, vocab_size:] = -torch.inf
                log_likely = logits.log_softmax(1)
                chosen = wanted.clamp(min=0)[:, None]
                total -= (log_likely.gather(1, chosen)[:, 0] * counts).sum()
                if needs_gradient:  # d loss / d logits = softmax - one-hot
                    gradient = log_likely.exp_()
                    gradient.scatter_add_(1, chosen, torch.full_like(chosen, -1, dtype=gradient.dtype))
                    gradient = gradient.mul_(counts[:, None]).to(dtype)
                    x_gradient[start : start + size] = gradient @ weight
                    add_product(head_gradient, gradient.T, piece)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        x_gradient, head_gradient = ctx.saved_tensors
        return x_gradient.mul_(outer[0]), head_gradient.mul_(outer[0]), None, None, None


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, in place where the precisions agree."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b
