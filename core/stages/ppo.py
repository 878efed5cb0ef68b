"""Proximal policy optimisation on a reward model's scores: the policy writes, and learns from how that is rated.

    1  roll out   the policy answers prompts (KV cache, many side by side)
    2  rate       the reward model scores the answers; each token pays for being unlike the reference
    3  estimate   advantages: how much better than the value head expected it went from each token on
    4  learn      a few passes over these answers, in which no token's probability may change by much
    5  adapt      the price, so that the policy stays as near to the reference as was asked; then again

Ziegler et al. 2019, arXiv:1909.08593; Ouyang et al. 2022, arXiv:2203.02155, section 3.5; the details are those of Huang
et al. 2024, arXiv:2403.17031. The arithmetic of steps 2 to 5 is in core/rlhf/ppo_loss.py. As in Ziegler et al.
policy and value share the transformer, and scores are normalised to mean 0 and variance 1 on the reference's answers.

Shapes: N answers, T tokens; per token (N, T) at the position that predicts it, see core.rlhf.policy.Rollouts.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from core import checkpoint, lora
from core.checkpoint import Card, Checkpoint, read_tensors, write_tensors
from core.classifier import SequenceClassifier
from core.config import Config, setting
from core.datasets.conversations import Example, collate
from core.datasets.length_buckets import Buckets
from core.datasets.preview import Preview
from core.datasets.prompts import (
    OF_OWN_PROMPTS,
    fitting_prompts,
    held_out_prompts,
    learning_prompts,
    preview_prompts,
    read_prompts,
)
from core.evaluation.instructions import replies
from core.evaluation.preferences import response_kl, reward_scores, reward_scores_of_ids
from core.generate import Sampling, batch
from core.model import GPT, IGNORE_INDEX
from core.packed_model import PackedGPT
from core.rlhf.logprobs import token_logprobs
from core.rlhf.policy import Policy, Rollouts
from core.rlhf.ppo_loss import compute_gae, per_token_rewards, policy_losses, updated_kl_coef, value_losses, whiten
from core.stages.base import AgainstKL, Stage
from core.stages.metrics import KL_HELD_OUT, KL_ROLLOUTS, POLICY_LOSSES, ROLLOUT_METRICS
from core.tokenizer import Tokenizer
from core.training import distributed
from core.training.finetuning import FinetuneConfig, language_model, reference_model
from core.training.loop import FitConfig, StepLog, Summed, one_step
from core.training.lr_schedule import learning_rate
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
PLAYS = "plays"
LEARNED_PROMPTS, MEASURED_PROMPTS = 4000, 32
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
    temperature: float = setting(1.0, "At which answers are drawn", low=0.1, high=5.0, fixed=True)
    missing_eos_penalty: float = setting(
        1.0, "Taken off the score of an answer that did not end in time", low=0.0, fixed=True
    )
    kl_coef: float = setting(
        0.2, "KL penalty: price of a nat by which a token is unlike the reference", low=0.0, high=100.0, fixed=True
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
    adapt: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(parent="checkpoints/bard-chat"))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rollouts % self.fit.batch_size:
            raise ValueError(
                f"rollouts must be a multiple of batch_size, got {self.rollouts} and {self.fit.batch_size}"
            )
        if self.adapt.dropout:
            raise ValueError(f"dropout must be 0 in PPO, or no probability could be compared, got {self.adapt.dropout}")
        if self.fit.keep_best:
            raise ValueError("keep_best must be off: PPO has no validation loss to be best at")

    @property
    def steps_an_iteration(self) -> int:
        return self.rollouts * self.ppo_epochs // self.fit.batch_size


def prepare(config: PPOConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The optimisation that `config` describes, from its parent or from a saved step."""
    if distributed.world_size() > 1:
        raise ValueError("PPO runs in one process: start it without torchrun")
    fit, parent = config.fit, Path(config.adapt.parent)
    say(f"reading the model {parent}")
    start = language_model(config.adapt, saved, device, fit.seed)
    tokenizer = start.tokenizer
    reference, digest = reference_model(config.adapt, saved, device)
    rater = read_reward_model(config.reward_model, tokenizer, device)
    say(f"reading the prompts: {config.prompts}")
    learned, measured = read_all_prompts(config, tokenizer, start.model.config.block_size)
    policy = Policy(start.model)
    ppo = PPO(config, policy, reference, rater.model, tokenizer, learned)
    say("rating the reference's answers")
    ppo.normalise()
    if saved:
        ppo.load_state(saved)

    def evaluate(policy: Policy) -> dict[str, float]:
        moved = response_kl(policy.gpt, reference, tokenizer, measured, fit.seed, config.max_new_tokens)
        sampling = Sampling(max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=1.0)
        answers = replies(policy.gpt, tokenizer, measured, sampling)
        scores = reward_scores(rater.model, tokenizer, measured, answers)
        return {"kl/val": moved, "score/val": ppo.normalised(torch.tensor(scores)).mean().item()}

    def sample(policy: Policy) -> dict[str, str]:
        answer = replies(policy.gpt, tokenizer, [config.sample_prompt])[0]
        return {"prompt": f"{config.sample_prompt}\n\n", "text": answer}

    data = {"prompts": config.prompts, "parent_sha256": digest, "reward_model": Path(config.reward_model).name}
    data |= {"reward_sha256": checkpoint.weights_digest(Path(config.reward_model).expanduser())}
    card = Card("ppo", parent.name, config=config.to_dict(), data=data)
    return Job(
        policy,
        tokenizer,
        ppo.minibatch,
        ppo.loss,
        fit,
        card,
        evaluate,
        sample,
        details=lambda policy, step: ppo.details(),
        to_checkpoint_model=lambda policy: lora.merge_adapters(policy.gpt),
        save_state=ppo.save_state,
        fit=lambda job, optimizers, first: ppo.fit(optimizers, first),
    )


