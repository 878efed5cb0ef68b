"""The run directory: all that a training is, on disk, so that any process can follow it, steer it and resume it.

    run.json        stage and configuration          metrics.jsonl   one line an optimiser step, appended
    status.json     state, step, what went wrong     samples.jsonl   one line a text sample, appended
    control         pause, resume or stop            log.txt         for people
    references.json losses to compare with          details.jsonl   what is seen beside the curves, appended
    step-000200/    a checkpoint with the optimiser's state
    snapshots/      step-000000/ and so on: checkpoints in half precision, for a time-lapse; they stay

When the run ends, its checkpoint itself lies beside these.

A process that trains holds the lock file `.lock` of its run and that of its device; the operating system releases
both when the process dies, however it dies. That is how everyone else knows whether it is alive. Nobody holds a run
that waits in the queue (core/queue.py).
"""

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.atomic_files import (
    atomic_directory,
    atomic_file,
    claim,
    delete,
    is_locked,
    is_temporary_of,
    remove,
    write_json,
    write_text,
)
from core.bounded_files import is_file, modified, read_json, read_text
from core.checkpoint import is_checkpoint
from core.config import plural
from core.training.failure import Failure, failure_of
from core.training.log_lines import is_number, is_whole, read_parts

log = logging.getLogger(__name__)
ACTIVE = ("created", "starting", "running", "paused")  # states in which a process holds the run, or is about to
QUEUED = "queued"  # it waits in the queue, and no process holds it
DAMAGED = "damaged"  # its status cannot be read, and no process holds it
STATES = (*ACTIVE, QUEUED, "stopped", "finished", "failed", "interrupted")  # that may be written down
START_SECONDS = 60  # a process that does not hold its run after this time will not come any more
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)  # by Windows
STEP = re.compile(r"step-\d{6,}")
CONTROL_BYTES = 100
FITS: dict[type, Callable[[Any], bool]] = {  # what a field of a status may hold
    int: is_whole,
    float: is_number,
    str: lambda value: isinstance(value, str),
}


@dataclass(frozen=True)
class Status:
    """What a run is doing. `interrupted`: it says it is active, but its process is gone."""

    state: str = "created"  # one of STATES, or DAMAGED
    message: str = ""  # one sentence: what it does just now, or why it failed, which is not written down
    failure: Failure | None = None  # why it failed, as facts; older runs have written the message only
    step: int = 0
    max_steps: int = 0
    device: str = ""
    processes: int = 1  # that share each batch
    pid: int = 0
    heartbeat: float = 0.0  # seconds since the epoch, when this was written

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


class Busy(ValueError):
    """Another training has the device."""


