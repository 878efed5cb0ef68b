"""Progress in the lessons, kept beside the models: what was predicted in each step, and what was shown of the outcome.

`checkpoints/lessons.json`: {"steps": {"LESSON/STEP": {"prediction", "model", "shown"}}}; `shown` is there once a
step was measured, and is what the page drew then.
"""

import json
import threading
from pathlib import Path
from typing import Any

from core.atomic_files import write_json
from core.bounded_files import read_json

FILE = "lessons.json"


class ProgressStore:
    """One file, written as a whole. One that cannot be read is put aside under a name that `trouble` tells."""

    def __init__(self, directory: Path):
        self.path, self.trouble = directory / FILE, ""
        self.lock = threading.Lock()
        self.steps: dict[str, dict[str, Any]] = self.read()

    def read(self) -> dict[str, dict[str, Any]]:
        if not self.path.exists():
            return {}
        try:
            steps = read_json(self.path)["steps"]
            if not all(isinstance(kept, dict) and "prediction" in kept for kept in steps.values()):
                raise ValueError("a step has no prediction")
        except (ValueError, KeyError, AttributeError, TypeError):
            self.put_aside()
            return {}
        return dict(steps)

    def put_aside(self) -> None:
        numbers = (n for n in range(1, 10_000) if not self.aside(n).exists())
        kept = self.aside(next(numbers))
        try:
            self.path.rename(kept)
        except OSError as error:
            self.trouble = f"{FILE} is damaged, and so progress begins anew: {error.strerror}."
            return
        self.trouble = f"{FILE} was damaged: it is kept as {kept.name}, and progress begins anew."

    def aside(self, number: int) -> Path:
        return self.path.with_name(f"{FILE}.damaged-{number}")

    def predict(self, lesson: str, step: str, prediction: Any) -> None:
        """Keep a prediction; what was measured for an earlier one is forgotten."""
        with self.lock:
            self.write(self.steps | {f"{lesson}/{step}": {"prediction": prediction}})

    def finish(self, lesson: str, step: str, model: str, shown: dict[str, Any]) -> None:
        """Keep what was shown of the outcome of a step that was predicted."""
        with self.lock:
            name = f"{lesson}/{step}"
            self.write(self.steps | {name: self.steps[name] | {"model": model, "shown": shown}})

    def forget(self, lesson: str, step: str = "") -> None:
        """A step, or all of a lesson."""
        begins = f"{lesson}/{step}"
        with self.lock:
            self.write(
                {
                    name: kept
                    for name, kept in self.steps.items()
                    if not (name == begins if step else name.startswith(begins))
                }
            )

    def of(self, lesson: str, step: str) -> dict[str, Any]:
        """What is kept of a step; empty if nothing."""
        return self.steps.get(f"{lesson}/{step}", {})

    def write(self, steps: dict[str, dict[str, Any]]) -> None:
        """Where nobody may write, progress ends with the playground, which is said."""
        self.steps = json.loads(json.dumps(steps))
        try:
            write_json(self.path, {"steps": self.steps})
        except OSError as error:
            self.trouble = f"Progress is not kept when the playground ends: {FILE} cannot be written, {error.strerror}."
