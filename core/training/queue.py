"""A queue of runs: several, one after the other, in one process.

Those whose turn has not come are held like the one that trains, so that everybody sees them alive; the device is held
by the one that trains alone.
"""

import threading
from collections.abc import Callable
from dataclasses import replace

from core.training import distributed
from core.training.run_directory import Run, Status

POLL_INTERVAL = 0.2  # seconds between two looks at what is asked of the runs that wait


def run_all(runs: list[Run], execute: Callable[[Run], Status]) -> Status:
    """Execute `runs`, each when the one before has finished; returns the status of the last one that was begun.

    If one is stopped or fails, those after it are not begun: they are stopped too, and can be resumed.
    """
    if len(runs) == 1:
        return execute(runs[0])
    if distributed.world_size() > 1:
        raise ValueError("several processes cannot train several runs in turn: call torchrun once for each run")
    with Queue(runs) as queue:
        run: Run | None = runs[0]
        while run:
            status = execute(run)
            run = queue.next() if status.state == "finished" else None
    return status


def queued_status(status: Status, before: Run) -> Status:
    """`status` as that of a run that waits for the run `before` to end."""
    return replace(status, state="created", message=f"waits for {before.name} to end", waits_for=before.name)


class Queue:
    """The runs that wait, while the first of `runs` and then one after the other trains. A stop takes one out."""

    def __init__(self, runs: list[Run]):
        self.current = runs[0]
        self.waiting = [run for run in runs[1:] if run.status().state != "finished"]
        self.changing = threading.Lock()
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self.watch, name="turns", daemon=True)

    def __enter__(self) -> "Queue":
        for run in self.waiting:
            run.reserve()
        for run in self.waiting:
            run.clear_stale_request()
        self.announce()
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.watcher.join()
        self.current.release()
        for run in self.waiting:
            self.take_out(run, f"not begun, because {self.current.name} did not finish; it can be resumed")

    def next(self) -> Run | None:
        """The run whose turn has come, if there is one."""
        with self.changing:
            self.current.release()
            if not self.waiting:
                return None
            self.current = self.waiting.pop(0)
            return self.current

    def watch(self) -> None:
        while not self.ended.wait(POLL_INTERVAL):
            with self.changing:
                for run in [run for run in self.waiting if run.requested() == "stop"]:
                    self.waiting.remove(run)
                    self.take_out(run, "stopped before its turn came; it can be resumed")
                    self.announce()

    def announce(self) -> None:
        """Let each run that waits say for whom."""
        for before, run in zip([self.current, *self.waiting], self.waiting, strict=False):
            asked = run.requested()
            run.write_status(queued_status(run.read_status(), before))
            if asked:
                run.request(asked)  # what was asked before it was written would count as stale

    @staticmethod
    def take_out(run: Run, why: str) -> None:
        run.write_status(replace(run.read_status(), state="stopped", message=why, waits_for=""))
        run.release()
