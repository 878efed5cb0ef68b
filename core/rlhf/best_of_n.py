"""Best-of-n: of n answers, the one with the highest score is given. Nothing is learned, and every answer costs n.

Shapes: P prompts, M answers to each.
"""

import math

import torch
from torch import Tensor


def best_of_n_kl(n: int) -> float:
    """KL of best-of-n from the model that writes, in nats an answer: log n - (n - 1) / n.

    Stiennon et al. 2020, arXiv:2009.01325, appendix G.3, for answers of which no two score alike. Where some do, it is
    the most that it can be: Beirami et al. 2024, arXiv:2401.01879.
    """
    return math.log(n) - (n - 1) / n


def best_of_n(scores: Tensor, values: Tensor, n: int) -> Tensor:
    """(P,): what the best of n answers is worth on average, over all choices of n among the M; without a bias.

    Nakano et al. 2021, arXiv:2112.09332, appendix I: of M answers with r worse ones, C(r, n - 1) of the C(M, n) choices
    have this one as their best. Of several that score alike each is the best equally often.

    scores, values: (P, M), by which the best is found, and what is counted of it. Raises ValueError unless 1 <= n <= M.
    """
    m = scores.shape[1]
    if not 1 <= n <= m:
        raise ValueError(f"n must be between 1 and the {m} answers to a prompt, got {n}")
    worse = (scores[:, None, :] < scores[:, :, None]).sum(2)  # (P, M)
    alike = (scores[:, None, :] == scores[:, :, None]).sum(2)  # itself included
    choices = torch.tensor([math.comb(k, n) for k in range(m + 1)], dtype=torch.float64)
    chance = (choices[worse + alike] - choices[worse]) / (choices[m] * alike)
    return (chance * values).sum(1)
