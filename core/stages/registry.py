"""All stages by name: what the command line and the page need to know of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.stages import classify, dpo, ppo, pretrain, reward_model, sft
from core.training.run_directory import Run, Status
from core.training.runner import Job, Progress, execute


@dataclass(frozen=True)
class Stage:
    """A kind of training: its configuration, and what turns one into a job."""

    config: type[Any]  # a Config with a field `fit`
    prepare: Callable[[Any, Path | None, torch.device, Progress], Job]


STAGES = {
    "pretrain": Stage(pretrain.PretrainConfig, pretrain.prepare),
    "sft": Stage(sft.SFTConfig, sft.prepare),
    "classify": Stage(classify.ClassifyConfig, classify.prepare),
    "reward": Stage(reward_model.RewardConfig, reward_model.prepare),
    "dpo": Stage(dpo.DPOConfig, dpo.prepare),
    "ppo": Stage(ppo.PPOConfig, ppo.prepare),
}


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
