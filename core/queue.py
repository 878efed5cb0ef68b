"""The queue of a directory of checkpoints: trainings that wait, in an order, each with what it waits for.

A run that waits has the state `queued`; `.queue.json` says in which order, and what each waits for. No process watches
over it. Whoever ends a training begins the next one, and so does whoever opens the playground or changes the queue: it
goes on with the page closed, and after the machine was started again. All changes are made under one lock, so that no
run is begun twice. A run that says that it waits, but is not in the file, is begun by nobody until a person says so.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from core.atomic_files import is_locked
from core.queue_file import Entry, read_entries, write_entries
from core.stages.memory_fit import MemoryNeed, fitted_here, known_need
from core.stages.registry import checkpoint_settings, stage_of
from core.training.detached import start_detached
from core.training.device import pick_device
from core.training.run_directory import QUEUED, Run, Status, device_lock, runs

LOCK_SECONDS = 30.0  # a change takes milliseconds
OTHERS = "a comparison of methods"  # what else holds a device (core/method_comparison.py)
IN_QUEUE = "waits in the queue"  # in status.json; why, is told by who looks


@dataclass(frozen=True)
class Reason:
    """Why a run waits.

    kind       other                    text
    begins                                            nothing is in its way
    device     the run that holds it    the device
    order      the run before it
    model      the run that makes it
    ended      that run                 how it ended
    memory                              a sentence
    damaged                             a sentence
    """

    kind: str
    other: str = ""
    text: str = ""

    @property
    def asks(self) -> bool:
        """Does it wait for an answer?"""
        return self.kind in ("ended", "memory", "damaged")

    def sentence(self) -> str:
        return {
            "begins": "it begins now",
            "device": f"the {self.text} is held by {self.other}",
            "order": f"after {self.other}, which comes before it",
            "model": f"after {self.other}, whose model it needs",
            "ended": f"{self.other}, whose model it needs, {self.text}: resume that one, or start this one anyway",
            "memory": f"{self.text}: fit it, or start it anyway",
            "damaged": f"{self.text}: start it anyway, or remove it",
        }[self.kind]


class Waiting(NamedTuple):
    entry: Entry
    reason: Reason


class Begun(NamedTuple):
    run: Run
    process: subprocess.Popen[bytes]


# --- who waits, and why ---------------------------------------------------------------------------------------


def waiting(checkpoints: Path) -> list[Waiting]:
    """The queue in its order. Takes no lock, and no bad entry hides the others."""
    states = statuses(checkpoints)
    queued = [name for name, status in states.items() if status.state == QUEUED]
    if not queued:
        return []
    entries = [entry for entry in read_entries(checkpoints) if entry.name in queued]
    known = {entry.name for entry in entries}
    lost = sorted((name for name in queued if name not in known), key=lambda name: states[name].heartbeat)
    entries += [Entry(name, damage="its place in the queue was lost") for name in lost]
    held = {s.device: Reason("device", name, s.device) for name, s in states.items() if s.active and s.device}
    found = []
    for entry in entries:
        reason = why(entry, checkpoints, states)
        if reason is None:
            device = device_of(Run(checkpoints / entry.name))
            others = Reason("device", OTHERS, device) if is_locked(device_lock(checkpoints, device)) else None
            reason = held.get(device, others or Reason("begins"))
            held[device] = Reason("order", entry.name)
        found.append(Waiting(entry, reason))
    return found


def why(entry: Entry, checkpoints: Path, states: Mapping[str, Status]) -> Reason | None:
    """What an entry waits for beside its device, if anything."""
    if entry.damage:
        return Reason("damaged", text=entry.damage)
    try:
        device_of(Run(checkpoints / entry.name))
    except ValueError as error:
        return Reason("damaged", text=str(error))
    for name in entry.after:
        state = states[name].state if name in states else "is not there any more"
        if state == QUEUED or (name in states and states[name].active):
            return Reason("model", name)
        if state != "finished":
            return Reason("ended", name, HOW_ENDED.get(state, state))
    if entry.need and not entry.need.fits and not entry.agreed:
        return Reason("memory", text=entry.need.sentence())
    return None


HOW_ENDED = {"failed": "failed", "stopped": "was stopped", "interrupted": "was interrupted"}


def statuses(checkpoints: Path) -> dict[str, Status]:
    """The status of each run whose status can be read."""
    found = {}
    for run in runs(checkpoints):
        with contextlib.suppress(ValueError):  # a damaged one says so where it is looked at
            found[run.name] = run.status()
    return found


def device_of(run: Run) -> str:
    """Raises ValueError if the run cannot be read, or the device is not there."""
    _, config = stage_of(run)
    return pick_device(config.fit.device).type


def unfinished_models(run: Run) -> list[str]:
    """The runs beside this one that are still to make a model which it names. ValueError if it cannot be read."""
    stage, config = stage_of(run)
    values, place = config.to_dict(), run.directory.parent
    named = [Path(values[name]).expanduser() for name in checkpoint_settings([stage]) if values[name]]
    beside = [path.name for path in named if path.parent.resolve() == place.resolve()]
    states = statuses(place)
    return [name for name in dict.fromkeys(beside) if name in states and is_unfinished(states[name])]


def is_unfinished(status: Status) -> bool:
    return status.active or status.state == QUEUED


# --- changes --------------------------------------------------------------------------------------------------


def add(run: Run, agreed: bool = False) -> None:
    """Let a run wait at the end of the queue for its device, and for models that it names and that are to be made.

    agreed: it may begin although it does not fit into memory.

    Raises ValueError if it waits already, is being trained, finished, or cannot be read.
    """
    stage, config = stage_of(run)
    need = None if agreed else known_need(stage, config)
    entry = Entry(run.name, tuple(unfinished_models(run)), str(Path.cwd()), need, agreed)
    with changing(run.directory.parent) as entries:
        status = run.status()
        if reason := refusal(run, status):
            raise ValueError(f"{run.name} {reason}")
        entries.append(entry)
        run.write_status(Status(QUEUED, IN_QUEUE, step=status.step, max_steps=config.fit.max_steps))


def refusal(run: Run, status: Status) -> str:
    """Why it cannot wait; one that has been created, and not begun, can."""
    if status.state in (QUEUED, "finished"):
        return "is in the queue already" if status.state == QUEUED else "is finished: there is nothing left to train"
    is_new = status.state == "created" and not status.device and not run.is_held()
    return "is being trained already" if status.active and not is_new else ""


def move(checkpoints: Path, name: str, by: int) -> None:
    """Let a run change places with the one before it (-1) or after it (1)."""
    with changing(checkpoints) as entries:
        at = index(entries, name)
        to = min(max(at + by, 0), len(entries) - 1)
        entries.insert(to, entries.pop(at))


def remove(checkpoints: Path, name: str, why: str = "taken out of the queue") -> None:
    """Take a run out of the queue; it can be resumed."""
    with changing(checkpoints) as entries:
        del entries[index(entries, name)]
        run = Run(checkpoints / name)
        run.write_status(replace(run.read_status(), state="stopped", message=f"{why}; it can be resumed"))


def start_anyway(checkpoints: Path, name: str) -> None:
    """Answer for a run that asks: it needs no more than its device. It takes its models as they are."""
    with changing(checkpoints) as entries:
        at = index(entries, name)
        states = statuses(checkpoints)
        still = tuple(other for other in entries[at].after if other in states and is_unfinished(states[other]))
        entries[at] = replace(entries[at], after=still, agreed=True, damage="")


def fit(checkpoints: Path, name: str) -> None:
    """Give a run the micro-batches, and recomputation, with which it fits. Raises ValueError if none do."""
    run = Run(checkpoints / name)
    stage, config = stage_of(run)
    smaller = replace(config, fit=fitted_here(stage, config))
    with changing(checkpoints) as entries:
        at = index(entries, name)
        run.change_config(smaller.to_dict())
        entries[at] = replace(entries[at], need=known_need(stage, smaller))


def put_back(run: Run, need: MemoryNeed | None, agreed: bool) -> None:
    """Let a run that was begun wait again, before all others: its device is held, or it does not fit."""
    with changing(run.directory.parent) as entries:
        entries.insert(0, Entry(run.name, place=str(Path.cwd()), need=need, agreed=agreed))
        run.write_status(replace(run.read_status(), state=QUEUED, message=IN_QUEUE))


def start_next(checkpoints: Path) -> list[Begun]:
    """Begin each run that nothing keeps waiting, in a process of its own; one that cannot be begun is taken out."""
    if not read_entries(checkpoints) or not any(reason.kind == "begins" for _, reason in waiting(checkpoints)):
        return []  # which is asked every few seconds: no lock is taken, and nothing written
    begun = []
    with changing(checkpoints) as entries:
        for entry, reason in waiting(checkpoints):
            if reason.kind == "begins":
                entries[:] = [other for other in entries if other.name != entry.name]
                begun += begin(Run(checkpoints / entry.name), entry)
    return begun


def begin(run: Run, entry: Entry) -> list[Begun]:
    status = begun_status(run)
    run.write_status(status)
    options = ["--queued", *(["--anyway"] if entry.agreed or entry.need else [])]
    place = Path(entry.place) if entry.place else None
    try:
        arguments = ["run", str(run.directory.resolve()), *options]
        return [Begun(run, start_detached(arguments, place, run.log))]
    except OSError as error:
        run.write_status(replace(status, state="stopped", message=f"its process could not be started: {error}"))
        return []


def begun_status(run: Run) -> Status:
    return replace(run.read_status(), state="created", message="waiting for its process", device=device_of(run))


def claim(run: Run) -> bool:
    """Take a run out of the queue to train it in this process; False if another has, or it was removed."""
    with changing(run.directory.parent) as entries:
        if run.status().state != QUEUED:
            return False
        entries[:] = [other for other in entries if other.name != run.name]
        run.write_status(begun_status(run))
    return True


# --- one at a time -------------------------------------------------------------------------------------------------


@contextmanager
def changing(checkpoints: Path) -> Iterator[list[Entry]]:
    """The entries, to be changed in place; they are written when the block succeeds. One process at a time.

    Those of runs that do not wait any more are left out, and those that were lost are found again.
    """
    lock = FileLock(checkpoints / ".queue.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise ValueError("another process is changing the queue: try again") from None
    try:
        entries = [entry for entry, _ in waiting(checkpoints)]
        yield entries
        write_entries(checkpoints, entries)
    finally:
        lock.release()


def index(entries: Sequence[Entry], name: str) -> int:
    found = [at for at, entry in enumerate(entries) if entry.name == name]
    if not found:
        raise ValueError(f"{name} is not in the queue")
    return found[0]
