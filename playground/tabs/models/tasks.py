"""Background tasks on checkpoints: measuring one, importing one, uploading one.

What was measured is on the card as soon as it is there, so that who stops goes on later with what is missing.
"""

from functools import partial
from pathlib import Path
from typing import Any

from core import hub, hub_upload
from core.config import plural
from core.evaluation.report_card import report
from core.training.run_directory import check_name
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs

MEASURE, IMPORT, UPLOAD = "measure", "import", "upload"  # what a task does: it is told where it was asked for


class ModelTasks:
    """One at a time; the latest is remembered, with `what` it does to the model `name`."""

    def __init__(self, checkpoints: Checkpoints, jobs: Jobs):
        self.checkpoints, self.jobs = checkpoints, jobs
        refusal = "{name} is being worked on: stop that first, or wait until it ends"
        self.task = BackgroundTask("model", refusal, "stopped; what was measured so far is kept", what="", name="")

    def measure(self, name: str, anew: bool) -> None:
        """Begin to measure a checkpoint. Raises ValueError if it is gone, or something else is going on."""
        self.checkpoints.key(name)
        self.checkpoints.roots.refuse_read_only(name)  # the figures are written on its card
        self.jobs.refuse_if_busy(self.checkpoints.device.type)
        self.task.start(lambda: self.write_report(name, anew), "beginning", what=MEASURE, name=name)

    def import_model(self, source: str, name: str) -> None:
        """Begin to import a GPT-2. Raises ValueError if the name is unfit or taken, or something else is going on."""
        if not source.strip():
            raise ValueError("the source is empty: type a directory's path, or a model's id such as gpt2")
        if not name:
            raise ValueError("the name is empty: type what the model will be called here")
        check_name(name)
        self.checkpoints.roots.refuse_taken(name)
        target = self.checkpoints.directory / name
        if target.exists():
            raise ValueError(f"there is already something called {name}: choose another name")
        self.task.start(lambda: self.read_model(source.strip(), target), "beginning", what=IMPORT, name=name)

    def upload(self, name: str | None, model: str, token: str, license: str, private: bool) -> None:
        """Begin to upload a checkpoint to the hub. Raises ValueError if it is gone, or something else is going on."""
        directory = self.checkpoints.path(name)
        work = partial(self.push, directory, model, token, license, private)
        self.task.start(work, "beginning", what=UPLOAD, name=directory.name)

    def stop(self) -> None:
        self.task.stop("it ends after what it is doing just now")

    def refuse_if_on(self, name: str) -> None:
        """Raise ValueError while that checkpoint is being worked on."""
        status = self.status()
        if status["running"] and status["name"] == name:
            raise ValueError(f"{name} cannot be moved while it is being measured: stop that first, or wait")

    def status(self) -> dict[str, Any]:
        return self.task.status()

    # --- the work ---------------------------------------------------------------------------------------------

    def write_report(self, name: str, anew: bool) -> str:
        measured = 0
        for what, values in report(self.checkpoints.path(name), self.checkpoints.device, anew):
            self.task.report(f"measuring {what}")
            measured += len(values)
        if not measured:
            return "everything has been measured already: press Measure again for new figures"
        return f"{plural(measured, 'figure')} measured"

    def read_model(self, source: str, target: Path) -> str:
        notes = hub.import_model(source, target, say=self.task.report)
        return ". ".join(["imported; it is under All models", *(f"{note.kind}: {note.what}" for note in notes)])

    def push(self, directory: Path, model: str, token: str, license: str, private: bool) -> str:
        self.task.report(f"uploading to {model}: this can take minutes")
        return f"uploaded to {hub_upload.push(directory, model, token, private, license=license)}"
