"""Group relative policy optimisation: answers to one prompt are rewarded, and measured against each other.

    1  roll out   the policy answers each prompt several times
    2  reward     functions count what the answers are worth: rules, metre, a reward model, a person's own
    3  compare    an answer's advantage is how far it is above its group; no value head is needed
    4  learn      a few passes over these answers, in which no token's probability may change by much; then again

Shao et al. 2024, arXiv:2402.03300 (GRPO), and what came of it: Liu et al. 2025, arXiv:2503.20783 (Dr. GRPO), Yu et al.
2025, arXiv:2503.14476 (DAPO), Ahmadian et al. 2024, arXiv:2402.14740 (RLOO). The arithmetic of steps 3 and 4 is in
core/rlhf/grpo.py, the rewards are in core/rlhf/reward_functions.py.

Shapes: N answers, R rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from core import checkpoint
from core.chat_template import question
from core.checkpoint import Card
from core.config import Config, setting
from core.datasets.instructions import split
from core.datasets.preference_files import prompt_messages
from core.datasets.preview import Preview
from core.datasets.prompts import (
    LEARNED_PROMPTS,
    MEASURED_PROMPTS,
    OF_OWN_PROMPTS,
    PLAYS,
    instructed_prompts,
    learned_and_measured_prompts,
    learning_prompts,
    preview_prompts,
    read_prompts,
)
from core.datasets.shakespeare import plays
from core.diagnostics.rlhf_rules import GRPO_RULES
from core.diagnostics.verdict import grpo_verdict
from core.evaluation.held_out_answers import held_out_answers
from core.evaluation.instructions import replies
from core.evaluation.learned_rewards import Score, reward_model_score, standardized, taste_score
from core.evaluation.preferences import response_kl
from core.model import GPT
from core.preferences.reward_terms import INSTRUCTIONS, REWARD_MODEL, TASTE, Term, parse_terms
from core.rlhf import on_policy, own_reward
from core.rlhf.group_rollouts import GroupRollouts
from core.rlhf.group_training import GroupTraining, texts, write
from core.rlhf.grpo import GroupConfig, group_loss
from core.rlhf.own_reward import Reward
from core.rlhf.reward_functions import Asked, Rewards, reward_of
from core.roots import shipped
from core.stages.base import AgainstKL, Stage
from core.stages.metrics import GROUP_METRICS, KL_HELD_OUT, KL_ROLLOUTS
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig, language_model, reference_model
from core.training.loop import FitConfig, Summed
from core.training.runner import Job, Progress

COUNTED_PROMPTS = 200  # of the plays, before a training: enough to tell how long they are
OWN = "own_rewards_sha256"  # on a card: {FILE.py:NAME: sha256 of the file}
RECIPE: dict[str, Any] = dict(max_steps=60, batch_size=64, learning_rate=1e-4, warmup_steps=4, optimizer="adamw")
RECIPE |= dict(weight_decay=0.0, beta2=0.95, eval_interval=10, save_interval=20, keep_steps=1, snapshots=0)
RECIPE |= dict(save_dtype="float16")


@dataclass(frozen=True)
class GRPOConfig(Config):
    """Everything that decides what a GRPO run makes."""

    reward: str = setting(
        "question",
        "What answers are rewarded for; several with commas, each with its weight before it: question, 0.5 metre",
        refers="reward",
        fixed=True,
    )
    prompts: str = setting(
        PLAYS,
        "plays = lines from Shakespeare, with instructions where following them is rewarded; or a .txt or .jsonl file "
        "of prompts",
        refers="corpus",
        fixed=True,
    )
    reward_model: str = setting(
        "",
        "For the reward `reward_model`: one of the same vocabulary as the parent",
        refers="reward model",
        optional=True,
        fixed=True,
    )
    votes: str = setting(
        "", "For the reward `taste`: the votes that say what is preferred", refers="votes", optional=True, fixed=True
    )
    group: GroupConfig = field(default_factory=GroupConfig)
    reward_seconds: float = setting(
        10.0, "A function of your own may take so long for the answers to a prompt", low=0.01, high=86_400.0
    )
    sample_prompt: str = setting("What say you, my lord?", "What the model is asked at each evaluation")
    adapt: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(parent=shipped("bard-chat")))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {"group_size": self.group.group_size, "batch_size": self.fit.batch_size}
        on_policy.check("GRPO", self.group.rollouts, sizes, self.adapt, self.fit)
        for source, name, value in ((REWARD_MODEL, "reward_model", self.reward_model), (TASTE, "votes", self.votes)):
            if source in self.sources and not value:
                raise ValueError(f"the reward {source} needs {name}, which is empty: choose one")
            if value and source not in self.sources:
                raise ValueError(f"{name} is chosen, but reward does not name {source}: name it there, or choose none")
        if INSTRUCTIONS in self.sources and self.prompts != PLAYS:
            raise ValueError("the reward instructions counts what prompts of the plays ask for: give prompts = plays")

    @property
    def terms(self) -> list[Term]:
        return parse_terms(self.reward)

    @property
    def sources(self) -> list[str]:
        return [term.source for term in self.terms]


def prepare(config: GRPOConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The optimisation that `config` describes, from its parent or from a saved step."""
    fit, group, parent = config.fit, config.group, Path(config.adapt.parent)
    say(f"reading the model {parent}")
    start = language_model(config.adapt, saved, device, fit.seed)
    tokenizer = start.tokenizer
    reference, digest = reference_model(config.adapt, saved, device)
    say(f"reading the prompts: {config.prompts}")
    learned, measured, asked = read_asked(config)
    room = group.max_new_tokens, start.model.config.block_size
    fitting, held_out = on_policy.encode_prompts(tokenizer, learned, measured, *room)
    say("reading the rewards")
    rewards = read_rewards(config, asked, reference, tokenizer, fitting[: group.prompts])
    own = {term.source: own_reward.digest(term) for term in config.terms if term.is_own}
    check_own(own, saved)
    grpo = GroupTraining(group, fit, start.model, reference, tokenizer, fitting, rewards)
    if saved:
        grpo.load_state(saved)
    questions = [question(tokenizer, ids) for ids in held_out]  # of those that leave room

    def loss(gpt: GPT, rows: GroupRollouts) -> Summed:
        return group_loss(gpt, rows, group)

    def evaluate(gpt: GPT) -> dict[str, float]:
        asked = list(map(prompt_messages, questions))
        moved = response_kl(gpt, reference, tokenizer, asked, fit.seed, group.max_new_tokens, group.temperature)
        _, gained = grpo.reward_responses(write(gpt, tokenizer, held_out, group, seed=0))
        return {"kl/val": moved, "reward/val": gained.mean().item(), "n/prompts": len(held_out)}

    def details(gpt: GPT, step: int) -> dict[str, Any]:
        answers = held_out_answers(gpt, tokenizer, list(map(prompt_messages, questions)))
        ended = torch.tensor([answer["ended"] for answer in answers])
        _, gained = grpo.reward(questions, [answer["text"] for answer in answers], ended)
        scored = [answer | {"score": reward} for answer, reward in zip(answers, gained.tolist(), strict=True)]
        return grpo.details() | {"answers": scored}

    def sample(gpt: GPT) -> dict[str, str]:
        answer = replies(gpt, tokenizer, [config.sample_prompt])[0]
        return {"prompt": f"{config.sample_prompt}\n\n", "text": answer}

    data = {"prompts": config.prompts, "parent_sha256": digest} | ({OWN: own} if own else {})
    if REWARD_MODEL in config.sources:
        data["reward_model"] = Path(config.reward_model).name
        data["reward_sha256"] = checkpoint.weights_digest(Path(config.reward_model).expanduser())
    return Job(
        model=start.model,
        tokenizer=tokenizer,
        batches=grpo.batches,
        loss_fn=loss,
        config=fit,
        card=Card("grpo", parent.name, config=config.to_dict(), data=data),
        evaluate=evaluate,
        sample=sample,
        details=details,
        save_state=grpo.save_state,
        prefetch=False,
        after_step=grpo.after_step,
    )


