"""Work in threads of this process: one thing at a time, with its progress, until it ends or is stopped.

It lies here rather than in ui/, because services need it and know nothing of the page. A page that is reloaded finds
everything again, as all that it shows is asked for. At exit every thread is stopped and waited for: the interpreter
must not end while torch computes.
"""

import atexit
import threading
import time
from collections.abc import Callable
from typing import Any

from playground.error_text import describe_error

EXIT_SECONDS = 10.0  # that all threads together have to end when the process does

_stops: dict[threading.Thread, Callable[[], None]] = {}  # of each running thread, what tells it to end


class Stopped(Exception):
    """The person does not want to wait for the end."""


class BackgroundTask:
    """The latest piece of work: how far it is, and what came of it.

    `status()` says its `number`, its `state` (none, running, finished, stopped or failed), whether it is `running`,
    what it does just now or what came of it (`message`), what went wrong (`error`), and what else its owner adds.
    `refusal` is said to whoever begins a second one meanwhile, `stopped` to whoever stopped one; both may name what the
    owner added, as in "{name} is being trained".
    """

    def __init__(self, name: str, refusal: str, stopped: str = "stopped", /, **details: Any):
        self.name, self.refusal, self.stopped = name, refusal, stopped
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None
        self.values: dict[str, Any] = {"number": 0, "state": "none", "message": "", "error": ""} | details

    def start(self, work: Callable[[], str], message: str, /, **details: Any) -> None:
        """Begin `work`, which returns its last message. Raises ValueError while something else is going on."""
        with self.lock:
            self.refuse_if_running()
            self.stopping.clear()
            begun = {"number": self.values["number"] + 1, "state": "running", "message": message, "error": ""}
            self.values = self.values | begun | details
            self.thread = start_thread(self.name, lambda: self.run(work), self.stop)

    def refuse_if_running(self) -> None:
        if self.running:
            raise ValueError(self.refusal.format_map(self.values))

    def stop(self, message: str = "") -> None:
        """Ask the work to end; `message` is said until it does."""
        with self.lock:
            self.stopping.set()
            if message and self.running:
                self.values = self.values | {"message": message}

    @property
    def running(self) -> bool:
        state: str = self.values["state"]
        return state == "running"

    def status(self) -> dict[str, Any]:
        values = self.values  # replaced as a whole, never changed: so this is one moment
        return values | {"running": values["state"] == "running"}

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        if self.thread:
            self.thread.join(timeout)

    # --- for the work, in its thread ----------------------------------------------------------------------------

    def update(self, **details: Any) -> None:
        with self.lock:
            self.values = self.values | details

    def report(self, message: str, **details: Any) -> None:
        """Say how far it is. Raises Stopped if the work is to end here."""
        self.update(message=message, **details)
        if self.stopping.is_set():
            raise Stopped

    def run(self, work: Callable[[], str]) -> None:
        """Whatever happens, the state that is left says so."""
        try:
            end = {"state": "finished", "message": work()}
        except Stopped:
            end = {"state": "stopped", "message": self.stopped.format_map(self.values)}
        except Exception as error:
            end = {"state": "failed", "message": "", "error": describe_error(error)}
        self.update(**end)


def start_thread(name: str, work: Callable[[], None], stop: Callable[[], None]) -> threading.Thread:
    """A thread that ends with the process: then `stop` is called, and it is waited for."""

    def run() -> None:
        try:
            work()
        finally:
            _stops.pop(thread, None)

    thread = threading.Thread(target=run, daemon=True, name=name)
    _stops[thread] = stop
    thread.start()
    return thread


@atexit.register
def stop_threads() -> None:
    running = list(_stops.items())
    for _, stop in running:
        stop()
    deadline = time.monotonic() + EXIT_SECONDS
    for thread, _ in running:
        thread.join(max(0.0, deadline - time.monotonic()))
