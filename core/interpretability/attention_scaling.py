"""Attention scaling: why scores are divided by sqrt(d_k).

"We suspect that for large values of d_k, the dot products grow large in magnitude, pushing the softmax function into
regions where it has extremely small gradients" (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1). If the numbers
in q and k are independent with mean 0 and variance 1, their dot product has mean 0 and variance d_k (footnote 4).

Shapes: T time (tokens), d_k head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.interpretability.activations import apply_causal_mask
from core.interpretability.head_patterns import entropy


@dataclass(frozen=True)
class Softmax:
    """What a factor on the scores makes of a head; means over all queries but the first, which has no choice."""

    spread: float  # standard deviation of the scaled scores over all pairs of query and visible key
    entropy: float  # bits
    evenness: float  # entropy as a share of the largest possible: 1 looks at everything alike
    largest: float  # largest weight
    gradient: float  # Frobenius norm of the softmax's Jacobian, diag(p) - p p^T: what of a gradient can pass


def softmax_at(raw: Tensor, scale: float) -> Softmax:
    """The softmax of one head's raw scores q . k (T, T) times `scale`. Raises ValueError for fewer than two tokens."""
    T = len(raw)
    if T < 2:
        raise ValueError("a single token can only look at itself: give two tokens at least")
    scores = raw * scale
    p = apply_causal_mask(scores).softmax(-1)[1:]
    bits = entropy(p)
    squares = (p**2).sum(-1)
    jacobian = (squares - 2 * (p**3).sum(-1) + squares**2).clamp(min=0).sqrt()  # of diag(p) - p p^T
    return Softmax(
        spread=float(scores[causal_mask(T)].std()),
        entropy=float(bits.mean()),
        evenness=float((bits / torch.arange(2, T + 1).log2()).mean()),
        largest=float(p.amax(-1).mean()),
        gradient=float(jacobian.mean()),
    )


def variance_by_width(q: Tensor, k: Tensor) -> Tensor:
    """Variance of the dot product of the first d numbers of q and k (T, d_k), for d = 1 ... d_k: (d_k,).

    q and k are brought to mean 0 and variance 1 first, in each dimension, so that theory says simply d. Pairs of query
    and visible key are counted.
    """
    q, k = standardise(q), standardise(k)
    partial = (q[:, None] * k[None]).cumsum(-1)  # (T, T, d_k)
    return partial[causal_mask(len(q))].var(0)


def standardise(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std(0).clamp(min=1e-12)


def causal_mask(T: int) -> Tensor:
    """The pairs (query, key) of which the key is not in the future, bool (T, T)."""
    return torch.ones(T, T, dtype=torch.bool).tril()