def read_asked(config: GRPOConfig) -> tuple[list[str], list[str], Asked]:
    """(prompts to learn on, prompts to measure on, what those ask for that can be checked)."""
    seed = config.fit.seed
    if INSTRUCTIONS not in config.sources:
        return *learned_and_measured_prompts(config.prompts, seed), {}
    learned, held_out = split(plays())
    known = instructed_prompts(learned, LEARNED_PROMPTS, seed)
    measured = instructed_prompts(held_out, MEASURED_PROMPTS, 0)
    return list(known), list(measured), known | measured


def read_rewards(
    config: GRPOConfig, asked: Asked, reference: GPT, tokenizer: Tokenizer, prompts: Sequence[list[int]]
) -> Rewards:
    """The rewards, those that models give on the scale of the reference's answers to `prompts`.

    Raises ValueError in words if one cannot be had.
    """

    def learned(score: Score) -> Reward:
        several = [ids for ids in prompts for _ in range(config.group.group_size)]
        written = write(reference, tokenizer, several, config.group, config.fit.seed)
        return standardized(score, *texts(tokenizer, written))

    found = {}
    if REWARD_MODEL in config.sources:
        found[REWARD_MODEL] = learned(reward_model_score(config.reward_model, tokenizer, reference.device))
    if TASTE in config.sources:
        found[TASTE] = learned(taste_score(config.votes, reference, tokenizer))
    return Rewards(config.terms, [reward_of(term, asked, found) for term in config.terms], config.reward_seconds)


