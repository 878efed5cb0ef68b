"""The ways from votes to a model, as forms: what each learns from, and what must fit together."""

from pathlib import Path
from typing import Any

import gradio as gr

from core.stages.dpo import DPOConfig
from core.stages.ppo import PLAYS, PPOConfig
from core.stages.registry import STAGES
from core.stages.reward_model import RewardConfig
from core.tokenizer import Tokenizer
from playground.panels.stage_form.panel import Spec, StageForm, paths, uploaded
from playground.panels.stage_form.preference_preview import check_answers, check_same_vocabulary
from playground.services.services import Services
from playground.tabs.align import vote_files
from playground.ui.components import Page
from playground.ui.errors import handler

VOTES, PROMPTS = [".jsonl"], [".txt", ".jsonl"]
DATA = "data"  # the setting that names the votes
ABOUT = {
    "reward": "A copy of the model learns to give an answer a score: higher for the answers that you preferred.",
    "dpo": "The model itself learns from your votes: the preferred answer becomes likelier than the rejected one.",
    "ppo": "The model writes answers, a reward model scores them, and what scored well becomes likelier.",
}
ORDER = "DPO needs votes alone. PPO needs a reward model: train that first, then PPO with it."


# --- what is offered ------------------------------------------------------------------------------------------


def chat_models(services: Services) -> list[tuple[str, str]]:
    return paths(services.checkpoints.chat_names(), services)


def votes_and_parents(services: Services) -> dict[str, list[Any]]:
    data = [*vote_files.vote_choices(services.preferences), *uploaded(VOTES, services)]
    return {DATA: data, "parent": chat_models(services)}


def parents_and_prompts(services: Services) -> dict[str, list[Any]]:
    return {"parent": chat_models(services), "prompts": [PLAYS, *uploaded(PROMPTS, services)]}


def with_same_vocabulary(parent: str, services: Services) -> list[tuple[str, str]]:
    """The reward models that read what the parent writes."""
    try:
        digest = Tokenizer.load(parent).digest
    except ValueError:  # that the parent cannot be read is said when it is planned
        return []
    rewards = paths(services.checkpoints.reward_models(), services)
    return [(name, path) for name, path in rewards if Tokenizer.load(path).digest == digest]


def defaults_of(stage: str, services: Services) -> Any:
    """The stage's defaults, with what is there."""
    parents = chat_models(services)
    there: dict[str, Any] = {"parent": parents[0][1]} if parents else {}
    if stage == "ppo":
        rewards = with_same_vocabulary(parents[0][1], services) if parents else []
        return PPOConfig.from_dict(there | ({"reward_model": rewards[0][1]} if rewards else {}))
    return STAGES[stage].config.from_dict(there | {DATA: vote_files.EVERYONE})


def vote_count(services: Services, config: RewardConfig | DPOConfig) -> str:
    """How many votes there are."""
    return vote_files.describe_votes(
        vote_files.read_votes(services.preferences, config.pairs.data, config.pairs.skip_bad_lines)
    )


# --- what a training can take ---------------------------------------------------------------------------------


def with_votes(services: Services, config: RewardConfig | DPOConfig, directory: Path) -> Any:
    """With the chosen votes as a file. Raises ValueError if there are too few, or the parent cannot answer."""
    check_answers(config.adapt.parent)
    data = vote_files.write_votes(services.preferences, config.pairs.data, directory)
    return type(config).from_dict(config.to_dict() | {DATA: data})


def with_reward_model(services: Services, config: PPOConfig, directory: Path) -> PPOConfig:
    """As it is. Raises ValueError if the parent cannot answer, or the reward model does not suit it."""
    check_answers(config.adapt.parent)
    there = [path for _, path in with_same_vocabulary(config.adapt.parent, services)]
    check_same_vocabulary(config.reward_model, config.adapt.parent, there)
    return config


REWARD = Spec(
    stage="reward",
    title="Reward model",
    prefix="reward",
    id="reward",
    main=("parent", DATA, "max_steps", "learning_rate"),
    data=DATA,
    files=VOTES,
    stem="reward",
    defaults=lambda services: defaults_of("reward", services),
    choices=votes_and_parents,
    resolve=with_votes,
    status_text=vote_count,
)
DPO = Spec(
    stage="dpo",
    title="DPO",
    prefix="dpo",
    id="dpo",
    main=("parent", DATA, "beta", "max_steps", "learning_rate"),
    data=DATA,
    files=VOTES,
    stem="dpo",
    defaults=lambda services: defaults_of("dpo", services),
    choices=votes_and_parents,
    resolve=with_votes,
    status_text=vote_count,
)
PPO = Spec(
    stage="ppo",
    title="PPO",
    prefix="ppo",
    id="ppo",
    main=("parent", "reward_model", "prompts", "kl_coef", "max_steps", "learning_rate"),
    data="prompts",
    files=PROMPTS,
    stem="ppo",
    defaults=lambda services: defaults_of("ppo", services),
    choices=parents_and_prompts,
    resolve=with_reward_model,
    depending=("reward_model",),
)


# --- the reward model that suits the parent --------------------------------------------------------------------


def suit_reward_model(c: StageForm, services: Services, page: Page) -> None:
    """Only those are offered that read what the parent writes; what was typed stays."""
    parent, reward_model = c.form.widgets["parent"], c.form.widgets["reward_model"]

    @handler
    def suit(parent: str, chosen: str) -> Any:
        there = with_same_vocabulary(parent, services)
        known = [path for _, path in paths(services.checkpoints.reward_models(), services)]
        fits = chosen in [path for _, path in there] or (chosen and chosen not in known)
        return gr.update(choices=there, value=chosen if fits else next((path for _, path in there), ""))

    for event in (page.blocks.load, page.tab.select, c.tab.select, parent.change):
        event(suit, [parent, reward_model], reward_model, api_name="suit_reward_model", show_progress="hidden")
