"""Comparisons, each computed by a process of its own (core/method_comparison.py), as the page shows them.

All that is known of one lies in its directory: so it goes on when this process ends, and is found again by the next.
"""

import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core import goodhart
from core.method_comparison import create, planned
from core.method_comparison_file import (
    CREATED,
    DIRECTORY,
    FAILED,
    FINISHED,
    LOG,
    Comparison,
    comparisons,
    delete_comparison,
    forget_stop,
    last_points,
    look_at_comparison,
    prices,
    request_stop,
    seconds_left,
    write_comparison,
)
from core.method_comparison_settings import GOODHART, ComparisonConfig
from core.preferences.rule_annotators import RULES
from core.training.detached import start_detached
from core.training.device import pick_device
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs
from playground.ui.text import sentence

LOG_END = 300  # characters of a log's last line that a sentence repeats


class MethodComparisons:
    """Those below one directory of checkpoints; one is computed at a time."""

    def __init__(self, checkpoints: Checkpoints, jobs: Jobs):
        self.checkpoints, self.jobs = checkpoints, jobs
        self.begun: dict[str, subprocess.Popen[bytes]] = {}  # the processes that this one has started

    # --- what a person does -------------------------------------------------------------------------------------

    def start(self, config: ComparisonConfig) -> str:
        """Begin one; its name. Raises ValueError in words if it cannot be, or something else has the device."""
        self.refuse_if_busy(config)
        name = self.free_name(config)
        self.compute(create(self.checkpoints.directory, name, config))
        return name

    def resume(self, name: str) -> None:
        """Go on with one that was stopped or cut off. Raises ValueError likewise, and if it has ended."""
        directory = self.path(name)
        found = self.look(directory)
        self.refuse_if_busy(found.config)
        if not found.can_resume:
            raise ValueError(f"{name} was {found.state}: begin a new one")
        forget_stop(directory)
        write_comparison(directory, replace(found, state=CREATED, message=""))
        self.compute(directory)

    def refuse_if_busy(self, config: ComparisonConfig) -> None:
        place = self.checkpoints.directory
        if going := next((path.name for path in comparisons(place) if self.is_running(path)), ""):
            raise ValueError(f"the comparison {going} is going on: stop it first, or wait until it ends")
        self.jobs.refuse_if_busy(pick_device(config.device).type)

    def compute(self, directory: Path) -> None:
        """Start the process of one that was created, stopped or cut off."""
        arguments = ["compare-methods", directory.name, "--directory", str(directory.parents[1].resolve()), "--resume"]
        self.begun[directory.name] = start_detached(arguments, None, directory / LOG)

    def delete(self, name: str) -> None:
        """Raises ValueError if it is not there, or goes on."""
        directory = self.path(name)
        if self.is_running(directory):
            raise ValueError(f"{name} goes on: stop it first")
        delete_comparison(directory)

    def stop(self, name: str) -> None:
        """Ask one to end. Raises ValueError if it is not there, or does not go on."""
        directory = self.path(name)
        if not self.is_running(directory):
            raise ValueError(f"{name} has ended already")
        request_stop(directory)

    def seconds(self, config: ComparisonConfig) -> float:
        """How long one takes, about. Raises ValueError if its parent cannot be read."""
        return sum(part.expected for part in planned(config))

    # --- what there is --------------------------------------------------------------------------------------------

    def free_name(self, config: ComparisonConfig) -> str:
        stem = f"{Path(config.parent).name[:40]}-{config.rule}"
        taken = {path.name for path in (self.checkpoints.directory / DIRECTORY).glob("*")}
        return next(name for i in range(1, len(taken) + 2) if (name := f"{stem}-{i}") not in taken)

    def path(self, name: str) -> Path:
        """Where the comparison called `name` lies. Raises ValueError if there is none."""
        found = {path.name: path for path in comparisons(self.checkpoints.directory)}
        if name not in found:
            raise ValueError(f"there is no comparison called {name!r} any more: choose another one")
        return found[name]

    def look(self, directory: Path) -> Comparison:
        """As it is now; one whose process died before it could say anything has failed."""
        found, process = look_at_comparison(directory), self.begun.get(directory.name)
        died = process is not None and process.poll() is not None  # which lets the system forget the process
        if died and found.state == CREATED:
            lines = (directory / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
            said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
            found = replace(found, state=FAILED, message=f"its process has ended at once; it said: {said[:LOG_END]}")
            write_comparison(directory, found)
        return found

    def is_running(self, directory: Path) -> bool:
        try:
            return self.look(directory).goes_on
        except ValueError:  # a damaged one is not
            return False

    def kept(self) -> list[list[str]]:
        """[name, what is read, kind] of each, the latest first; also of those that cannot be read, of no kind."""
        found = []
        for directory in comparisons(self.checkpoints.directory):
            try:
                known = look_at_comparison(directory)
                found.append([directory.name, title(known), known.kind])
            except ValueError:
                found.append([directory.name, f"{directory.name} (damaged)", ""])
        return found

    def status(self, name: str) -> dict[str, Any]:
        """All that the page shows of one. Raises ValueError that names its file if it is damaged."""
        found = self.look(self.path(name))
        rule = RULES[found.config.rule]
        return {
            "name": name,
            "kind": found.kind,
            "title": title(found),
            "state": found.state,
            "running": found.goes_on,
            "resumable": found.can_resume,
            "message": sentence(found.message) if found.message else "",
            "parent": found.parent,
            "rule": {"title": rule.title, "about": rule.about, "unit": rule.unit},
            "left": seconds_left(found),
            "parts": [asdict(part) | {"title": part.title} for part in found.parts],
            "points": [asdict(point) for point in found.points],
            **(of_goodhart(found) if found.kind == GOODHART else of_methods(found)),
        }


def of_methods(comparison: Comparison) -> dict[str, Any]:
    return {
        "last": [comparison.points.index(point) for point in last_points(comparison)],
        "prices": {price.method: asdict(price) for price in prices(comparison)},
    }


def of_goodhart(comparison: Comparison) -> dict[str, Any]:
    return {
        "gold": {"mean": comparison.gold_mean, "std": comparison.gold_std},
        "votes": [proxy.votes for proxy in comparison.proxies],
        "found": goodhart.describe(comparison),
    }


def title(comparison: Comparison) -> str:
    day, _, time = comparison.created.removesuffix("Z").partition("T")
    ended = "" if comparison.goes_on or comparison.state == FINISHED else f", {comparison.state}"
    return f"{comparison.parent}, {RULES[comparison.config.rule].title} · {day} {time[:5]} UTC{ended}"
