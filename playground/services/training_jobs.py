"""Trainings as processes of their own: start, follow, pause, stop, resume.

A training is `python -m core run DIRECTORY`, detached: closing the page, reloading it or killing this process does not
touch it. One that cannot begin at once waits in the queue (core/queue.py). All that is known about a training is in its
run directory, so whoever comes back finds it again.
"""

import contextlib
import itertools
import logging
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from core import queue
from core.bounded_files import is_file, open_file
from core.command_line import command_of
from core.config import Config, leaves, setting_of
from core.diagnostics.doctor import diagnose
from core.diagnostics.finding import Finding
from core.diagnostics.memory_kill import killed_for_memory
from core.roots import Roots
from core.stages.base import Stage
from core.stages.memory_fit import known_need
from core.stages.registry import STAGES, stage_of
from core.training.device import pick_device, total_memory
from core.training.failure import Failure
from core.training.log_lines import read_lines
from core.training.long_log import LogCache, LongLog
from core.training.run_directory import QUEUED, Run, Status, busy_sentence, check_name, runs, step_number
from playground.services.run_export import write_csv, write_tensorboard
from playground.services.run_log import MOST_ROWS, recent, rows_allowed, seconds_left, some_samples, table

log = logging.getLogger(__name__)
TENDED_SECONDS = 5.0
LOG_BYTES = 65_536  # of a log that the page shows
LOG_END = 300  # characters of its last line that a sentence repeats
BEGINNING = ("created", "starting")  # a resumed run may still hold steps that it is about to take again
ACTIONS: dict[str, Callable[[Path, str], None]] = {  # on what waits in the queue
    "up": partial(queue.move, by=-1),
    "down": partial(queue.move, by=1),
    "remove": queue.remove,
    "fit": queue.fit,
    "anyway": queue.start_anyway,
}


