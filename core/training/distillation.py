"""Knowledge distillation: a model learns what another one expects at each token, beside the token that came.

    loss = (1 - w) cross-entropy(the next token) + w cross-entropy(the teacher's distribution of it)

Hinton et al. 2015, arXiv:1503.02531, section 2, at temperature 1. A teacher of the same size helps, too, where a text
is read several times: its distribution says more than the one token that came (born-again networks, Furlanello et al.
2018, arXiv:1805.04770).

Shapes: N rows (B x T), C n_embd, V vocab_size, W rows of a head (V and its padding).
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX, piece_rows
from core.model import GPT
from core.training.loop import LossFn


def distillation_loss(teacher: GPT, weight: float) -> LossFn:
    """The loss above, in nats, summed over the targets that count. weight: w, from 0 (the text alone) to 1.

    The teacher reads the same tokens, without dropout, and does not learn.
    """
    teacher.eval().requires_grad_(False)

    def loss(model: GPT, batch: Batch) -> Tensor:
        with torch.no_grad():
            expected = teacher.hidden(batch.inputs).flatten(0, 1)
        x, targets = model.hidden(batch.inputs).flatten(0, 1), batch.targets.flatten()
        total = torch.zeros((), device=x.device)
        size = piece_rows(len(model.lm_head.weight), None, x.device.type)
        for start in range(0, len(x), size):  # logits and all that is made of them are there a piece at a time
            part = slice(start, start + size)
            total = total + checkpoint(
                mixed_cross_entropy, model, x[part], targets[part], teacher, expected[part], weight, use_reentrant=False
            )
        return total

    return loss


def mixed_cross_entropy(
    model: GPT, x: Tensor, targets: Tensor, teacher: GPT, expected: Tensor, weight: float
) -> Tensor:
    """The loss of rows: x (N, C) and expected (N, C of the teacher) before either head, targets (N,)."""
    log_probabilities = log_softmax(model, x)
    hard = log_probabilities.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    soft = (log_softmax(teacher, expected).exp() * log_probabilities).sum(1)
    return -(((1 - weight) * hard + weight * soft) * (targets != IGNORE_INDEX)).sum()


def log_softmax(model: GPT, x: Tensor) -> Tensor:
    """Log-probabilities (N, V), float32, of the token behind each row of x (N, C)."""
    return F.linear(x, model.lm_head.weight)[:, : model.config.vocab_size].float().log_softmax(1)
