"""Proximal policy optimisation on a reward model's scores: the policy writes, and learns from how that is rated.

    1  roll out   the policy answers prompts (KV cache, many side by side)
    2  rate       the reward model scores the answers; each token pays for being unlike the reference
    3  estimate   advantages: how much better than the value head expected it went from each token on
    4  learn      a few passes over these answers, in which no token's probability may change by much
    5  adapt      the price, so that the policy stays as near to the reference as was asked; then again

Ziegler et al. 2019, arXiv:1909.08593; Ouyang et al. 2022, arXiv:2203.02155, section 3.5; the details are those of Huang
et al. 2024, arXiv:2403.17031. The arithmetic of steps 2 to 5 is in core/rlhf/ppo_loss.py. As in Ziegler et al.
policy and value share the transformer, and scores are normalised to mean 0 and variance 1 on the reference's answers.

Shapes: N answers, T tokens; per token (N, T) at the position that predicts it, see core.rlhf.rollouts.Rollouts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import checkpoint, lora
from core.chat_template import answer_end, question
from core.checkpoint import Card, read_tensors, write_tensors
from core.classifier import SequenceClassifier
from core.config import Config, setting
from core.datasets.conversations import collate
from core.datasets.preference_files import prompt_messages
from core.datasets.preview import Preview
from core.datasets.prompts import (
    OF_OWN_PROMPTS,
    PLAYS,
    learned_and_measured_prompts,
    learning_prompts,
    preview_prompts,
    read_prompts,
)
from core.diagnostics.rlhf_rules import PPO_RULES
from core.diagnostics.verdict import ppo_verdict
from core.evaluation.held_out_answers import held_out_answers
from core.evaluation.instructions import replies
from core.evaluation.preferences import response_kl, reward_scores_of_ids
from core.generate import Sampling
from core.length_buckets import Buckets
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.rlhf import on_policy
from core.rlhf.logprobs import token_logprobs
from core.rlhf.policy import Policy
from core.rlhf.ppo_loss import compute_gae, per_token_rewards, ppo_loss, updated_kl_coef, whiten
from core.rlhf.rewards import NormalizedReward, read_reward_model
from core.rlhf.rollouts import Response, Rollouts, generate_responses, shuffled_rows
from core.roots import shipped
from core.stages.base import AgainstKL, Stage
from core.stages.metrics import KL_HELD_OUT, KL_ROLLOUTS, POLICY_LOSSES, ROLLOUT_METRICS
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig, language_model, reference_model
from core.training.loop import FitConfig, Summed
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
COUNTED_PROMPTS = 200  # of the plays, before a training: enough to tell how long they are
SHOWN = 6  # answers of the moment that are kept for the page
STATE_FILE = "ppo.safetensors"  # beside a saved step: the value head, the answers being learned from, the price
RECIPE: dict[str, Any] = dict(max_steps=120, batch_size=32, learning_rate=1e-4, warmup_steps=8, optimizer="adamw")
RECIPE |= dict(weight_decay=0.0, beta2=0.95, eval_interval=20, save_interval=20, keep_steps=1, snapshots=0)
RECIPE |= dict(save_dtype="float16")


@dataclass(frozen=True)
class PPOConfig(Config):
    """Everything that decides what a PPO run makes."""

    reward_model: str = setting(
        "",
        "The reward model that rates the answers, of the same vocabulary as the parent",
        refers="reward model",
        fixed=True,
    )
    prompts: str = setting(
        PLAYS, "plays = lines from Shakespeare; or a .txt or .jsonl file of prompts", refers="corpus", fixed=True
    )
    rollouts: int = setting(64, "Answers written before they are learned from", low=2, high=100_000, fixed=True)
    ppo_epochs: int = setting(2, "Passes over these answers", low=1, high=100, fixed=True)
    max_new_tokens: int = setting(48, "Longest answer, in tokens", low=2, high=100_000, fixed=True)
    temperature: float = setting(
        1.0, "At which answers are drawn, and probabilities are meant", low=0.1, high=5.0, fixed=True
    )
    missing_eos_penalty: float = setting(
        1.0, "Taken off the score of an answer that did not end in time", low=0.0, fixed=True
    )
    kl_coef: float = setting(
        0.2, "Penalty per nat of KL from the reference", low=0.0, high=100.0, fixed=True, title="KL penalty"
    )
    kl_target: float = setting(
        3.0,
        "Nats a response at which the policy should stay: the price adapts. 0 = a fixed price",
        low=0.0,
        fixed=True,
    )
    kl_stop: float = setting(
        12.0, "End when the policy has moved further than this, in nats a response. 0 = never", fixed=True
    )
    gamma: float = setting(1.0, "Discount of later rewards", low=0.0, high=1.0, fixed=True)
    lam: float = setting(0.95, "GAE: 1 trusts the rewards, 0 the value head", low=0.0, high=1.0, fixed=True)
    clip_range: float = setting(
        0.2, "Farthest useful change of a token's probability, as a share", low=0.01, high=10.0, fixed=True
    )
    value_clip_range: float = setting(
        0.2, "Farthest useful change of an expected reward", low=0.01, high=100.0, fixed=True
    )
    vf_coef: float = setting(0.1, "Weight of the value head's loss", low=0.0, high=100.0, fixed=True)
    sample_prompt: str = setting("What say you, my lord?", "What the model is asked at each evaluation")
    adapt: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(parent=shipped("bard-chat")))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))

    def __post_init__(self) -> None:
        super().__post_init__()
        on_policy.check("PPO", self.rollouts, {"batch_size": self.fit.batch_size}, self.adapt, self.fit)

    @property
    def steps_an_iteration(self) -> int:
        return self.rollouts * self.ppo_epochs // self.fit.batch_size


def prepare(config: PPOConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The optimisation that `config` describes, from its parent or from a saved step."""
    fit, parent = config.fit, Path(config.adapt.parent)
    say(f"reading the model {parent}")
    start = language_model(config.adapt, saved, device, fit.seed)
    tokenizer = start.tokenizer
    reference, digest = reference_model(config.adapt, saved, device)
    reward_model = read_reward_model(config.reward_model, tokenizer, device).model
    say(f"reading the prompts: {config.prompts}")
    learned, measured = learned_and_measured_prompts(config.prompts, config.fit.seed)
    room = config.max_new_tokens, start.model.config.block_size
    fitting, held_out = on_policy.encode_prompts(tokenizer, learned, measured, *room)
    say("rating the reference's answers")
    policy = Policy(start.model, config.temperature)
    ppo = PPO(config, policy, reference, reward_model, tokenizer, fitting)
    if saved:
        ppo.load_state(saved)

    asked = [prompt_messages(question(tokenizer, ids)) for ids in held_out]  # those that leave room

    def evaluate(policy: Policy) -> dict[str, float]:
        moved = response_kl(
            policy.gpt, reference, tokenizer, asked, fit.seed, config.max_new_tokens, config.temperature
        )
        written = ppo.write(policy.gpt, held_out, seed=0)
        return {"kl/val": moved, "score/val": ppo.scores(written).mean().item(), "n/prompts": len(held_out)}

    def details(policy: Policy, step: int) -> dict[str, Any]:
        answers = held_out_answers(policy.gpt, tokenizer, asked)
        responses = [
            Response(ids, tokenizer.encode(answer["text"]) + [ppo.end] * answer["ended"], answer["ended"])
            for ids, answer in zip(held_out, answers, strict=True)
        ]
        scores = ppo.scores(responses).tolist()
        return ppo.details() | {"answers": [a | {"score": score} for a, score in zip(answers, scores, strict=True)]}

    def sample(policy: Policy) -> dict[str, str]:
        answer = replies(policy.gpt, tokenizer, [config.sample_prompt])[0]
        return {"prompt": f"{config.sample_prompt}\n\n", "text": answer}

    data = {"prompts": config.prompts, "parent_sha256": digest, "reward_model": Path(config.reward_model).name}
    data |= {"reward_sha256": checkpoint.weights_digest(Path(config.reward_model).expanduser())}
    card = Card("ppo", parent.name, config=config.to_dict(), data=data)
    return Job(
        model=policy,
        tokenizer=tokenizer,
        batches=ppo.batches,
        loss_fn=ppo.loss,
        config=fit,
        card=card,
        evaluate=evaluate,
        sample=sample,
        details=details,
        to_checkpoint_model=lambda policy: lora.merge_adapters(policy.gpt),
        save_state=ppo.save_state,
        prefetch=False,
        after_step=ppo.adapt,
    )


