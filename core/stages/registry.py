"""The stages by name, and what is looked up in them."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.checkpoint import CHAT_TEMPLATE, Card, is_checkpoint, read_card
from core.config import CHECKPOINTS
from core.diagnostics.verdict import FinishedRun, Verdict
from core.skills.of_run import learned, learns_text
from core.stages import classify, dpo, grpo, ppo, pretrain, reward_model, sft
from core.stages.base import Stage
from core.stages.data_files import NOTED, check_unchanged, noted_on
from core.training import distributed
from core.training.device import pick_device
from core.training.launch import train_together
from core.training.log_lines import is_number, read_lines
from core.training.long_log import LongLog
from core.training.run_directory import Run, Status
from core.training.runner import Job, Progress, execute

log = logging.getLogger(__name__)
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        pretrain.STAGE,
        sft.STAGE,
        classify.STAGE,
        reward_model.STAGE,
        dpo.STAGE,
        ppo.STAGE,
        grpo.STAGE,
    )
}
# Those that follow a preference, by name, and the one that makes what PPO follows: they are compared with each other.
DPO, PPO, GRPO, REWARD = (stage.name for stage in (dpo.STAGE, ppo.STAGE, grpo.STAGE, reward_model.STAGE))


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
    """Execute or resume a run, whatever its stage, in as many processes as it takes, and say what came of it."""
    stage, config = stage_of(run)
    if distributed.world_size() > 1 and not stage.several:
        raise ValueError(f"{stage.title} trains in one process: start it without torchrun")
    processes = 1 if distributed.is_launched() else stage.processes(config)
    if processes > 1 and run.status().state != "finished":
        return train_together(run, processes, pick_device(config.fit.device))
    status = execute(run, config.fit, lambda saved, device, say: prepare(stage, config, saved, device, say))
    if distributed.is_main():
        tell_verdict(run)
    return status


def tell_verdict(run: Run) -> None:
    """Log what came of a run. What cannot be read, its parent's card perhaps, takes nothing from it."""
    try:
        found = verdict(run)
    except ValueError as error:
        log.warning("what came of it cannot be told: %s", error)
        return
    for sentence in (found.changed, found.certainty, found.next) if found else ():
        log.info(sentence)


def verdict(run: Run) -> Verdict | None:
    """What came of a run that has made a checkpoint, by its stage; None while it goes on, or if nothing can be said."""
    stage, config = stage_of(run)
    if stage.verdict is None or run.status().state not in ("finished", "stopped") or not is_checkpoint(run.directory):
        return None
    card = read_card(run.directory / "card.json")
    given = {line["step"]: line["answers"] for line in read_lines(run.details)[0] if line.get("answers")}
    before, after = given.get(0, []), given.get(card.step, [])
    if [answer["prompt"] for answer in before] != [answer["prompt"] for answer in after]:
        before = after = []
    values = config.to_dict()
    parent = Path(values.get("parent") or "").expanduser()
    finished = FinishedRun(
        lines=LongLog(run.metrics).read().lines,
        kept=card.step,
        config=values,
        measured={name: value for name, value in card.report.items() if is_number(value)},
        before=before,
        after=after,
        references=run.read_references(),
        learned=learned(run).births.born if learns_text(run) else (),
        parent=card.parent or "",
        parent_answers=is_checkpoint(parent) and answers(read_card(parent / "card.json")),
    )
    return stage.verdict(finished)


def prepare(stage: Stage, config: Any, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The stage's job, whose card notes which files it learns from.

    Raises ValueError if one of them is not the one from which the run has learned up to the step `saved`.
    """
    noted = noted_on(read_card(saved / "card.json")) if saved else {}
    if noted is None:
        log.info("this run is older than the notes on files: whether its data are still the same cannot be told")
    files = check_unchanged(stage, config, noted or {}, "or begin a new run")
    job = stage.prepare(config, saved, device, say)
    return replace(job, card=replace(job.card, data=job.card.data | {NOTED: files}))


def check_data(card: Card) -> None:
    """Raise ValueError if a file that the model has learned from has changed: what was held out of it is not known."""
    if noted := noted_on(card):
        stage = stage_called(card.stage)
        check_unchanged(stage, stage.config.from_dict(card.config), noted, "or train a new model on the new one")


def answers(card: Card) -> bool:
    """Was the model taught to answer in turns (core/conversation.py)? Other language models continue texts."""
    return CHAT_TEMPLATE in card.data or (card.stage in STAGES and STAGES[card.stage].answers)


def is_aligned(card: Card) -> bool:
    """Does the model answer, and was it bent to what people prefer?"""
    return card.stage in STAGES and STAGES[card.stage].answers and STAGES[card.stage].aligns


def checkpoint_settings(stages: Iterable[Stage] | None = None) -> list[str]:
    """The settings by which a stage, or any, names another checkpoint."""
    found = (name for stage in stages or STAGES.values() for name in stage.settings_that_name(*CHECKPOINTS))
    return [*dict.fromkeys(found)]
