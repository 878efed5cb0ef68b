"""How likely a model finds an answer, against the whole distribution; and Bradley-Terry against numpy."""

import numpy as np
import pytest
import torch

from core.linear_cross_entropy import IGNORE_INDEX
from core.rlhf.logprobs import answer_logprobs, bradley_terry, token_logprobs


def test_log_probabilities_are_those_of_the_whole_distribution_and_zero_where_nothing_counts(model):
    inputs = torch.randint(300, (3, 8), generator=torch.Generator().manual_seed(0))
    targets = inputs.roll(-1, 1)
    targets[0, :5] = targets[1, 6:] = targets[2] = IGNORE_INDEX
    with torch.no_grad():
        found = token_logprobs(model, inputs, targets)
        whole = model(inputs)[0].log_softmax(-1)
    for row, position in np.ndindex(3, 8):
        target = targets[row, position]
        expected = 0.0 if target == IGNORE_INDEX else whole[row, position, target].item()
        assert found[row, position].item() == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(answer_logprobs(model, inputs, targets), found.sum(1))


def test_bradley_terry_and_its_gradient_against_numpy():
    margins, outcomes = np.array([-3.0, -0.5, 0.0, 2.0, 40.0]), np.array([1.0, 0.5, 0.9, 1.0, 0.5])
    win = 1 / (1 + np.exp(-margins))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = -(outcomes * np.log(win) + (1 - outcomes) * np.where(margins == 40, -margins, np.log(1 - win)))
    m = torch.tensor(margins, requires_grad=True)
    loss = bradley_terry(m, torch.tensor(outcomes))
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-9)
    loss.sum().backward()
    np.testing.assert_allclose(m.grad.numpy(), win - outcomes, atol=1e-12)


def test_of_a_tie_equal_scores_are_best():
    margins = torch.linspace(-2, 2, 41)
    losses = bradley_terry(margins, torch.full_like(margins, 0.5))
    assert losses.argmin() == 20 and losses[20].item() == pytest.approx(np.log(2))