def read_reward_model(directory: str, tokenizer: Tokenizer, device: torch.device) -> Checkpoint[SequenceClassifier]:
    """Raises ValueError in words if there is none, or if it reads other tokens than the policy writes."""
    if not directory:
        raise ValueError("reward_model is empty: train a reward model on your votes first, and name it here")
    path = Path(directory).expanduser()
    if path.is_dir() and not checkpoint.is_reward_model(path):
        raise ValueError(f"{directory} is no reward model: choose one that the stage `reward` made")
    rater = checkpoint.load_classifier(path, device)
    if rater.tokenizer.digest != tokenizer.digest:
        raise ValueError(
            f"the reward model {path.name} reads another vocabulary than the policy writes: "
            "train it from the same parent as the policy, or from one with the same vocabulary"
        )
    rater.model.requires_grad_(False)
    return rater


def read_all_prompts(config: PPOConfig, tokenizer: Tokenizer, block_size: int) -> tuple[list[list[int]], list[str]]:
    """(prompts to learn on, as tokens; held-out prompts). Those that leave no room for an answer are left out."""
    seed = config.fit.seed
    if config.prompts == PLAYS:
        learned, measured = learning_prompts(LEARNED_PROMPTS, seed), held_out_prompts(MEASURED_PROMPTS)
    else:
        given = np.random.default_rng(seed).permutation(np.array(read_prompts(config.prompts), dtype=object)).tolist()
        if len(given) < 2:
            raise ValueError(f"{Path(config.prompts).name} holds one prompt: at least 2 are needed, one to measure on")
        count = min(MEASURED_PROMPTS, max(1, len(given) // 10))
        learned, measured = given[count:], given[:count]
    fitting = fitting_prompts(tokenizer, learned, config.max_new_tokens, block_size)
    if left_out := len(learned) - len(fitting):
        log.info("%d prompts leave no room for an answer and are left out", left_out)
    return fitting, measured


class PPO:
    """The five steps, and what lasts from one iteration to the next."""

    def __init__(
        self,
        config: PPOConfig,
        policy: Policy,
        reference: GPT,
        rater: SequenceClassifier,
        tokenizer: Tokenizer,
        prompts: Sequence[list[int]],
    ):
        self.config, self.policy, self.reference, self.rater = config, policy, reference, rater
        self.tokenizer, self.prompts = tokenizer, prompts
        self.order = Buckets([len(ids) for ids in prompts], config.rollouts, config.fit.seed)
        self.kl_coef = config.kl_coef
        self.score_mean, self.score_std = 0.0, 1.0
        self.rollouts: Rollouts | None = None

    def fit(self, optimizers: list[Optimizer], start: int) -> Iterator[StepLog]:
        """Optimiser steps from `start` (steps taken so far) on; ends before max_steps if the policy went too far."""
        config, fit = self.config, self.config.fit
        micro_batch_size = fit.micro_batch_size or fit.batch_size
        for step in range(start, fit.max_steps):
            began = time.perf_counter()
            iteration, position = divmod(step, config.steps_an_iteration)
            if position == 0:
                self.rollouts = self.roll_out(iteration)
                if config.kl_stop and (moved := self.rollouts.mean_kl()) > config.kl_stop:
                    log.info("the policy has moved by %.1f nats a response, further than kl_stop: the end", moved)
                    return
            lr = learning_rate(step, fit.learning_rate, fit.final_learning_rate, fit.warmup_steps, fit.max_steps)
            assert self.rollouts is not None  # made at position 0, or read with the saved step
            rows = self.minibatch(step)
            done = one_step(self.policy, rows, self.loss, fit, optimizers, step, lr, micro_batch_size)
            micro_batch_size, metrics = done.micro_batch_size, done.metrics
            if position == config.steps_an_iteration - 1:
                metrics |= self.rollouts.objective(self.kl_coef)
                self.kl_coef = updated_kl_coef(self.kl_coef, self.rollouts.mean_kl(), config.kl_target)
            seconds, tokens = time.perf_counter() - began, rows.inputs.numel()
            yield StepLog(step + 1, done.loss, lr, done.grad_norm, tokens, seconds, micro_batch_size, 0.0, metrics)

    # --- 1, 2, 3: answers and their advantages ----------------------------------------------------------------

    def roll_out(self, iteration: int) -> Rollouts:
        """Let the policy answer the prompts of this iteration, a function of the seed and its weights."""
        seed = int(np.random.default_rng((self.config.fit.seed, iteration)).integers(2**40))
        policy = self.policy.eval()
        rows, ended = self.generate_responses(policy.gpt, self.order(iteration), seed)
        both = collate(rows).to(policy.device)
        with torch.no_grad():
            logprobs, values = policy(both.inputs, both.targets)
            kl = logprobs - token_logprobs(self.reference, both.inputs, both.targets)
        mask = both.targets != IGNORE_INDEX
        scores = self.normalised(reward_scores_of_ids(self.rater, [row.ids for row in rows])).to(policy.device)
        ended = ended.to(policy.device)
        scores = scores - self.config.missing_eos_penalty * ~ended
        rewards = per_token_rewards(scores, kl, mask, self.kl_coef)
        gained = compute_gae(rewards, values, mask, self.config.gamma, self.config.lam)
        returns = (gained + values) * mask
        return Rollouts(
            both.inputs,
            both.targets,
            logprobs,
            kl,
            values,
            whiten(gained, mask),
            returns,
            scores,
            ended.to(policy.device),
        )

    def generate_responses(self, gpt: GPT, chosen: Sequence[int], seed: int) -> tuple[list[Example], Tensor]:
        """Prompts with the answers that `gpt` gives to them, as tokens, and whether each answer ended in time."""
        config, eot = self.config, self.tokenizer.eot
        prompts = [self.prompts[i] for i in chosen]
        writer = PackedGPT(lora.merge_adapters(gpt)) if gpt.device.type == "cpu" else gpt
        sampling = Sampling(max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=1.0, seed=seed)
        answers = batch(writer, prompts, sampling, {eot})
        ended = [len(answer) < config.max_new_tokens for answer in answers]
        rows = []
        for prompt, answer, done in zip(prompts, answers, ended, strict=True):
            said = answer + [eot] * done
            rows.append(Example(prompt + said, [False] * len(prompt) + [True] * len(said)))
        return rows, torch.tensor(ended)

    def normalise(self) -> None:
        """Make the scores of the reference's answers have mean 0 and variance 1 (Ziegler et al. 2019, section 2.1)."""
        rows, _ = self.generate_responses(self.reference, self.order(0), self.config.fit.seed)
        scores = reward_scores_of_ids(self.rater, [row.ids for row in rows])
        self.score_mean, self.score_std = scores.mean().item(), max(scores.std(correction=0).item(), 1e-4)

    def normalised(self, scores: Tensor) -> Tensor:
        return (scores - self.score_mean) / self.score_std

    # --- 4: learning ------------------------------------------------------------------------------------------

    def minibatch(self, step: int) -> Rollouts:
        """The answers of this optimiser step: in every pass over an iteration's answers each comes once."""
        assert self.rollouts is not None
        size, seed = self.config.fit.batch_size, self.config.fit.seed
        passed, position = divmod(step, self.config.rollouts // size)
        shuffled = np.random.default_rng((seed, passed, 1)).permutation(self.config.rollouts)
        return self.rollouts.rows(torch.from_numpy(shuffled[position * size : (position + 1) * size]))

    def loss(self, policy: Policy, rows: Rollouts) -> Summed:
        """Clipped policy loss and clipped value loss, summed over the answers' tokens, and TRL's metrics."""
        config, mask = self.config, rows.mask
        logprobs, values = policy(rows.inputs, rows.targets)
        new, old = logprobs[mask], rows.logprobs[mask]
        policy_loss = policy_losses(new, old, rows.advantages[mask], config.clip_range)
        value_loss = value_losses(values[mask], rows.values[mask], rows.returns[mask], config.value_clip_range)
        change = (new - old).detach()
        ratio = change.exp()
        metrics = {
            "loss/policy": policy_loss,
            "loss/value": value_loss,
            "policy/clipfrac": ((ratio - 1).abs() > config.clip_range).float(),
            "policy/approxkl": 0.5 * change**2,  # Schulman 2020, joschu.net/blog/kl-approx.html
            "val/ratio": ratio,
        }
        total = policy_loss.sum() + config.vf_coef * value_loss.sum()
        return Summed(total, {name: value.sum() for name, value in metrics.items()})

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
            self.rollouts = Rollouts(*(tensors[f.name] for f in fields(Rollouts))).to(self.policy.device)


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
    needs="PPO needs a reward model: train that first, then PPO with it.",
    answers=True,
    on_policy=True,
    frozen_models=2,  # the parent and the reward model
    # An answer is written, about as dear as to learn from it, and read by three models, a third as dear each.
    passes=lambda config: 1 + 2 / config.ppo_epochs,
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
    details="rollouts",
    main_settings=("parent", "reward_model", "prompts", "kl_coef", "max_steps", "learning_rate"),
    offers=(PLAYS,),
    files=(".txt", ".jsonl"),
    preview=preview,
)