def check_own(own: dict[str, str], saved: Path | None) -> None:
    """Raise ValueError if a file of the person's own has changed since the step `saved`."""
    noted = checkpoint.read_card(saved / "card.json").data.get(OWN, {}) if saved else own
    if changed := [source for source in own if noted.get(source) != own[source]]:
        raise ValueError(
            f"the reward {changed[0]} has changed since this run began: put the old file back, or begin a new run, "
            "with the last saved step as its parent"
        )


# --- the declaration ------------------------------------------------------------------------------------------


def preview(config: GRPOConfig) -> Preview:
    for term in config.terms:
        if term.is_own:
            own_reward.read_own_reward(term)
    note = "The model sees prompts only. It answers each several times, and learns from which answers are worth more."
    seed = config.fit.seed
    if config.prompts != PLAYS:
        prompts = read_prompts(config.prompts)
    elif INSTRUCTIONS in config.sources:
        prompts = list(instructed_prompts(split(plays())[0], COUNTED_PROMPTS, seed))
    else:
        prompts = learning_prompts(COUNTED_PROMPTS, seed)
    found = preview_prompts(prompts, config.adapt.parent, config.group.max_new_tokens, note)
    facts = [fact for fact in found.facts if config.prompts != PLAYS or fact[0] not in OF_OWN_PROMPTS]
    sizes = ("answers to a prompt", config.group.group_size), ("answers in an iteration", config.group.rollouts)
    return replace(found, facts=[*facts, *sizes])


STAGE = Stage(
    "grpo",
    "GRPO",
    "Bend a chat model to rewards that are counted, group by group.",
    GRPOConfig,
    prepare,
    lesson="The model answers each prompt several times; what is worth more than its group becomes likelier.",
    needs="GRPO needs neither votes nor a reward model: what can be counted is reward enough.",
    answers=True,
    several=False,
    frozen_models=lambda config: 1,  # the parent
    # An answer is written, about as dear as to learn from it, and read by policy and parent, a third as dear each.
    passes=lambda config: 1 + 5 / 3 / config.group.grpo_epochs,
    answers_written=lambda config, step: on_policy.answers_written(
        config.group.rollouts, config.group.grpo_epochs, config.fit.batch_size, step
    ),
    loss_unit="per answer token",
    loss_about="what the optimiser sees, of answers that are new each time and measured against each other: it stays "
    "near 0 and need not fall.",
    metrics=(KL_ROLLOUTS, KL_HELD_OUT, *GROUP_METRICS),
    against_kl=AgainstKL(
        "Reward against KL",
        "what the movement buys. Up is better and to the right is farther from the parent; where the path runs on to "
        "the right without rising, the model moves for nothing.",
        "mean reward",
        (("objective/kl", "reward", "rollouts"), ("kl/val", "reward/val", "held-out prompts")),
        {"kl_stop": "kl_stop: the end"},
        from_zero=False,
    ),
    doctor_rules=GRPO_RULES,
    verdict=grpo_verdict,
    main_settings=("parent", "reward", "prompts", "group_size", "max_steps", "learning_rate"),
    offers=(PLAYS,),
    files=(".txt", ".jsonl"),
    preview=preview,
)
