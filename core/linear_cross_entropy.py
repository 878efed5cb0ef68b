"""The head's product and its cross-entropy in one, a piece at a time, so that the logits never exist as a whole.

For 8 x 1024 tokens and GPT-2's vocabulary the logits alone are 1.6 GB, and their gradient as much again. Here a piece
of them is made, turned into its loss and its gradient, and forgotten; the products are the same three as without. On a
GPU the pieces are larger, what is between the products is compiled into one kernel, and the product that makes the
head's gradient adds it up itself.

torch's own, `F.linear_cross_entropy`, came with torch 2.13 and is not faster on a CPU: forward and backward on one core
158 ms in its pieces, 224 whole, and 158 here (4096 rows of 288, 2,048 tokens); 214, 282, 216 (2048, 384, 4,096); 432,
502, 396 (2048, 320, 8,192). Nor does it leave out padding rows without a copy of their gradient, or follow autocast.

Shapes: N rows (B x T), C n_embd, V vocab_size, W rows of the head (V and its padding).
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.compiling import can_compile, or_eager

IGNORE_INDEX = -100  # a target of this value does not count in the loss
PIECE_BYTES = 2**26  # of float32 logits: small enough to forget soon, large enough for fast products
CPU_PIECE_ROWS = 256  # of a few thousand tokens a CPU's cache holds as many; more took up to 1.6 times as long
COMPILED_PIECE_BYTES = 2**29  # of logits as they are multiplied: a GPU wants more at a time
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
            compiled = can_compile(x.device)
            size = piece_rows(len(head), dtype.itemsize if compiled else None, kind)
            for start in range(0, len(x), size):
                piece, wanted = rows[start : start + size], targets[start : start + size]
                logits = piece @ weight.T  # (n, W)
                loss, gradient = (compiled_loss if compiled else loss_and_gradient)(
                    logits, wanted, vocab_size, needs_gradient
                )
                total += loss
                if gradient is not None:
                    x_gradient[start : start + size] = gradient @ weight
                    add_product(head_gradient, gradient.T, piece)
                del logits, gradient
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        x_gradient, head_gradient = ctx.saved_tensors
        return x_gradient.mul_(outer[0]), head_gradient.mul_(outer[0]), None, None, None


def piece_rows(W: int, logit_bytes: int | None, device: str) -> int:
    """Rows of a piece, for a head of W rows; logit_bytes: of one logit where pieces are compiled, else None."""
    if logit_bytes:
        return max(1, COMPILED_PIECE_BYTES // (logit_bytes * W))
    rows = max(1, PIECE_BYTES // (4 * W))
    return min(rows, CPU_PIECE_ROWS) if device == "cpu" else rows


Pieces = tuple[Tensor, Tensor | None]


def loss_and_gradient(logits: Tensor, targets: Tensor, vocab_size: int, needs_gradient: bool) -> Pieces:
    """Cross-entropy, summed, of logits (n, W) against targets (n,), and its gradient by the logits, in their precision.

    d loss / d logits = softmax - one-hot, made in place.
    """
    counts, chosen = targets != IGNORE_INDEX, targets.clamp(min=0)[:, None]
    exact = logits.float()
    exact[:, vocab_size:] = -torch.inf
    gradient = exact.log_softmax(1)
    loss = -(gradient.gather(1, chosen)[:, 0] * counts).sum()
    if not needs_gradient:
        return loss, None
    gradient.exp_().scatter_add_(1, chosen, torch.full_like(chosen, -1, dtype=gradient.dtype))
    return loss, gradient.mul_(counts[:, None]).to(logits.dtype)


def loss_and_gradient_in_one(logits: Tensor, targets: Tensor, vocab_size: int, needs_gradient: bool) -> Pieces:
    """The same, written so that a compiler makes one kernel of it: every number depends on its own row alone."""
    counts, chosen = targets != IGNORE_INDEX, targets.clamp(min=0)[:, None]
    columns = torch.arange(logits.shape[1], device=logits.device)
    exact = logits.float().masked_fill(columns >= vocab_size, -torch.inf)
    normalizer = exact.logsumexp(1, keepdim=True)
    loss = ((normalizer - logits.gather(1, chosen).float())[:, 0] * counts).sum()
    if not needs_gradient:
        return loss, None
    gradient = ((exact - normalizer).exp() - (columns == chosen).float()) * counts[:, None]
    return loss, gradient.to(logits.dtype)


@functools.cache
def compiler() -> Callable[[Tensor, Tensor, int, bool], Pieces]:
    return torch.compile(loss_and_gradient_in_one)


def compiled_loss(logits: Tensor, targets: Tensor, vocab_size: int, needs_gradient: bool) -> Pieces:
    return or_eager(lambda: compiler()(logits, targets, vocab_size, needs_gradient))


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, by the product itself where the device can do that."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    elif a.is_cuda:
        torch.addmm(total, a, b, out_dtype=total.dtype, out=total)
    else:
        total += a @ b