class Jobs:
    """The runs below one checkpoints directory."""

    def __init__(self, directory: Path, read_only: Sequence[Path] = ()):
        self.directory, self.roots = directory, Roots(directory, tuple(read_only))
        self.begun: dict[str, subprocess.Popen[bytes]] = {}  # the processes that this one has started
        self.logs = LogCache()
        self.interruptions: dict[tuple[str, float], Failure | None] = {}  # why, by run and its last heartbeat

    def names(self, stages: Collection[str] | None = None) -> list[str]:
        """All runs, one's own first, the latest begun first; of `stages`, if given, and those that cannot be read."""
        found = [*runs(self.directory), *self.finished_elsewhere()]
        return [run.name for run in found if stages is None or stage(run) in (*stages, "")]

    def finished_elsewhere(self) -> list[Run]:
        """The runs in read-only directories that have ended: of others it cannot be known what they are doing."""
        found = (run for root in self.roots.read_only for run in runs(root))
        return [run for run in found if self.roots.path(run.name) == run.directory and is_finished(run)]

    def free_names(self, *stems: str) -> list[str]:
        """`stem-1` for each stem, or the first number with which none is taken."""
        taken = {path.name for path in (*self.directory.iterdir(), *self.roots.directories())}
        numbered = ([f"{stem}-{i}" for stem in stems] for i in itertools.count(1))
        return next(names for names in numbered if not taken & set(names))

    def run(self, name: str) -> Run:
        """The run called `name`. Raises ValueError if there is none."""
        if name not in self.names():
            raise ValueError(f"there is no run called {name!r}" if name else "choose a run first")
        return Run(self.roots.path(name))

    def stage(self, name: str) -> str:
        """The name of the stage of the run called `name`, "" if it cannot be read."""
        return stage(Run(self.roots.path(name)))

    def active(self) -> Run | None:
        """The run that is being trained now, if any, rather than one that is only about to begin, or to wait."""
        states = [(run.status(), run) for run in runs(self.directory)]
        active = [(status.state in BEGINNING, run) for status, run in states if status.active]
        return min(active, key=itemgetter(0))[1] if active else None

    def unfinished(self, which: Callable[[Stage], bool]) -> dict[str, str]:
        """{name: state} of the runs of these stages that are being trained, or wait for it."""
        found = {}
        for run in runs(self.directory):
            known = STAGES.get(stage(run))
            if known and which(known) and queue.is_unfinished(status := run.status()):
                found[run.name] = status.state
        return found

    def start(self, name: str, stage: str, config: Config, agreed: bool = False) -> Run:
        """Create a run and begin it, or let it wait in the queue. Raises ValueError if the name is unfit or taken.

        agreed: it may begin although it does not fit into memory; otherwise it waits for an answer.
        """
        return self.start_all([(name, config)], stage, agreed)[0]

    def start_all(self, named: Sequence[tuple[str, Config]], stage: str, agreed: bool = False) -> list[Run]:
        """The same for several, which the queue begins in this order.

        Raises ValueError, and creates none, if a name is unfit or taken, no such device, or a start could only fail.
        """
        for name, config in named:
            self.check_free(name)
            STAGES[stage].check(config)
            pick_device(config.to_dict()["device"])
        if len({name.casefold() for name, _ in named}) < len(named):  # to some systems a and A are one
            raise ValueError(f"runs need different names, got {', '.join(name for name, _ in named)}")
        created = [Run.create(self.directory / name, stage, config.to_dict()) for name, config in named]
        for run in created:
            queue.add(run, agreed)
        self.go_on()
        return created

    def fork(self, name: str, origin: str, step: int, config: Config, agreed: bool = False) -> Run:
        """Begin a run that goes on from a saved step of the run `origin` with other settings; 0 is the beginning.

        Raises ValueError if the name is unfit or taken, or a setting changed on which the past hangs.
        """
        run, values = self.run(origin), config.to_dict()
        before = run.read()[1]
        kept = [f.name for f in leaves(type(config)) if setting_of(f).fixed]
        fixed = [name for name in kept if before.get(name, values[name]) != values[name]]
        if step and fixed:
            raise ValueError(
                f"a run that goes on from step {step:,} keeps its model and its data, so {', '.join(sorted(fixed))} "
                "cannot change: begin at the beginning instead"
            )
        self.check_free(name)
        fork = run.fork(self.directory / name, step, values)
        queue.add(fork, agreed)
        self.go_on()
        return fork

    def resume(self, name: str) -> None:
        """Go on with a paused run, or from the last saved step of one that was stopped, failed or was killed.

        It waits in the queue for its device. What has taken steps fits into memory, or was told to, unless it was
        interrupted for want of memory.
        """
        run = self.run(name)
        status = self.status(name)
        if status.state == "paused":
            run.request("resume")
        elif status.active:
            raise ValueError(f"{name} is being trained already")
        elif status.state == "finished":
            raise ValueError(f"{name} is finished: there is nothing left to resume")
        else:
            short = status.failure is not None and status.failure.kind == "memory"
            queue.add(run, agreed=is_file(run.metrics) and not short)
            self.go_on()

    def request(self, name: str, command: str) -> None:
        """Ask a run to `pause` or `stop`; one that waits is taken out of the queue. ValueError if it does neither."""
        run = self.run(name)
        status = run.status()
        if status.state == QUEUED and command == "stop":
            return self.change_queue(name, "remove")
        if not status.active:
            raise ValueError(f"{name} is not running")
        run.request(command)

    def check_free(self, name: str) -> None:
        """Raise ValueError if no run can be called so."""
        check_name(name)
        self.roots.refuse_taken(name)
        Run(self.directory / name).check_free()

    def refuse_if_busy(self, device: str) -> None:
        if any((status := run.status()).active and status.device == device for run in runs(self.directory)):
            raise ValueError(busy_sentence(self.directory, device))

    def queue(self) -> list[dict[str, Any]]:
        """The runs that wait, in order: name, why (a sentence and its kind), whether it waits for an answer."""
        return [
            {"name": entry.name, "kind": reason.kind, "why": reason.sentence(), "asks": reason.asks}
            for entry, reason in queue.waiting(self.directory)
        ]

    def change_queue(self, name: str, action: str) -> None:
        """One of ACTIONS on a run that waits; what can begin then is begun. Raises ValueError if it does not wait."""
        if action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}, got {action!r}")
        ACTIONS[action](self.directory, name)
        self.go_on()

    def go_on(self) -> None:
        """Begin what waits in the queue and nothing keeps waiting."""
        self.begun |= {run.name: process for run, process in queue.start_next(self.directory)}

    def tend_queue(self) -> None:
        """Let the queue go on for as long as this process lives: a training that is killed cannot begin the next."""
        while True:
            try:
                self.go_on()
            except (ValueError, OSError):
                log.exception("the queue could not go on")
            time.sleep(TENDED_SECONDS)

    def status(self, name: str) -> Status:
        """As the run says; a process of ours that died before it could say anything counts as interrupted."""
        run = self.run(name)
        process = self.begun.get(name)
        died = process is not None and process.poll() is not None  # which lets the system forget the process
        status = run.status()
        if died and status.state == "created":
            last = next(
                (line.strip() for line in reversed(self.log_text(name).splitlines()) if line.strip()), "nothing"
            )
            status = replace(status, state="failed", failure=Failure("unstarted", status.step, last[:LOG_END]))
            run.write_status(status)  # its name is free again, and whoever looks from elsewhere sees it, too
            return run.explained(status)
        if status.state == "interrupted":
            return run.explained(replace(status, failure=self.why_interrupted(run, status)))
        if status.state == QUEUED:
            why = next((found["why"] for found in self.queue() if found["name"] == name), status.message)
            return replace(status, message=f"waits: {why}")
        return status

    def why_interrupted(self, run: Run, status: Status) -> Failure | None:
        """That its memory did not suffice, if the kernel's log or the plan says so; looked for once."""
        key = (run.name, status.heartbeat)
        if key not in self.interruptions:
            with contextlib.suppress(ValueError):  # a run that cannot be read is interrupted all the same
                need = known_need(*stage_of(run))
                said = f"{need.sentence()}" if need else ""
                if killed_for_memory(status.pid, status.heartbeat):
                    self.interruptions[key] = Failure("memory", status.step, said, "kernel")
                elif need and not need.fits:
                    self.interruptions[key] = Failure("memory", status.step, said, "plan")
        return self.interruptions.setdefault(key, None)

    def follow(self, name: str, since: dict[str, int] | None = None) -> dict[str, Any]:
        """What is new in a run `since` the cursor that the last call returned; the first look is thinned out.

        Plain values, ready for the page: status, seconds left, `table` of the new lines, of how many more only the
        evaluations were read (`skipped`), samples, and the next cursor.
        `restart` says that what came before is void: another process resumed the run and may have taken steps again.
        With it comes `about`, what does not change while the run goes on.
        """
        run = self.run(name)
        status = self.status(name)
        since = since or {"pid": 0, "metrics": 0, "samples": 0}
        restart = status.pid != since["pid"] and status.state not in BEGINNING
        if restart:
            since = {"pid": status.pid, "metrics": 0, "samples": 0}
        lines: list[dict[str, Any]] = []
        samples: list[dict[str, Any]] = []
        cursor, skipped = since, 0
        if status.state not in BEGINNING:
            log = self.logs.read(run.metrics) if restart else LongLog(run.metrics, since["metrics"]).read()
            lines, metrics_end, _, skipped = log
            samples, samples_end = read_lines(run.samples, since["samples"])
            cursor = {"pid": since["pid"], "metrics": metrics_end, "samples": samples_end}
        return {
            "status": asdict(status) | {"active": status.active, "asked": run.requested() if status.active else ""},
            "left": seconds_left(recent(run.metrics), status.max_steps) if status.state == "running" else None,
            "restart": restart,
            **({"about": about(run)} if restart else {}),
            "skipped": skipped,
            **table(lines, MOST_ROWS if restart else rows_allowed(lines)),
            "samples": some_samples(samples),
            "cursor": cursor,
        }

    def details(self, name: str, offset: int) -> dict[str, Any]:
        """What a run has written beside its metrics from byte `offset` on, thinned out, and where to go on."""
        lines, end = read_lines(self.run(name).details, offset)
        return {"lines": some_samples(lines), "offset": end}

    def history(self, name: str) -> dict[str, Any]:
        """`table` of all that a run has logged so far."""
        return table(self.logs.read(self.run(name).metrics).lines, MOST_ROWS)

    def log_text(self, name: str) -> str:
        """The end of what a run has written for people."""
        log = self.run(name).log
        if not is_file(log):
            return ""
        with open_file(log) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
        return text if size <= LOG_BYTES else text.partition("\n")[2]

    def command(self, name: str) -> str:
        """The command that trains the same from the beginning."""
        run = self.run(name)
        stage, config = stage_of(run)
        return command_of(stage, run.directory, config)

    def export(self, name: str, kind: str, directory: Path) -> Path:
        """The whole log of a run as `csv` or for `tensorboard`, written into a directory."""
        run = self.run(name)
        if not recent(run.metrics):
            raise ValueError(f"{name} has not taken a step yet: there is nothing to save")
        if kind == "csv":
            write_csv(run.metrics, path := directory / f"{name}.csv")
        else:
            write_tensorboard(name, run.metrics, run.samples, path := directory / f"{name}-tensorboard.zip")
        return path

    def findings(self, name: str) -> list[tuple[Finding, int]]:
        """What the doctor says about a run, and for each finding the saved step to fork from: 0 is the beginning."""
        run, status = self.run(name), self.status(name)
        lines = [] if status.state in BEGINNING else self.logs.read(run.metrics).lines
        references = run.read_references()
        total = total_memory(pick_device(status.device)) if status.device in ("cpu", "cuda") else None
        stage, config = run.read()
        if stage not in STAGES:
            raise ValueError(f"{name} is a run of the stage {stage!r}, which is not known here")
        known = STAGES[stage]
        usual = known.usual_rate(stage_of(run)[1])
        found = diagnose(lines, config, references, status, known.doctor_rules, total, usual)
        saved = [step_number(path) for path in run.saved_steps()]
        return [(f, max((step for step in saved if step <= (f.from_step or 0)), default=0)) for f in found]


def is_finished(run: Run) -> bool:
    """Without a look at whether its process lives, which takes a file beside it. What cannot be read is not."""
    try:
        return run.read_status().state == "finished"
    except ValueError:
        return False


def stage(run: Run) -> str:
    """ "" if the run cannot be read: whoever picks it is told why."""
    try:
        return run.read()[0]
    except ValueError:
        return ""


def about(run: Run) -> dict[str, Any]:
    """What the curves of a run are seen against: references.json holds losses, in nats a token, that say something."""
    stage, config = run.read()
    known = STAGES.get(stage)
    limits = known.against_kl.limits if known and known.against_kl else {}
    references = run.read_references()
    return {
        "stage": stage,
        "corpus": config.get("corpus", ""),
        "grad_clip": config.get("grad_clip") or None,
        "references": references,
        "limits": {name: config[name] for name in limits if config.get(name)},
    }
