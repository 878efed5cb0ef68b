"""What GRPO and RLOO do in an iteration, and what lasts from one to the next; core/stages/grpo.py numbers the steps.

Shapes: N answers, R rewards.
"""

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.chat_template import question
from core.checkpoint import read_tensors, write_tensors
from core.datasets.conversations import collate
from core.generate import Sampling
from core.length_buckets import Buckets
from core.model import GPT
from core.rlhf.group_rollouts import GroupRollouts
from core.rlhf.grpo import RLOO, GroupConfig, group_advantages, loss_weights
from core.rlhf.logprobs import token_logprobs
from core.rlhf.reward_functions import Rewards
from core.rlhf.rollouts import Response, generate_responses, shuffled_rows
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig

log = logging.getLogger(__name__)
SHOWN = 2  # groups of the moment that are kept for the page
STATE_FILE = "grpo.safetensors"  # beside a saved step: the answers being learned from


def write(
    gpt: GPT, tokenizer: Tokenizer, prompts: Sequence[list[int]], config: GroupConfig, seed: int
) -> list[Response]:
    """The answers of `gpt`, as they are rewarded."""
    sampling = Sampling(max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=1.0, seed=seed)
    return generate_responses(gpt, tokenizer, prompts, sampling)


def texts(tokenizer: Tokenizer, responses: Sequence[Response]) -> tuple[list[str], list[str]]:
    """(prompts, answers)."""
    prompts = [question(tokenizer, response.prompt) for response in responses]
    return prompts, [tokenizer.decode(response.answer) for response in responses]


class GroupTraining:
    """Roll out, reward, compare, learn. prompts: as tokens, those that leave room for an answer."""

    def __init__(
        self,
        config: GroupConfig,
        fit: FitConfig,
        policy: GPT,
        reference: GPT,
        tokenizer: Tokenizer,
        prompts: Sequence[list[int]],
        rewards: Rewards,
    ):
        self.config, self.fit, self.policy, self.reference = config, fit, policy, reference
        self.tokenizer, self.prompts, self.rewards = tokenizer, prompts, rewards
        self.order = Buckets([len(ids) for ids in prompts], config.prompts, fit.seed)
        self.steps_an_iteration = config.rollouts * config.grpo_epochs // fit.batch_size
        self.rollouts: GroupRollouts | None = None

    def batches(self, step: int) -> GroupRollouts | None:
        """What is learned from in `step`, as the policy is now; None if it has gone too far."""
        config = self.config
        iteration, position = divmod(step, self.steps_an_iteration)
        if position == 0:
            self.rollouts = self.roll_out(iteration)
            if config.kl_stop and (moved := self.rollouts.mean_kl()) > config.kl_stop:
                log.info("the policy has moved by %.1f nats a response, further than kl_stop: the end", moved)
                return None
        assert self.rollouts is not None  # made at the iteration's first step, or read with the saved step
        rows = shuffled_rows(self.rollouts, step, self.fit.batch_size, self.fit.seed)
        return replace(rows, weights=loss_weights(rows.mask, config))

    def asked(self, iteration: int) -> list[list[int]]:
        """The prompts of an iteration, each as often as it is answered."""
        return [self.prompts[i] for i in self.order(iteration) for _ in range(self.config.group_size)]

    def reward(self, prompts: Sequence[str], answers: Sequence[str], ended: Tensor) -> tuple[Tensor, Tensor]:
        """(each reward (N, R), what an answer gets in all (N,)). ended: (N,). ValueError names a reward that failed."""
        parts = self.rewards(prompts, answers)
        return parts, self.rewards.total(parts) - self.config.missing_eos_penalty * ~ended

    def reward_responses(self, responses: Sequence[Response]) -> tuple[Tensor, Tensor]:
        ended = torch.tensor([response.ended for response in responses])
        return self.reward(*texts(self.tokenizer, responses), ended)

    def roll_out(self, iteration: int) -> GroupRollouts:
        """Let the policy answer the prompts of this iteration, a function of the seed and its weights."""
        config, policy = self.config, self.policy.eval()
        seed = int(np.random.default_rng((self.fit.seed, iteration)).integers(2**40))
        responses = write(policy, self.tokenizer, self.asked(iteration), config, seed)
        both = collate([response.example for response in responses]).to(policy.device)
        with torch.no_grad():
            logprobs, reference = (
                token_logprobs(model, both.inputs, both.targets, config.temperature)
                for model in (policy, self.reference.eval())
            )
        parts, rewards = self.reward_responses(responses)
        compared = rewards
        if config.estimator == RLOO:  # r(x, y) - kl_coef log(pi(y|x) / ref(y|x)): Ahmadian et al. 2024, equation 3
            compared = rewards - config.kl_coef * (logprobs - reference).sum(1).cpu()
        grouped = compared.view(-1, config.group_size)
        return GroupRollouts(
            inputs=both.inputs,
            targets=both.targets,
            logprobs=logprobs,
            reference=reference,
            advantages=group_advantages(grouped, config).flatten(),
            parts=parts,
            rewards=rewards,
            ended=torch.tensor([response.ended for response in responses]),
            weights=torch.ones(len(responses)),
        ).to(policy.device)

    # --- what is told of it, and kept --------------------------------------------------------------------------

    def after_step(self, steps: int) -> dict[str, float]:
        """At the end of an iteration its metrics."""
        if steps % self.steps_an_iteration:
            return {}
        assert self.rollouts is not None
        return self.rollouts.metrics(self.rewards.names, self.config.group_size)

    def details(self) -> dict[str, Any]:
        """Some groups of the moment, token by token."""
        if self.rollouts is None:
            return {"groups": []}
        return {"groups": self.rollouts.describe(self.rewards.names, self.config.group_size, SHOWN, self.tokenizer)}

    def save_state(self, directory: Path) -> None:
        """The answers being learned from, with which the next step is the one that would have come."""
        assert self.rollouts is not None  # a step has been taken
        tensors = {f.name: getattr(self.rollouts, f.name) for f in fields(self.rollouts)}
        write_tensors(directory / STATE_FILE, {name: t.detach().cpu().contiguous() for name, t in tensors.items()})

    def load_state(self, directory: Path) -> None:
        tensors = read_tensors(directory / STATE_FILE)
        self.rollouts = GroupRollouts(**{f.name: tensors[f.name] for f in fields(GroupRollouts)}).to(self.policy.device)
