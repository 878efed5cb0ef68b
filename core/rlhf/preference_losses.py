"""Losses beside DPO's: ORPO, which needs no reference model, and KTO, which needs no pairs.

Shapes: P pairs; in (P, 2) the preferred answer comes first.
"""

import torch
from torch import Tensor

from core.rlhf.logprobs import bradley_terry


def orpo_loss(means: Tensor, outcomes: Tensor, believed: Tensor, beta: float) -> Tensor:
    """(P,), from means (P, 2) over an answer's tokens of their log-probabilities in nats.

    -log pi(y_w|x) - beta log sigmoid(log odds(y_w|x) - log odds(y_l|x)), odds p = p / (1 - p): Hong et al. 2024,
    arXiv:2403.07691, equations 4, 6 and 7, whose lambda is called beta as by TRL. Of a tie either answer is imitated.
    """
    means = means.clamp(max=-1e-6)  # an answer known by heart has no odds
    odds = means - torch.log(-torch.expm1(means))
    imitated = -(outcomes * means[:, 0] + (1 - outcomes) * means[:, 1])
    return imitated + beta * bradley_terry(odds[:, 0] - odds[:, 1], believed)


def kto_margins(moved: Tensor, outcomes: Tensor, beta: float) -> Tensor:
    """By how much each answer's reward is on the right side of what all answers have moved by in general, (P,).

    moved (P, 2): log-ratios of the answer that was judged, and of one to something else. Ethayarajh et al. 2024,
    arXiv:2402.01306, section 4.1: the reference point is the mean of the latter, at least 0, over the rows that are
    read at once, as in TRL; no gradient flows through it. The loss is 1 - sigmoid of this, weighted (equation 8).
    """
    point = moved[:, 1].detach().mean().clamp(min=0)
    return (2 * outcomes - 1) * beta * (moved[:, 0] - point)
