"""The stages by name, and what is looked up in them."""

from collections.abc import Iterable
from typing import Any

from core.checkpoint import Card
from core.config import CHECKPOINTS
from core.stages import classify, dpo, ppo, pretrain, reward_model, sft
from core.stages.base import Stage
from core.training.run_directory import Run, Status
from core.training.runner import execute

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (pretrain.STAGE, sft.STAGE, classify.STAGE, reward_model.STAGE, dpo.STAGE, ppo.STAGE)
}


def stage_called(name: str) -> Stage:
    """Raises ValueError if it is not known here."""
    if name not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {name!r}")
    return STAGES[name]


def stage_of(run: Run) -> tuple[Stage, Any]:
    """The run's stage and its configuration. Raises ValueError if either is not known here."""
    name, values = run.read()
    if name not in STAGES:
        raise ValueError(f"{run.directory} is a run of the stage {name!r}, which is not known here")
    stage = STAGES[name]
    return stage, stage.config.from_dict(values)


def train(run: Run) -> Status:
    """Execute or resume a run, whatever its stage."""
    stage, config = stage_of(run)
    return execute(run, config.fit, lambda saved, device, say: stage.prepare(config, saved, device, say))


def answers(card: Card) -> bool:
    """Was the model taught to answer in turns (core/conversation.py)? Other language models continue texts."""
    return card.stage in STAGES and STAGES[card.stage].answers


def is_aligned(card: Card) -> bool:
    """Does the model answer, and was it bent to what people prefer?"""
    return answers(card) and STAGES[card.stage].aligns


def checkpoint_settings(stages: Iterable[Stage] | None = None) -> list[str]:
    """The settings by which a stage, or any, names another checkpoint."""
    found = (name for stage in stages or STAGES.values() for name in stage.settings_that_name(*CHECKPOINTS))
    return [*dict.fromkeys(found)]