class PPO:
    """The five steps, and what lasts from one iteration to the next."""

    def __init__(
        self,
        config: PPOConfig,
        policy: Policy,
        reference: GPT,
        reward_model: SequenceClassifier,
        tokenizer: Tokenizer,
        prompts: Sequence[list[int]],
    ):
        self.config, self.policy, self.reference = config, policy, reference
        self.tokenizer, self.prompts = tokenizer, prompts
        self.order = Buckets([len(ids) for ids in prompts], config.rollouts, config.fit.seed)
        self.kl_coef = config.kl_coef
        score = partial(reward_scores_of_ids, reward_model)
        self.end = answer_end(tokenizer)
        of_reference = self.write(reference, self.asked(0), config.fit.seed)
        self.reward = NormalizedReward(score, [response.rated(self.end) for response in of_reference])
        self.rollouts: Rollouts | None = None

    def batches(self, step: int) -> Rollouts | None:
        """What is learned from in `step`, as the policy is now; None if it has gone too far."""
        iteration, position = divmod(step, self.config.steps_an_iteration)
        if position == 0:
            self.rollouts = self.roll_out(iteration)
            if self.config.kl_stop and (moved := self.rollouts.mean_kl()) > self.config.kl_stop:
                log.info("the policy has moved by %.1f nats a response, further than kl_stop: the end", moved)
                return None
        return self.minibatch(step)

    # --- 1, 2, 3: answers and their advantages ----------------------------------------------------------------

    def asked(self, iteration: int) -> list[list[int]]:
        """The prompts of an iteration."""
        return [self.prompts[i] for i in self.order(iteration)]

    def write(self, gpt: GPT, prompts: Sequence[Sequence[int]], seed: int) -> list[Response]:
        """The answers of `gpt`."""
        config = self.config
        sampling = Sampling(max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=1.0, seed=seed)
        return generate_responses(gpt, self.tokenizer, prompts, sampling)

    def scores(self, responses: Sequence[Response]) -> Tensor:
        """(N,): the reward model's, less the penalty for those that did not end in time."""
        ended = torch.tensor([response.ended for response in responses])
        penalty = self.config.missing_eos_penalty * ~ended
        most = self.policy.config.block_size  # of what is longer, the end
        return self.reward([response.rated(self.end)[-most:] for response in responses]) - penalty

    def roll_out(self, iteration: int) -> Rollouts:
        """Let the policy answer the prompts of this iteration, a function of the seed and its weights."""
        config, policy = self.config, self.policy.eval()
        seed = int(np.random.default_rng((config.fit.seed, iteration)).integers(2**40))
        responses = self.write(policy.gpt, self.asked(iteration), seed)
        both = collate([response.example for response in responses]).to(policy.device)
        with torch.no_grad():
            logprobs, values = policy(both.inputs, both.targets)
            kl = logprobs - token_logprobs(self.reference, both.inputs, both.targets, config.temperature)
        mask = both.targets != IGNORE_INDEX
        scores = self.scores(responses).to(policy.device)
        advantages = compute_gae(
            per_token_rewards(scores, kl, mask, self.kl_coef), values, mask, config.gamma, config.lam
        )
        return Rollouts(
            inputs=both.inputs,
            targets=both.targets,
            logprobs=logprobs,
            kl=kl,
            values=values,
            advantages=whiten(advantages, mask),
            returns=(advantages + values) * mask,
            scores=scores,
            ended=torch.tensor([response.ended for response in responses], device=policy.device),
        )

    # --- 4: learning ------------------------------------------------------------------------------------------

    def minibatch(self, step: int) -> Rollouts:
        """The answers of this optimiser step."""
        assert self.rollouts is not None  # made at the iteration's first step, or read with the saved step
        return shuffled_rows(self.rollouts, step, self.config.fit.batch_size, self.config.fit.seed)

    def loss(self, policy: Policy, rows: Rollouts) -> Summed:
        config = self.config
        return ppo_loss(policy, rows, config.clip_range, config.value_clip_range, config.vf_coef)

    # --- 5: the price -----------------------------------------------------------------------------------------

    def adapt(self, steps: int) -> dict[str, float]:
        """At the end of an iteration its metrics, and a new price of KL for the next one."""
        if steps % self.config.steps_an_iteration:
            return {}
        assert self.rollouts is not None
        metrics = self.rollouts.objective(self.kl_coef)
        self.kl_coef = updated_kl_coef(self.kl_coef, self.rollouts.mean_kl(), self.config.kl_target)
        return metrics

    def details(self) -> dict[str, Any]:
        """Some answers of the moment, token by token."""
        return {"rollouts": self.rollouts.describe(SHOWN, self.tokenizer) if self.rollouts else []}

    # --- on disk ----------------------------------------------------------------------------------------------

    def save_state(self, directory: Path) -> None:
        """Everything with which the next step is the one that would have come."""
        tensors = {f"value_head.{name}": tensor for name, tensor in self.policy.value_head.state_dict().items()}
        tensors["kl_coef"] = torch.tensor(self.kl_coef, dtype=torch.float64)
        if self.rollouts is not None:
            tensors |= {f.name: getattr(self.rollouts, f.name) for f in fields(self.rollouts)}
        write_tensors(directory / STATE_FILE, {name: t.detach().cpu().contiguous() for name, t in tensors.items()})

    def load_state(self, directory: Path) -> None:
        tensors = read_tensors(directory / STATE_FILE)
        head = {name: tensors[f"value_head.{name}"] for name in ("weight", "bias")}
        self.policy.value_head.load_state_dict(head)
        self.kl_coef = tensors["kl_coef"].item()
        if "inputs" in tensors:
            self.rollouts = Rollouts(**{f.name: tensors[f.name] for f in fields(Rollouts)}).to(self.policy.device)


