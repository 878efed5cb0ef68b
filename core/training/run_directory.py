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
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.checkpoint import atomic_directory, is_checkpoint, read_json, remove, write_json, write_text
from core.training.failure import Failure

ACTIVE = ("created", "starting", "running", "paused")  # states in which a process holds the run, or is about to
QUEUED = "queued"  # it waits in the queue, and no process holds it
START_SECONDS = 60  # a process that does not hold its run after this time will not come any more
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STEP = re.compile(r"step-\d{6,}")


@dataclass(frozen=True)
class Status:
    """What a run is doing. `interrupted`: it says it is active, but its process is gone."""

    state: str = "created"  # queued starting running paused stopped finished failed interrupted
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
        self.lock = FileLock(self.directory / ".lock", thread_local=False)

    @classmethod
    def create(
        cls, directory: str | Path, stage: str, config: dict[str, Any], forked_from: dict[str, Any] | None = None
    ) -> "Run":
        """Begin a run. Raises ValueError if the name is unfit or taken."""
        run = cls(directory)
        run.check_free()
        run.directory.mkdir(parents=True, exist_ok=True)
        origin = {"forked_from": forked_from} if forked_from else {}
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
                if path.exists():
                    shutil.copy(path, fork.directory)
            if self.snapshots():
                shutil.copytree(self.directory / "snapshots", fork.directory / "snapshots")
            with atomic_directory(fork.step_directory(step)) as temporary:
                shutil.copytree(saved, temporary, dirs_exist_ok=True)
            fork.rewind(step)
            fork.write_status(replace(Status(), step=step))
        return fork

    def check_free(self) -> None:
        """Raise ValueError if this run's name is unfit or taken."""
        check_name(self.name)
        taken = self.directory.exists() and (not self.directory.is_dir() or any(self.directory.iterdir()))
        if taken and not self.ended_before_first_step():
            raise ValueError(f"there is already something called {self.name}: choose another name")

    def ended_before_first_step(self) -> bool:
        """Did it fail, or was it stopped, before its first step? Then nothing is lost, and its name is free."""
        began = self.metrics.exists() or is_checkpoint(self.directory)
        return (self.directory / "status.json").exists() and not began and self.status().state in ("failed", "stopped")

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
        return read_json(self.directory / "run.json").get("forked_from")

    # --- status and control -----------------------------------------------------------------------------------

    def status(self) -> Status:
        status = self.read_status()
        if status.active and not self.is_held():
            status = self.read_status()  # it may have ended in good order between the two looks
            if status.active and not self.is_coming(status):
                message = "its process has ended; it can be resumed"
                return replace(status, state="interrupted", message=message)
        return status

    def is_coming(self, status: Status) -> bool:
        """Has it been created just now, so that its process may still be starting?"""
        age = abs(time.time() - status.heartbeat)  # clocks are set back, too
        return status.state == "created" and age <= START_SECONDS

    def read_status(self) -> Status:
        path = self.directory / "status.json"
        content = read_json(path)
        try:
            failure = content.pop("failure", None)
            known = {
                f.name: content[f.name] for f in fields(Status) if f.name in content
            }  # other versions write others
            return self.explained(Status(**known, failure=Failure(**failure) if failure else None))
        except TypeError as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def explained(self, status: Status) -> Status:
        """With the sentence about its failure, if it failed."""
        if status.failure is None:
            return status
        return replace(status, message=status.failure.sentence(self.saved_steps(), self.log))

    def write_status(self, status: Status) -> None:
        """A failure belongs to a run that has failed; its sentence is made anew by whoever reads it."""
        if status.state != "failed":
            status = replace(status, failure=None)
        elif status.failure:
            status = replace(status, message="")
        stamped = replace(status, pid=os.getpid(), heartbeat=time.time())
        write_json(self.directory / "status.json", asdict(stamped))

    def clear_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote has left behind."""
        inside, beside = self.directory.glob(".*.tmp"), self.directory.parent.glob(f".{self.name}.*.tmp")
        for path in [*inside, *beside, *self.directory.glob("snapshots/.*.tmp")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def request(self, command: str) -> None:
        """Ask the training process to `pause`, `resume` or `stop`; it obeys after the step it is in."""
        write_text(self.directory / "control", command)

    def requested(self) -> str:
        path = self.directory / "control"
        return path.read_text(encoding="utf-8") if path.exists() else ""

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
        try:
            with FileLock(self.directory / ".lock", timeout=0):
                return False
        except Timeout:
            return True

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
            with FileLock(self.directory.parent / f".{device}.lock", timeout=2):
                yield
        except Timeout:
            waits = f"or let this one wait: python -m core run {self.directory} --queue"
            raise Busy(f"{busy_sentence(self.directory.parent, device)}, {waits}") from None
        finally:
            self.release()

    # --- metrics ----------------------------------------------------------------------------------------------

    def rewind(self, step: int) -> None:
        """Forget what was written about steps after `step`: they are about to be taken again."""
        for path in (self.metrics, self.samples, self.details):
            if path.exists():
                lines, _ = read_lines(path)
                write_text(path, "".join(json.dumps(line) + "\n" for line in lines if 0 < step >= line["step"]))
        for path in self.snapshots():
            if step == 0 or step_number(path) > step:  # one of step 0 may be of a run that failed under this name
                remove(path)

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


def busy_sentence(checkpoints: Path, device: str) -> str:
    busy = [run.name for run in runs(checkpoints) if (s := run.status()).active and s.device == device]
    who = f" ({', '.join(busy)})" if busy else ""
    return f"another training{who} has the {device}: stop it first, or wait until it ends"


def runs(checkpoints: Path) -> list[Run]:
    """All runs below `checkpoints`, the latest begun first."""
    found = [path.parent for path in checkpoints.glob("*/run.json") if (path.parent / "status.json").exists()]
    return [Run(path) for path in sorted(found, key=lambda path: (path / "run.json").stat().st_mtime, reverse=True)]


def append_line(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The JSON lines of a growing file from byte `offset` on, and the offset to go on from.

    A last line that is not complete yet is left for the next time.
    """
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)
