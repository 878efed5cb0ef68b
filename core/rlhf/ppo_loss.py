"""PPO's arithmetic on texts: rewards per token, GAE's advantages, and the two clipped losses.

Schulman et al. 2017, arXiv:1707.06347; for language models Ziegler et al. 2019, arXiv:1909.08593, and Ouyang et al.
2022, arXiv:2203.02155; details as collected by Huang et al. 2024, arXiv:2403.17031.

Shapes: N texts, T predictions. Everything per token is (N, T) at the position that PREDICTS the token, and `mask` says
where that is a token of the answer: one stretch in each row. Elsewhere the values mean nothing.
"""

import torch
from torch import Tensor

from core.rlhf.policy import Policy
from core.rlhf.rollouts import Rollouts
from core.training.loop import Summed


def per_token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """(N, T): at every token a price for being unlike the reference, at the last one also the score of the answer.

    R = r(x, y) - kl_coef log(pi(y|x) / ref(y|x)), Ziegler et al. 2019, equation 2, with the second term token by
    token. scores: (N,). kl: log pi - log ref of each token that was drawn, in nats.
    """
    last = mask.shape[1] - 1 - mask.int().flip(1).argmax(1)  # of each row
    rewards = -kl_coef * kl * mask
    return rewards.scatter_add(1, last[:, None], scores[:, None])


def compute_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates, (N, T): how much better than expected it went from each token on.

        delta_t = r_t + gamma V_(t+1) - V_t          A_t = delta_t + gamma lam A_(t+1)

    Schulman et al. 2016, arXiv:1506.02438, equation 16. After the last token of an answer nothing comes: V and A are 0.
    """
    estimates = torch.zeros_like(rewards)
    after = next_value = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        after = (delta + gamma * lam * after) * mask[:, t]
        next_value = values[:, t] * mask[:, t]
        estimates[:, t] = after
    return estimates


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """x with mean 0 and variance 1 (the unbiased one, as TRL) over the mask, and 0 elsewhere."""
    chosen = x[mask]
    return (x - chosen.mean()) * torch.rsqrt(chosen.var() + 1e-8) * mask


def policy_losses(change: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """max(-A ratio, -A clip(ratio)) of each action, any shape: Schulman et al. 2017, equation 7.

    ratio = pi / pi_old of the action, of which `change` is the logarithm. Below 1 - clip_low and above 1 + clip_high
    nothing is gained by moving on in the same direction; that the two differ is clip-higher, Yu et al. 2025,
    arXiv:2503.14476, equation 10.
    """
    ratio = change.exp()
    return torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - clip_low, 1 + clip_high))


def value_losses(values: Tensor, old: Tensor, returns: Tensor, clip_range: float) -> Tensor:
    """Half the squared error of each expectation, any shape, which may move from `old` by clip_range at most.

    The larger of the clipped and the unclipped error, as in Huang et al. 2024, detail "value function loss clipping".
    """
    clipped = old + (values - old).clamp(-clip_range, clip_range)
    return 0.5 * torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)


def ppo_loss(policy: Policy, rows: Rollouts, clip_range: float, value_clip_range: float, vf_coef: float) -> Summed:
    """Both losses, summed over the answers' tokens, and TRL's metrics. vf_coef: weight of the value head's loss."""
    mask = rows.mask
    logprobs, values = policy(rows.inputs, rows.targets)
    new, old = logprobs[mask], rows.logprobs[mask]
    policy_loss = policy_losses(new - old, rows.advantages[mask], clip_range, clip_range)
    value_loss = value_losses(values[mask], rows.values[mask], rows.returns[mask], value_clip_range)
    change = (new - old).detach()
    ratio = change.exp()
    metrics = {
        "loss/policy": policy_loss,
        "loss/value": value_loss,
        "policy/clipfrac": ((ratio - 1).abs() > clip_range).float(),
        "policy/approxkl": 0.5 * change**2,  # Schulman 2020, joschu.net/blog/kl-approx.html
        "val/ratio": ratio,
    }
    total = policy_loss.sum() + vf_coef * value_loss.sum()
    return Summed(total, {name: value.sum() for name, value in metrics.items()})


def updated_kl_coef(kl_coef: float, kl: float, target: float) -> float:
    """The coefficient with which the next answers are rated, so that `kl` (nats an answer) comes to the target.

    e = clip(kl / target - 1, -0.2, 0.2), coefficient (1 + 0.1 e): Ziegler et al. 2019, section 2.2. A target of 0
    leaves the coefficient as it is.
    """
    if not target:
        return kl_coef
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + 0.1 * error)