# --- the declaration ------------------------------------------------------------------------------------------


def preview(config: PPOConfig) -> Preview:
    built_in = learning_prompts(COUNTED_PROMPTS, config.fit.seed) if config.prompts == PLAYS else None
    note = (
        "The model sees prompts only. It writes the answers itself, and learns from how the reward model scores them."
    )
    found = preview_prompts(built_in or read_prompts(config.prompts), config.adapt.parent, config.max_new_tokens, note)
    facts = [fact for fact in found.facts if not built_in or fact[0] not in OF_OWN_PROMPTS]
    return replace(found, facts=[*facts, ("answers in an iteration", config.rollouts)])


STAGE = Stage(
    "ppo",
    "PPO",
    "Bend a chat model to what a reward model scores highly.",
    PPOConfig,
    prepare,
    lesson="The model writes answers, a reward model scores them, and what scored well becomes likelier.",
    needs="PPO needs a reward model: train that first, or start both, and PPO waits for the model in the queue.",
    answers=True,
    several=False,
    frozen_models=lambda config: 2,  # the parent and the reward model
    # An answer is written, about as dear as to learn from it, and read by three models, a third as dear each.
    passes=lambda config: 1 + 2 / config.ppo_epochs,
    answers_written=lambda config, step: on_policy.answers_written(
        config.rollouts, config.ppo_epochs, config.fit.batch_size, step
    ),
    loss_unit="per answer token",
    loss_about="what PPO's optimiser sees, of answers that are new each time: it need not fall.",
    metrics=(KL_ROLLOUTS, KL_HELD_OUT, *ROLLOUT_METRICS, *POLICY_LOSSES),
    against_kl=AgainstKL(
        "Score against KL",
        "what the movement buys. Up is better and to the right is farther from the parent; "
        "where the path runs on to the right without rising, the model only learns to please the reward model.",
        "mean reward score",
        (("objective/kl", "objective/scores", "rollouts"), ("kl/val", "score/val", "held-out prompts")),
        {"kl_target": "kl_target", "kl_stop": "kl_stop: the end"},
    ),
    doctor_rules=PPO_RULES,
    verdict=ppo_verdict,
    main_settings=("parent", "reward_model", "prompts", "kl_coef", "max_steps", "learning_rate"),
    offers=(PLAYS,),
    files=(".txt", ".jsonl"),
    preview=preview,
)
