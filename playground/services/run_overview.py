"""All runs in a table: how each ended, its best loss, its time, and in which settings it differs from the others."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from core.atomic_files import size_of
from core.config import plural
from core.stages.registry import STAGES
from core.training.run_directory import DAMAGED, Run
from playground.services.run_log import Line, rounded, worked_seconds
from playground.services.training_jobs import Jobs

ALONE = ("device", "seed")  # settings that tell no story


class RunOverview:
    """The rows of the table. What a log holds is read again when the log has grown."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        self.measured: dict[Path, tuple[int, dict[str, Any]]] = {}  # of each log, with the length that it had

    def rows(self, stages: Collection[str]) -> list[dict[str, Any]]:
        """The latest first; a run that cannot be read has its name and what is wrong with it."""
        found = [self.row(name) for name in self.jobs.names(stages)]
        for stage in {row["stage"] for row in found}:
            alike = [row for row in found if row["stage"] == stage]
            for row, differs in zip(alike, differing([row.pop("config") for row in alike]), strict=True):
                row["settings"] = differs
        return found

    def row(self, name: str) -> dict[str, Any]:
        try:
            run, status = self.jobs.run(name), self.jobs.status(name)
            if status.state == DAMAGED:
                raise ValueError(status.message)
            stage, config = run.read()
            measured = self.measure(run)
        except (ValueError, TypeError, AttributeError, OSError) as error:  # whatever lies there, it is this row's alone
            own = (self.jobs.directory / name).is_dir()  # then it can be thrown away
            broken = {"state": "damaged", "trouble": str(error), "step": 0, "active": False, "own": own}
            return broken | {"name": name, "stage": "", "title": "", "config": {}, "best": None, "seconds": None}
        known = STAGES.get(stage)
        own = run.directory.parent == self.jobs.directory
        return measured | {
            "name": name,
            "stage": stage,
            "title": known.title if known else stage,
            "state": status.state,
            "step": status.step,
            "active": status.active,
            "own": own,
            "config": config,
        }

    def measure(self, run: Run) -> dict[str, Any]:
        size = size_of(run.metrics)
        before, measured = self.measured.get(run.metrics, (-1, {}))
        if size != before:
            lines, _, damaged, _ = self.jobs.logs.read(run.metrics)
            left_out = f"left out of {run.metrics.name}: {plural(damaged, 'damaged line')}" if damaged else ""
            measured = {"best": best_loss(lines), "seconds": worked_seconds(lines), "trouble": left_out}
            self.measured[run.metrics] = size, measured
        return measured


def best_loss(lines: Sequence[Line]) -> float | None:
    """The lowest validation loss."""
    losses = [line["loss/val"] for line in lines if line.get("loss/val") is not None]
    found: float | None = rounded(min(losses)) if losses else None
    return found


def differing(configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each configuration the settings that are not as in most of them."""
    usual: dict[str, Any] = {}
    for name in {name for config in configs for name in config if name not in ALONE}:
        counts = Counter(repr(config.get(name)) for config in configs)
        usual[name] = counts.most_common(1)[0][0]
    return [
        {name: value for name, value in config.items() if name in usual and repr(value) != usual[name]}
        for config in configs
    ]
