"""PPO's arithmetic against numbers worked by hand."""

import pytest
import torch

from core.rlhf.ppo_loss import compute_gae, per_token_rewards, policy_losses, updated_kl_coef, value_losses, whiten

# Two answers of three tokens and of two, after prompts of different lengths.
MASK = torch.tensor([[0, 1, 1, 1], [1, 1, 0, 0]]).bool()


def test_every_token_pays_for_its_kl_and_the_last_one_gets_the_score():
    kl = torch.tensor([[9.0, 0.5, -1.0, 2.0], [1.0, 3.0, 9.0, 9.0]])
    rewards = per_token_rewards(torch.tensor([5.0, -2.0]), kl, MASK, kl_coef=0.1)
    torch.testing.assert_close(rewards, torch.tensor([[0.0, -0.05, 0.1, 4.8], [-0.1, -2.3, 0.0, 0.0]]))


def test_generalised_advantages_by_hand():
    rewards = torch.tensor([[0.0, 1.0, 0.0, 2.0], [0.5, 1.0, 0.0, 0.0]])
    values = torch.tensor([[7.0, 0.5, 1.0, 1.5], [0.2, 0.4, 7.0, 7.0]])
    # gamma 0.9, lambda 0.5. First answer, from its end: 2 - 1.5 = 0.5; 0 + 0.9 * 1.5 - 1 + 0.45 * 0.5 = 0.575;
    # 1 + 0.9 * 1 - 0.5 + 0.45 * 0.575 = 1.65875. Second: 1 - 0.4 = 0.6; 0.5 + 0.9 * 0.4 - 0.2 + 0.45 * 0.6 = 0.93.
    expected = torch.tensor([[0.0, 1.65875, 0.575, 0.5], [0.93, 0.6, 0.0, 0.0]])
    torch.testing.assert_close(compute_gae(rewards, values, MASK, gamma=0.9, lam=0.5), expected)


def test_with_lambda_1_and_no_discount_an_advantage_is_all_that_comes_less_what_was_expected():
    rewards, values = torch.randn(2, 4) * MASK, torch.randn(2, 4)
    to_come = (rewards.flip(1).cumsum(1).flip(1) - values) * MASK
    torch.testing.assert_close(compute_gae(rewards, values, MASK, 1.0, 1.0), to_come)


def test_whitening_is_over_the_answers_alone():
    x = torch.tensor([[100.0, 1.0, 2.0, 3.0], [4.0, 5.0, 100.0, 100.0]])
    white = whiten(x, MASK)
    assert white[MASK].mean().item() == pytest.approx(0, abs=1e-6)
    assert white[MASK].var().item() == pytest.approx(1, abs=1e-5)  # the unbiased one
    assert not white[~MASK].any()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.0, 2.0, -2.0, True),
        (1.1, 2.0, -2.2, True),
        (1.5, 2.0, -2.4, False),  # likelier than 1.2 times: nothing more is gained
        (0.5, 2.0, -1.0, True),  # a good token that became unlikely may come back
        (0.5, -2.0, 1.6, False),  # unlikelier than 0.8 times: nothing more is gained
        (1.5, -2.0, 3.0, True),
    ],
)
def test_the_policy_loss_is_clipped_where_moving_on_would_gain(ratio, advantage, loss, moves):
    new = torch.tensor(ratio).log().requires_grad_()
    found = policy_losses(new, torch.tensor(advantage), 0.2, 0.2)
    assert found.item() == pytest.approx(loss, rel=1e-5)
    found.backward()
    assert bool(new.grad) == moves


@pytest.mark.parametrize(("value", "loss"), [(1.1, 0.5 * 0.9**2), (1.9, 0.5 * 0.8**2), (0.0, 0.5 * 2.0**2)])
def test_the_value_loss_takes_the_larger_of_the_clipped_and_the_unclipped_error(value, loss):
    found = value_losses(torch.tensor(value), torch.tensor(1.0), torch.tensor(2.0), clip_range=0.2)
    assert found.item() == pytest.approx(loss, rel=1e-5)


def test_the_price_rises_while_the_policy_is_too_far_away_and_sinks_while_it_is_near():
    assert updated_kl_coef(0.1, kl=6.6, target=6.0) == pytest.approx(0.1 * 1.01)
    assert updated_kl_coef(0.1, kl=60.0, target=6.0) == pytest.approx(0.1 * 1.02)  # never by more than a fiftieth
    assert updated_kl_coef(0.1, kl=0.0, target=6.0) == pytest.approx(0.1 * 0.98)
    assert updated_kl_coef(0.1, kl=60.0, target=0.0) == 0.1