class Run:
    """One run directory. Reading never disturbs the process that writes."""

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self.metrics = self.directory / "metrics.jsonl"
        self.samples = self.directory / "samples.jsonl"
        self.log = self.directory / "log.txt"
        self.details = self.directory / "details.jsonl"
        self.references = self.directory / "references.json"
        self.optimizer_parts = self.directory / ".optimizer"  # of several processes, while a step is saved
        self.lock = FileLock(self.directory / ".lock", thread_local=False)

    @classmethod
    def create(
        cls, directory: str | Path, stage: str, config: dict[str, Any], forked_from: dict[str, Any] | None = None
    ) -> "Run":
        """Begin a run. Raises ValueError if the name is unfit or taken."""
        run = cls(directory)
        run.check_free()
        origin = {"forked_from": forked_from} if forked_from else {}
        with claim(run.directory, run.ended_before_first_step):
            write_json(run.directory / "run.json", {"stage": stage, "config": config} | origin)
            run.write_status(Status())
        return run

    def fork(self, directory: str | Path, step: int, config: dict[str, Any]) -> "Run":
        """A new run with another configuration that goes on from a saved step of this one; 0 is the beginning.

        It has this run's past: its metrics, samples and snapshots up to there. Raises ValueError if the step is not
        saved, or the name unfit or taken.
        """
        saved = self.step_directory(step)
        if step and not saved.exists():
            there = ", ".join(str(step_number(path)) for path in self.saved_steps()) or "none"
            raise ValueError(f"{self.name} has not kept step {step}: kept are {there}; 0 is the beginning")
        fork = Run.create(directory, self.read()[0], config, {"run": self.name, "step": step})
        if step:
            for path in (self.metrics, self.samples, self.details):
                if is_file(path):
                    shutil.copy(path, fork.directory, follow_symlinks=False)
            if self.snapshots():
                shutil.copytree(self.directory / "snapshots", fork.directory / "snapshots", symlinks=True)
            with atomic_directory(fork.step_directory(step)) as temporary:
                shutil.copytree(saved, temporary, symlinks=True, dirs_exist_ok=True)
            fork.rewind(step)
            fork.write_status(replace(Status(), step=step))
        return fork

    def check_free(self) -> None:
        """Raise ValueError if this run's name is unfit or taken."""
        check_name(self.name)
        if os.path.lexists(self.directory) and not is_empty(self.directory) and not self.ended_before_first_step():
            raise ValueError(f"there is already something called {self.name}: choose another name")

    def ended_before_first_step(self) -> bool:
        """Did it fail, or was it stopped, before its first step? Then nothing is lost, and its name is free."""
        began = is_file(self.metrics) or is_checkpoint(self.directory)
        return is_file(self.directory / "status.json") and not began and self.status().state in ("failed", "stopped")

    @property
    def name(self) -> str:
        return self.directory.name

    def read(self) -> tuple[str, dict[str, Any]]:
        """(stage, flat configuration). Raises ValueError if the directory holds no run."""
        path = self.directory / "run.json"
        content = read_json(path)
        if not isinstance(content.get("stage"), str) or not isinstance(content.get("config"), dict):
            raise ValueError(f"{path} is damaged: it should hold a stage and a config")
        return content["stage"], content["config"]

    def change_config(self, config: dict[str, Any]) -> None:
        """Another configuration for a run that no process holds."""
        write_json(self.directory / "run.json", read_json(self.directory / "run.json") | {"config": config})

    def forked_from(self) -> dict[str, Any] | None:
        """{"run", "step"} of which this one is the continuation, if it is one."""
        origin = read_json(self.directory / "run.json").get("forked_from")
        return origin if isinstance(origin, dict) else None

    # --- status and control -----------------------------------------------------------------------------------

    def status(self) -> Status:
        """What the run is doing. Never raises: if that cannot be read, the message says why."""
        try:
            status = self.read_status()
            if status.active and not self.is_held():
                status = self.read_status()  # it may have ended in good order between the two looks
                if status.active and not self.is_coming(status):
                    message = "its process has ended; it can be resumed"
                    return replace(status, state="interrupted", message=message)
            return status
        except ValueError as error:
            return Status("running" if self.is_held() else DAMAGED, str(error))

    def is_coming(self, status: Status) -> bool:
        """Has it been created just now, so that its process may still be starting?"""
        age = abs(time.time() - status.heartbeat)  # clocks are set back, too
        return status.state == "created" and age <= START_SECONDS

    def read_status(self) -> Status:
        """As it is written down. Raises ValueError if that cannot be read."""
        path = self.directory / "status.json"
        try:
            return self.explained(status_of(read_json(path)))
        except TypeError as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def explained(self, status: Status) -> Status:
        """With the sentence about its failure, if it failed."""
        if status.failure is None:
            return status
        return replace(status, message=status.failure.sentence(self.saved_steps(), self.log))

    def write_status(self, status: Status) -> None:
        """A failure belongs to a run that has failed; its sentence is made anew by whoever reads it.

        Where no file can be made any more, it is written over the old one: that it failed must not be lost.
        """
        if status.state != "failed":
            status = replace(status, failure=None)
        elif status.failure:
            status = replace(status, message="")
        stamped = replace(status, pid=os.getpid(), heartbeat=time.time())
        path = self.directory / "status.json"
        try:
            write_json(path, asdict(stamped))
        except OSError:
            if not is_file(path):
                raise
            overwrite(path, json.dumps(asdict(stamped)))

    def clear_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote has left behind."""
        inside, beside = self.directory.glob(".*.tmp"), self.directory.parent.glob(".*.tmp")
        mine = [path for path in beside if is_temporary_of(path, self.name)]
        for path in [*inside, *mine, *self.directory.glob("snapshots/.*.tmp")]:
            if not is_locked(path):
                delete(path)

    def request(self, command: str) -> None:
        """Ask the training process to `pause`, `resume` or `stop`; it obeys after the step it is in."""
        write_text(self.directory / "control", command)

    def requested(self) -> str:
        path = self.directory / "control"
        with suppress(ValueError):  # it may be taken away just now
            return read_text(path, CONTROL_BYTES) if is_file(path) else ""
        return ""

    def clear_stale_request(self) -> None:
        """Forget a request older than the status: it was meant for another process. A newer one is for this one."""
        control, status = self.directory / "control", self.directory / "status.json"
        if control.exists() and control.stat().st_mtime_ns < status.stat().st_mtime_ns:
            self.clear_request()

    def clear_request(self) -> None:
        (self.directory / "control").unlink(missing_ok=True)

    # --- who trains -------------------------------------------------------------------------------------------

    def is_held(self) -> bool:
        """Is there a living process that trains this run?"""
        return is_locked(self.directory / ".lock")

    def reserve(self) -> None:
        """Be the one process that trains this run, now or later, until `release`, or raise ValueError."""
        try:
            self.lock.acquire(timeout=2)  # a reader may hold it for an instant
        except Timeout:
            raise ValueError(f"{self.name} is being trained already") from None

    def release(self) -> None:
        self.lock.release()

    @contextmanager
    def hold(self, device: str) -> Iterator[None]:
        """Be the one process that trains this run, and the only training on `device`, or raise ValueError.

        It is Busy if another one has the device.
        """
        self.reserve()
        try:
            with hold_device(
                self.directory.parent, device, f", or let this one wait: python -m core run {self.directory} --queue"
            ):
                yield
        finally:
            self.release()

    # --- metrics ----------------------------------------------------------------------------------------------

    def rewind(self, step: int) -> None:
        """Forget what was written about steps after `step`: they are about to be taken again."""
        for path in (self.metrics, self.samples, self.details):
            if is_file(path):
                with atomic_file(path) as kept, kept.open("w", encoding="utf-8") as file:
                    damaged = 0
                    for part in read_parts(path):
                        damaged += part.damaged
                        file.writelines(json.dumps(line) + "\n" for line in part.lines if 0 < step >= line["step"])
                if damaged:
                    log.warning("%s of %s cannot be read and is left out", plural(damaged, "line"), path.name)
        for path in self.saved_steps():
            if step_number(path) > step:
                remove(path)
        for path in self.snapshots():
            if step == 0 or step_number(path) > step:  # one of step 0 may be of a run that failed under this name
                remove(path)

    def read_references(self) -> dict[str, float]:
        """Losses to compare with, by name. Raises ValueError if they cannot be read."""
        found = read_json(self.references) if is_file(self.references) else {}
        return {name: value for name, value in found.items() if is_number(value)}

    # --- saved steps and snapshots ----------------------------------------------------------------------------

    def step_directory(self, step: int) -> Path:
        return self.directory / f"step-{step:06d}"

    def saved_steps(self) -> list[Path]:
        """Directories of the saved steps, oldest first."""
        return steps_in(self.directory)

    def snapshot_directory(self, step: int) -> Path:
        return self.directory / "snapshots" / f"step-{step:06d}"

    def snapshots(self) -> list[Path]:
        """Directories of the snapshots, oldest first: checkpoints of weights alone, whose cards say step and loss."""
        return steps_in(self.directory / "snapshots")


def status_of(content: dict[str, Any]) -> Status:
    """The content of a status.json; other versions write other keys. Raises ValueError or TypeError if it is none."""
    found: dict[str, Any] = {}
    for name, example in vars(Status()).items():
        value = content.get(name, example)
        if name == "failure":
            found[name] = failure_of(value)
        elif FITS[type(example)](value):
            found[name] = value
        else:
            raise TypeError(f"{name} is {value!r:.40}, it must be of type {type(example).__name__}")
    if found["state"] not in STATES or found["processes"] < 1:
        raise ValueError(f"it tells of a state {found['state']!r:.40} of {found['processes']} processes")
    return Status(**found)


def overwrite(path: Path, text: str) -> None:
    """Put a text into a file that is there, which takes neither an inode nor, if it is short, a block of the disk."""
    with path.open("r+", encoding="utf-8") as file:
        file.write(text)
        file.truncate()


def is_empty(directory: Path) -> bool:
    """Is it a directory in which nothing lies, as far as one may look?"""
    try:
        return directory.is_dir() and not os.listdir(directory)
    except OSError:
        return False


def steps_in(directory: Path) -> list[Path]:
    return sorted((path for path in directory.glob("step-*") if STEP.fullmatch(path.name)), key=step_number)


def step_number(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def check_name(name: str) -> None:
    """Raise ValueError unless `name` can name a directory on every system, and nothing outside its parent."""
    if not name:
        raise ValueError("the name is empty: give the run a name")
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a run: use letters, digits, dots, dashes and underscores, "
            "64 at most, beginning with a letter or digit"
        )
    if RESERVED.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a run, as no file can be called so on Windows: choose another"
        )


def device_lock(checkpoints: Path, device: str) -> Path:
    """The file that is locked by whoever computes on `device` for this directory of checkpoints."""
    return checkpoints / f".{device}.lock"


@contextmanager
def hold_device(checkpoints: Path, device: str, otherwise: str = "") -> Iterator[None]:
    """Be the only one that trains on `device`, or raise Busy; `otherwise` ends its sentence."""
    try:
        with FileLock(device_lock(checkpoints, device), timeout=2):
            yield
    except Timeout:
        raise Busy(f"{busy_sentence(checkpoints, device)}{otherwise}") from None


def busy_sentence(checkpoints: Path, device: str) -> str:
    busy = [run.name for run in runs(checkpoints) if (s := run.status()).active and s.device == device]
    who = f"another training ({', '.join(busy)})" if busy else "another training, or a comparison of methods,"
    return f"{who} has the {device}: stop it first, or wait until it ends"


def runs(checkpoints: Path) -> list[Run]:
    """All runs below `checkpoints`, the latest begun first."""
    found = [path.parent for path in checkpoints.glob("*/run.json") if is_file(path.parent / "status.json")]
    return [Run(path) for path in sorted(found, key=lambda path: modified(path / "run.json"), reverse=True)]
