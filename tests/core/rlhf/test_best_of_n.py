"""Best-of-n: against a count of all choices, and its KL against a sum over all answers."""

import itertools
import math

import pytest
import torch

from core.rlhf.best_of_n import best_of_n, best_of_n_kl


def counted(scores: list[float], values: list[float], n: int) -> float:
    """The mean over all choices of n answers of what the best is worth, of several alike their mean."""
    found = []
    for chosen in itertools.combinations(range(len(scores)), n):
        top = max(scores[i] for i in chosen)
        alike = [values[i] for i in chosen if scores[i] == top]
        found.append(sum(alike) / len(alike))
    return sum(found) / len(found)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_it_is_the_mean_over_all_choices_also_where_answers_score_alike(n):
    scores = torch.tensor([[3.0, 1.0, 2.0, -5.0, 0.5, 9.0], [1.0, 0.0, 1.0, 1.0, 0.0, 0.0], [2.0] * 6])
    values = torch.tensor([[0.3, 0.9, 0.1, 0.7, 0.2, 0.4], [1.0, 0.0, 0.5, 0.2, 0.0, 0.3], [1.0, 0, 0, 0, 0, 0.5]])
    expected = [counted(*row, n) for row in zip(scores.tolist(), values.tolist(), strict=True)]
    assert best_of_n(scores, values, n).tolist() == pytest.approx(expected)


def test_it_cannot_choose_more_answers_than_there_are():
    with pytest.raises(ValueError, match="n must be between 1 and the 4 answers to a prompt, got 5"):
        best_of_n(torch.zeros(1, 4), torch.zeros(1, 4), 5)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_its_kl_is_that_of_the_largest_of_n_draws(n):
    """Answers by the rank of their scores, so many that few score alike: the best has rank r with r^n - (r - 1)^n."""
    ranks = 20_000
    best = [(r / ranks) ** n - ((r - 1) / ranks) ** n for r in range(1, ranks + 1)]
    kl = sum(p * math.log(p * ranks) for p in best if p)
    assert best_of_n_kl(n) == pytest.approx(kl, abs=2e-3)


def test_its_kl_is_the_most_that_it_can_be_where_only_two_rewards_are_told_apart():
    for n, likes in itertools.product((2, 4, 16), (0.05, 0.3, 0.9)):
        held = 1 - (1 - likes) ** n
        exact = held * math.log(held / likes) + (1 - held) * math.log((1 - held) / (1 - likes))
        assert exact <= best_of_n_kl(n)
