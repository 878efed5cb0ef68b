"""The arithmetic of groups against TRL's formulas worked in numpy, and against cases worked by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from core.rlhf import grpo
from core.rlhf.group_rollouts import GroupRollouts, all_alike
from core.rlhf.grpo import GroupConfig, group_advantages, group_loss, k3, loss_weights

REWARDS = np.array([[1.0, 0.0, 0.0, 2.0], [0.5, 0.5, 0.5, 0.5], [-1.0, 3.0, 0.0, 0.25]])
# Four answers of 3, 1, 4 and 2 tokens, behind a prediction that does not count.
MASK = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 0, 0]], dtype=bool)
ADVANTAGES = np.array([0.7, -1.2, 0.4, -0.1])


def config(**changes) -> GroupConfig:
    return GroupConfig(**{"max_new_tokens": 6, "clip_range": 0.2, "clip_range_high": 0.28, **changes})


@pytest.mark.parametrize("scale", [True, False])
def test_advantages_are_trls(scale):
    """`rewards - mean`, over `std + 1e-4` with the unbiased std of the group: scale_rewards "group" and "none"."""
    expected = REWARDS - REWARDS.mean(1, keepdims=True)
    if scale:
        expected = expected / (REWARDS.std(1, ddof=1, keepdims=True) + 1e-4)
    found = group_advantages(torch.tensor(REWARDS), config(scale_rewards=scale))
    np.testing.assert_allclose(found.numpy(), expected)
    assert not found[1].any(), "a group all alike teaches nothing"
    assert all_alike(torch.tensor(REWARDS)).tolist() == [False, True, False]


def test_leave_one_out_is_trls_and_of_two_it_is_their_difference():
    others = (REWARDS.sum(1, keepdims=True) - REWARDS) / 3
    found = group_advantages(torch.tensor(REWARDS), config(estimator="rloo"))
    np.testing.assert_allclose(found.numpy(), REWARDS - others)
    pairs = torch.tensor([[3.0, 1.0], [0.0, 0.5]])  # by hand: 3 - 1 and 1 - 3; 0 - 0.5 and 0.5 - 0
    assert group_advantages(pairs, config(estimator="rloo")).tolist() == [[2.0, -2.0], [-0.5, 0.5]]


def test_the_estimate_of_kl_is_never_negative_and_zero_where_nothing_has_moved():
    ours, theirs = torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.0, -1.0, -2.5])
    expected = np.exp([0.0, 1.0, -2.0]) - np.array([0.0, 1.0, -2.0]) - 1
    np.testing.assert_allclose(k3(ours, theirs).numpy(), expected, rtol=1e-5)


def rows(rng: np.random.Generator) -> tuple[GroupRollouts, np.ndarray]:
    """Answers with these masks and advantages, and log-probabilities of the policy as it is now."""
    shape = MASK.shape
    old, reference, new = (np.where(MASK, rng.normal(-2, 0.4, shape), 0.0) for _ in range(3))
    targets = torch.tensor(np.where(MASK, 5, -100))
    four = torch.zeros(4)
    tensors = [torch.tensor(x) for x in (old, reference, ADVANTAGES)]
    return GroupRollouts(torch.zeros(shape, dtype=torch.long), targets, *tensors, four[:, None], four, four, four), new


def expected_loss(batch: GroupRollouts, new: np.ndarray, c: GroupConfig) -> tuple[float, np.ndarray]:
    """The loss as TRL 1.16's GRPOTrainer and RLOOTrainer sum it up, and its gradient by each log-probability."""
    old, reference = batch.logprobs.numpy(), batch.reference.numpy()
    n, lengths = len(MASK), MASK.sum(1, keepdims=True)
    rloo = c.estimator == "rloo"
    change = ((new - old) * MASK).sum(1, keepdims=True) if rloo else new - old
    ratio, gain = np.exp(change), ADVANTAGES[:, None]
    clipped = np.clip(ratio, 1 - c.clip_range, 1 + c.clip_range_high)
    loss = -np.minimum(ratio * gain, clipped * gain)
    slope = -gain * ratio * (ratio * gain <= clipped * gain)
    if rloo:
        return float(loss.mean()), slope * MASK / n
    k3 = np.exp(reference - new) - (reference - new) - 1
    loss = loss + c.kl_coef * k3 * ratio  # use_bias_correction_kl
    slope = slope + c.kl_coef * ratio * (k3 + 1 - np.exp(reference - new))
    weight = {
        "grpo": 1 / (n * lengths),
        "dapo": np.full_like(lengths, 1, dtype=float) / MASK.sum(),
        "dr_grpo": np.full_like(lengths, 1, dtype=float) / (n * c.max_new_tokens),
    }[c.loss_type]
    return float((loss * MASK * weight).sum()), slope * MASK * weight


@pytest.mark.parametrize(
    "changes",
    [
        *({"loss_type": kind, "kl_coef": kl} for kind in ("grpo", "dapo", "dr_grpo") for kl in (0.0, 0.1)),
        {"estimator": "rloo"},
    ],
)
def test_losses_gradients_and_shares_of_what_was_clipped_are_trls(changes, monkeypatch):
    c = config(**changes)
    batch, new = rows(np.random.default_rng(0))
    batch = dataclasses.replace(batch, weights=loss_weights(batch.mask, c))
    logprobs = torch.tensor(new, requires_grad=True)
    monkeypatch.setattr(grpo, "logprobs_and_entropy", lambda *_: (logprobs, torch.tensor(MASK * 1.5)))
    loss, metrics = group_loss(None, batch, c)
    loss = loss / batch.n_targets
    expected, gradient = expected_loss(batch, new, c)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    np.testing.assert_allclose(logprobs.grad.numpy() * MASK, gradient, atol=1e-9)
    means = {name: value.item() / batch.n_targets for name, value in metrics.items()}
    assert means["entropy"] == pytest.approx(1.5)
    change = new - batch.logprobs.numpy()
    if c.estimator == "rloo":
        change = (change * MASK).sum(1, keepdims=True)
    ratio, counts = np.exp(change), np.ones_like(change) if c.estimator == "rloo" else MASK
    low = (ratio < 1 - c.clip_range) & (ADVANTAGES[:, None] < 0)
    high = (ratio > 1 + c.clip_range_high) & (ADVANTAGES[:, None] > 0)
    assert means["clip_ratio/low_mean"] == pytest.approx((low * counts).sum() / counts.sum())
    assert means["clip_ratio/high_mean"] == pytest.approx((high * counts).sum() / counts.sum())
    assert means["clip_ratio/region_mean"] == pytest.approx(((low | high) * counts).sum() / counts.sum())
    assert (low | high).any(), "the case says nothing of clipping"


def test_micro_batches_give_the_same_loss():
    c = config(loss_type="grpo")
    batch, _ = rows(np.random.default_rng(1))
    weights = loss_weights(batch.mask, c)
    parts = [float((weights[i] * torch.tensor(MASK[i]).sum()) / batch.n_targets) for i in range(4)]
    assert parts == pytest.approx([0.25] * 4), "every answer counts alike, however long"
