"""Thirty votes as a reward: a reward model, DPO, PPO and GRPO on them, and a policy that is pressed until it cheats.

Everything is done by the stages themselves (core/stages), a few steps each, in a directory that is thrown away. The
votes are a person's own or those of a rule (core/preferences/rule_annotators.py): a simulated annotator, who can vote
as often as it takes to measure.

What a method has bought and paid is measured on prompts from plays that no model has learned from: the score of the
reward model, in standard deviations of the parent's scores; KL from the parent; and whether answers still follow the
instruction in their prompt, which nobody has voted on.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from core import checkpoint
from core.atomic_files import write_text
from core.chat_template import encode_prompt
from core.datasets.instructions import split, words
from core.datasets.preference_files import Preference, prompt_messages, write_preferences
from core.datasets.prompts import instructed_prompts, learning_prompts
from core.datasets.shakespeare import plays
from core.diagnostics.answer_changes import SCORE, Answer, Change, change
from core.diagnostics.doctor import diagnose
from core.diagnostics.finding import Finding
from core.evaluation.learned_rewards import reward_model_score
from core.evaluation.preferences import response_kl
from core.generate import Sampling
from core.model import GPT
from core.preferences.agreement import Rate, rate
from core.preferences.pair_generation import Writer, answer_pairs
from core.preferences.rule_annotators import prefer, rule_of
from core.rlhf.rollouts import Response, generate_responses, repetition
from core.stages.registry import DPO, GRPO, PPO, REWARD, STAGES
from core.training.loop import optimizers_of, say_nothing
from core.training.run_directory import Status
from core.training.runner import Job

VOTES = 30  # to learn from; a rule gives as many more to measure on
RULE = "shorter"
MEASURED_PROMPTS, TOKENS = 48, 24
METHODS = (DPO, PPO, GRPO)
FIT: dict[str, Any] = dict(device="cpu", snapshots=0)
RECIPES: dict[str, dict[str, Any]] = {
    REWARD: dict(max_steps=30, batch_size=8, warmup_steps=3, learning_rate=3e-4, keep_best=False),
    DPO: dict(max_steps=16, batch_size=8),
    PPO: dict(max_steps=8, batch_size=32, rollouts=32, ppo_epochs=2, max_new_tokens=TOKENS),
    GRPO: dict(max_steps=6, batch_size=32, rollouts=32, group_size=8, max_new_tokens=TOKENS),
}
RECIPES |= {method: RECIPES[method] | dict(warmup_steps=1, learning_rate=4e-4) for method in METHODS}
# More steps, which are longer, and no price for distance.
PRESSED: dict[str, Any] = dict(max_steps=14, learning_rate=1e-3, kl_coef=0.0, kl_stop=0.0)


@dataclass(frozen=True)
class Trained:
    """What a stage has made, and its log."""

    job: Job
    lines: list[dict[str, Any]]  # as in metrics.jsonl
    findings: list[Finding]  # the doctor's

    @property
    def model(self) -> Any:
        return self.job.to_checkpoint_model(self.job.model)


@dataclass(frozen=True)
class Measured:
    """A policy on the held-out prompts."""

    answers: list[dict[str, Any]]  # {"prompt", "text", "ended", "score", "followed"}
    kl: float  # nats a response, from the parent
    repetition: float  # share of three-token sequences that had been said before

    @property
    def words(self) -> float:
        """Of an answer, on average."""
        return sum(len(words(answer["text"])) for answer in self.answers) / len(self.answers)

    @property
    def followed(self) -> Rate:
        """Of the instructions in the prompts."""
        return rate(sum(answer["followed"] for answer in self.answers), len(self.answers))

    def gain(self, before: "Measured") -> Change:
        """Of score, answer by answer."""
        return change(SCORE, before.answers, self.answers)


def simulate_votes(writer: Writer, count: int, seed: int = 0) -> Generator[float, None, list[Preference]]:
    """`count` votes of the rule on answers of `writer`, each to another prompt; yields the share that is there."""
    rule, found = rule_of(RULE), list[Preference]()
    prompts = learning_prompts(3 * count, seed)
    for first in range(0, len(prompts), count):
        some = prompts[first : first + count]
        sampling = Sampling(max_new_tokens=TOKENS, temperature=1.0, top_p=1.0)
        for prompt, left, right in answer_pairs(writer, writer, some, sampling, seed + first):
            choice = prefer(rule, left.text, right.text)
            better, worse = (left, right) if choice == "left" else (right, left)
            if choice != "tie":
                found.append(Preference(prompt, better.text, worse.text))
        yield min(1.0, len(found) / count)
        if len(found) >= count:
            break
    return found[:count]


class TasteExperiment:
    """A parent, votes on its answers, and what is made of them. Its files go when it goes."""

    def __init__(self, parent: Path, within: str | None = None):
        """within: the directory for its files; None: where temporary files lie."""
        self.parent = parent
        self.kept = TemporaryDirectory(prefix="lesson-", dir=within)
        self.directory = Path(self.kept.name)
        self.votes, self.reward_model = self.directory / "votes.jsonl", self.directory / "reward-model"
        self.prompts = self.directory / "prompts.jsonl"
        self.val_share = 0.5  # of the votes: those that are measured on

    @cached_property
    def loaded(self) -> checkpoint.Checkpoint[GPT]:
        return checkpoint.load(self.parent)

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The held-out prompts, and what each asks for that can be checked."""
        return instructed_prompts(split(plays())[1], MEASURED_PROMPTS, seed=0)

    def write_votes(self, own: Sequence[Preference] = ()) -> Generator[float, None, int]:
        """Own votes if there are VOTES of them, or else the rule's; returns how many there are."""
        votes = list(own)
        if len(votes) < VOTES:
            writer = Writer(self.loaded.model, self.loaded.tokenizer, self.parent.name)
            votes = yield from simulate_votes(writer, 2 * VOTES)
        self.val_share = 0.5 if len(votes) >= 2 * VOTES else 0.2
        write_preferences(self.votes, votes)
        lines = (json.dumps({"prompt": prompt}) + "\n" for prompt in learning_prompts(200, seed=1))
        write_text(self.prompts, "".join(lines))
        return len(votes)

    def train(self, stage_name: str, **changes: Any) -> Generator[float, None, Trained]:
        """A few steps of a stage on the votes, or on the reward model; yields the share of them that is taken."""
        stage = STAGES[stage_name]
        given: dict[str, Any] = {"parent": str(self.parent)} | FIT | RECIPES[stage_name] | self.data_of(stage_name)
        config = stage.configure(given | changes)
        job: Job = stage.prepare(config, None, torch.device("cpu"), say_nothing)
        lines = []
        for step in job.steps(optimizers_of(job.model, job.config), 0, say_nothing):
            lines.append({"step": step.step, "loss/train": step.loss, "grad_norm": step.grad_norm} | step.metrics)
            yield step.step / job.config.max_steps
        status = Status("finished", "all steps taken", device="cpu")
        findings = diagnose(lines, config.to_dict(), job.references, status, stage.doctor_rules)
        return Trained(job, lines, findings)

    def data_of(self, stage_name: str) -> dict[str, Any]:
        if stage_name in (REWARD, DPO):
            return {"data": str(self.votes), "val_share": self.val_share}
        on = {"reward_model": str(self.reward_model), "prompts": str(self.prompts)}
        return on | (dict(reward="reward_model") if stage_name == GRPO else {})

    def train_reward_model(self) -> Generator[float, None, dict[str, float]]:
        """Learn from some of the votes; returns how the others are ranked: core.evaluation.preferences.vote_metrics."""
        job = (yield from self.train(REWARD)).job
        checkpoint.save(self.reward_model, job.model, job.tokenizer, job.card)
        return job.evaluate(job.model)

    def measure(self, policy: GPT) -> Measured:
        """On the held-out prompts, each answered with the same random numbers."""
        tokenizer = self.loaded.tokenizer
        ids = [encode_prompt(tokenizer, prompt_messages(prompt)) for prompt in self.asked]
        sampling = Sampling(max_new_tokens=TOKENS, temperature=1.0, top_p=1.0)
        written = generate_responses(policy.eval(), tokenizer, ids, sampling)
        answers = [self.described(*found) for found in zip(self.asked, written, strict=True)]
        score = reward_model_score(str(self.reward_model), tokenizer, torch.device("cpu"))
        scores = score(list(self.asked), [answer["text"] for answer in answers])
        moved = response_kl(
            policy, self.loaded.model, tokenizer, list(map(prompt_messages, self.asked)), 0, TOKENS, temperature=1.0
        )
        return Measured(
            [answer | {"score": score} for answer, score in zip(answers, scores, strict=True)],
            moved,
            repetition([response.answer for response in written]),
        )

    def described(self, prompt: str, response: Response) -> dict[str, Any]:
        text = self.loaded.tokenizer.decode(response.answer)
        followed = all(instruction.is_followed(text) for instruction in self.asked[prompt])
        return {"prompt": prompt, "text": text, "ended": response.ended, "followed": followed}


def spread(answers: Sequence[Answer]) -> float:
    """Standard deviation of the scores: that of the parent's is the unit in which a gain is told."""
    return float(torch.tensor([float(answer["score"]) for answer in answers]).std())
