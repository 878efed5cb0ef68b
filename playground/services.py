"""What every tab is given: the checkpoints, the jobs. No globals, no gradio."""

import threading
from dataclasses import dataclass
from pathlib import Path

import torch

from core import checkpoint
from core.checkpoint import Checkpoint, is_checkpoint
from playground.jobs import Jobs

KEPT_IN_MEMORY = 3  # models; more than one lets a person compare without waiting


class Checkpoints:
    """The models in a directory. Loaded ones stay in memory, and are loaded anew when their file changes."""

    def __init__(self, directory: Path, device: torch.device):
        self.directory, self.device = directory, device
        self.loaded: dict[tuple[str, int], Checkpoint] = {}
        self.lock = threading.Lock()

    def names(self) -> list[str]:
        """All models, the shipped ones first, then the latest made."""
        found = [path.parent for path in self.directory.glob("*/model.safetensors") if is_checkpoint(path.parent)]
        found.sort(key=lambda path: (not path.name.startswith("bard-"), -path.stat().st_mtime))
        return [path.name for path in found]

    def load(self, name: str | None) -> Checkpoint:
        """The checkpoint called `name`. Raises ValueError if there is none, or none that can be read."""
        if not name:
            raise ValueError("there is no model yet: train one in the Train tab")
        if name not in self.names():
            raise ValueError(f"the model {name} is not there any more: choose another one above")
        directory = self.directory / name
        key = (name, (directory / "model.safetensors").stat().st_mtime_ns)
        with self.lock:
            if key not in self.loaded:
                self.loaded[key] = checkpoint.load(directory, self.device)
                while len(self.loaded) > KEPT_IN_MEMORY:
                    del self.loaded[next(iter(self.loaded))]
            return self.loaded[key]


@dataclass(frozen=True)
class Services:
    checkpoints: Checkpoints
    jobs: Jobs

    @classmethod
    def open(cls, directory: Path, device: torch.device) -> "Services":
        directory.mkdir(parents=True, exist_ok=True)
        return cls(Checkpoints(directory, device), Jobs(directory))
