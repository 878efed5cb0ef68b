"""The arithmetic of groups: GRPO and RLOO, where an answer is measured against the others to the same prompt.

GRPO: Shao et al. 2024, arXiv:2402.03300; without the divisions by the standard deviation and by length Liu et al. 2025,
arXiv:2503.20783; clip-higher and the loss by token Yu et al. 2025, arXiv:2503.14476. RLOO: Ahmadian et al. 2024,
arXiv:2402.14740.

Shapes: P prompts, G answers to each, N = P G answers, T predictions. Everything per token is (N, T) at the position
that predicts the token, and `mask` says where that is a token of the answer. Elsewhere the values mean nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.config import Config, setting
from core.model import GPT
from core.rlhf.group_rollouts import GroupRollouts
from core.rlhf.logprobs import logprobs_and_entropy
from core.rlhf.ppo_loss import policy_losses
from core.training.loop import Summed

# What an answer is measured against, and how tokens are averaged: TRL's names.
GRPO = "grpo"
RLOO = "rloo"
BY_ANSWER = GRPO
BY_TOKEN = "dapo"
BY_CONSTANT = "dr_grpo"
EPSILON = 1e-4  # TRL's, beside a standard deviation


@dataclass(frozen=True)
class GroupConfig(Config):
    """How answers are compared, and learned from."""

    group_size: int = setting(
        8, "Answers to each prompt, which are measured against each other", low=2, high=1024, fixed=True
    )
    rollouts: int = setting(128, "Answers written before they are learned from", low=2, high=100_000, fixed=True)
    grpo_epochs: int = setting(
        1, "Passes over these answers; more learn more from each, and are held by clipping", low=1, high=100, fixed=True
    )
    max_new_tokens: int = setting(48, "Longest answer, in tokens", low=2, high=100_000, fixed=True)
    temperature: float = setting(
        1.0, "At which answers are drawn, and probabilities are meant", low=0.1, high=5.0, fixed=True
    )
    missing_eos_penalty: float = setting(
        0.5, "Taken off the reward of an answer that did not end in time", low=0.0, fixed=True
    )
    estimator: str = setting(
        GRPO,
        "grpo: an answer is measured against the mean of its group, token by token; rloo: against the mean of the "
        "others, as a whole",
        choices=(GRPO, RLOO),
        fixed=True,
    )
    scale_rewards: bool = setting(
        True,
        "grpo: divide by the group's standard deviation, so that a group that nearly agrees counts as much as any; "
        "off as in Dr. GRPO",
        fixed=True,
    )
    loss_type: str = setting(
        BY_TOKEN,
        "grpo: every answer counts alike, so that tokens of long ones count less; dapo: every token counts alike; "
        "dr_grpo: the same, divided by a constant",
        choices=(BY_ANSWER, BY_TOKEN, BY_CONSTANT),
        fixed=True,
    )
    clip_range: float = setting(
        0.2, "Farthest useful fall of a probability in an iteration, as a share", low=0.01, high=1.0, fixed=True
    )
    clip_range_high: float = setting(
        0.28,
        "Farthest useful rise; above clip_range, unlikely tokens get room to become likely (clip-higher)",
        low=0.01,
        high=10.0,
        fixed=True,
    )
    kl_coef: float = setting(
        0.0,
        "Penalty per nat of KL from the parent; 0 = none, as a reward that is counted cannot be pleased by nonsense",
        low=0.0,
        high=100.0,
        fixed=True,
        title="KL penalty",
    )
    kl_stop: float = setting(
        20.0, "End when the policy has moved further than this, in nats a response. 0 = never", low=0.0, fixed=True
    )

    @property
    def prompts(self) -> int:
        """In an iteration."""
        return self.rollouts // self.group_size


def group_advantages(rewards: Tensor, config: GroupConfig) -> Tensor:
    """(P, G): how much better each answer is than its group. rewards: (P, G), G at least 2.

    grpo    A_i = r_i - mean(r), divided by std(r) if `scale_rewards`: Shao et al. 2024, section 4.1.2; without the
            division Liu et al. 2025, section 3.2. std is the unbiased one, as TRL.
    rloo    A_i = r_i - mean of the other G - 1: Ahmadian et al. 2024, section 2.2.1.
    """
    if config.estimator == RLOO:
        others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
        return rewards - others
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + EPSILON) if config.scale_rewards else centred


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) of each token that was drawn, any shape, in nats: never negative.

    ref / pi - log(ref / pi) - 1: Shao et al. 2024, equation 4; Schulman 2020, joschu.net/blog/kl-approx.html.
    """
    ratio = reference - logprobs
    return ratio.exp() - ratio - 1


def loss_weights(mask: Tensor, config: GroupConfig) -> Tensor:
    """(N,): with which each answer's token losses count among those that are learned from at once.

    The loop divides their sum by the number of all tokens, so a weight is that number times
    grpo       1 / (N length): mean over an answer's tokens, then over answers, Shao et al. 2024, equation 3
    dapo       1 / (all tokens): each token counts alike, Yu et al. 2025, equation 8
    dr_grpo    1 / (N longest): a constant, whatever the answer's length, Liu et al. 2025, section 3.2
    With rloo an answer is one action: 1 / N.
    """
    lengths = mask.sum(1).float()
    answers = torch.full_like(lengths, len(mask))
    if config.estimator == RLOO:
        return lengths.sum() / answers
    if config.loss_type == BY_TOKEN:
        return torch.ones_like(lengths)
    return lengths.sum() / (answers * (lengths if config.loss_type == BY_ANSWER else config.max_new_tokens))


def group_loss(gpt: GPT, rows: GroupRollouts, config: GroupConfig) -> Summed:
    """Summed over the answers' tokens, with TRL's metrics; `rows.weights` makes an average of it."""
    mask, advantages = rows.mask, rows.advantages[:, None]
    logprobs, entropy = logprobs_and_entropy(gpt, rows.inputs, rows.targets, config.temperature)
    change = logprobs - rows.logprobs  # (N, T), 0 where nothing counts
    # Times the ratio, so that the gradient is that of KL: DeepSeek-AI 2025, arXiv:2512.02556, section 3.1; as TRL.
    kl = k3(logprobs, rows.reference) * change.exp()
    if config.estimator == RLOO:  # an answer is one action, and KL is part of its reward: REINFORCE
        change, counts = change.sum(1, keepdim=True), rows.weights[:, None]  # (N, 1)
    else:
        counts = mask.float()
    losses = policy_losses(change, advantages, config.clip_range, config.clip_range_high)
    if config.estimator == RLOO:
        total = (losses * counts).sum()
    else:  # Shao et al. 2024, equation 3
        total = ((losses + config.kl_coef * kl) * counts * rows.weights[:, None]).sum()
    ratio = change.detach().exp()
    low = ((ratio < 1 - config.clip_range) & (advantages < 0)) * counts
    high = ((ratio > 1 + config.clip_range_high) & (advantages > 0)) * counts
    metrics = {
        "kl": kl.detach() * mask,
        "entropy": entropy,
        "clip_ratio/low_mean": low,
        "clip_ratio/high_mean": high,
        "clip_ratio/region_mean": low + high,
    }
    return Summed(total, {name: value.sum() for name, value in metrics.items()})
