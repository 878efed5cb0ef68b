"""What is done to checkpoints in the background: measuring one, importing one. No gradio.

One at a time, in a thread of this process: a reload of the page finds it again. What was measured is on the card as
soon as it is there, so that who stops goes on later with what is missing.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import hub
from core.config import describe_os_error
from core.evaluation.report_card import report
from core.training.run_directory import check_name
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The person does not want to wait for the end."""


class ModelTasks:
    """The latest chore: what it is, how far it is, what came of it."""

    def __init__(self, checkpoints: Checkpoints, jobs: Jobs):
        self.checkpoints, self.jobs = checkpoints, jobs
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.state: dict[str, Any] = {"number": 0, "name": "", "message": "", "error": ""}

    def measure(self, name: str, anew: bool) -> None:
        """Begin to measure a checkpoint. Raises ValueError if it is gone, or something else is going on."""
        self.checkpoints.key(name)
        self.jobs.refuse_if_busy(self.checkpoints.device.type)
        self.begin(name, lambda: self.measured(name, anew))

    def import_model(self, source: str, name: str) -> None:
        """Begin to import a GPT-2. Raises ValueError if the name is unfit or taken, or something else is going on."""
        check_name(name)
        if not source.strip():
            raise ValueError("the source is empty: type a directory's path, or a model's id such as gpt2")
        target = self.checkpoints.directory / name
        if target.exists():
            raise ValueError(f"there is already something called {name}: choose another name")
        self.begin(name, lambda: self.imported(source.strip(), target))

    def stop(self) -> None:
        self.stopping.set()
        if self.running:
            self.say("it ends after what it is doing just now")

    def refuse_if_on(self, name: str) -> None:
        """Raise ValueError while that checkpoint is being worked on."""
        if self.running and self.state["name"] == name:
            raise ValueError(f"{name} cannot be moved while it is being measured: stop that first, or wait")

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def status(self) -> dict[str, Any]:
        return self.state | {"running": self.running}

    # --- the work ---------------------------------------------------------------------------------------------

    def begin(self, name: str, work: Callable[[], str]) -> None:
        with self.lock:
            if self.running:
                raise ValueError(f"{self.state['name']} is being worked on: stop that first, or wait until it ends")
            self.stopping.clear()
            self.state = {"number": self.state["number"] + 1, "name": name, "message": "beginning", "error": ""}
            self.thread = threading.Thread(target=self.run, args=(work,), daemon=True, name="chore")
            self.thread.start()

    def run(self, work: Callable[[], str]) -> None:
        """Whatever happens, the state that is left says so."""
        try:
            self.say(work())
        except Stopped:
            self.say("stopped; what was measured so far is kept")
        except ValueError as error:
            self.state = self.state | {"message": "", "error": str(error)}
        except OSError as error:
            self.state = self.state | {"message": "", "error": describe_os_error(error)}
        except Exception:
            log.exception("a chore failed")
            self.state = self.state | {"message": "", "error": "that went wrong; the playground's terminal says more"}

    def say(self, message: str) -> None:
        self.state = self.state | {"message": message}

    def measured(self, name: str, anew: bool) -> str:
        found = 0
        for what, values in report(self.checkpoints.directory / name, self.checkpoints.device, anew):
            if self.stopping.is_set():
                raise Stopped
            self.say(f"measuring {what}")
            found += len(values)
        return f"{found} figures measured" if found else "all has been measured already: choose to measure it anew"

    def imported(self, source: str, target: Path) -> str:
        self.say(f"reading {source}: from the hub this can take minutes")
        hub.import_model(source, target)
        return f"{source} was imported as {target.name}"
