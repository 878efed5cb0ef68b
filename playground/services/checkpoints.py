"""The model cache: checkpoints of a directory, loaded once and kept."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from core import checkpoint
from core.bounded_files import modified
from core.checkpoint import (
    Checkpoint,
    is_checkpoint,
    is_classifier,
    is_language_model,
    is_reward_model,
    read_card,
)
from core.classifier import SequenceClassifier
from core.generate import Model
from core.model import GPT
from core.online_dpo import version_model
from core.packed_model import PackedGPT
from core.rlhf.steering import SteeringVectors
from core.roots import Roots
from core.stages import registry
from core.task_arithmetic import Family, Mixture, dialled, mixed, parent_of, read_family
from core.tokenizer import Tokenizer
from core.training.run_directory import Run
from core.workspace_entry import entry

FIRST = ("bard-base", "bard-chat")  # the models that the page opens with: one to look into, one that answers
KEPT_IN_MEMORY = 3  # models; more than one lets a person compare without waiting
KEPT_MIXED = 6  # of the many that a slider makes: who slides back and forth, and answers that go on


K = TypeVar("K")
V = TypeVar("V")
Key = tuple[str, int]  # a checkpoint's name, and when its weights were written


class Checkpoints:
    """The models in a directory, and in those that are only read.

    Loaded ones stay in memory, and are loaded anew when their file changes.
    """

    def __init__(self, directory: Path, device: torch.device, read_only: Sequence[Path] = ()):
        self.directory, self.device = directory, device
        self.roots = Roots(directory, tuple(read_only))
        self.loaded: dict[Key, Checkpoint[GPT]] = {}
        self.loaded_classifiers: dict[Key, Checkpoint[SequenceClassifier]] = {}
        self.writers: dict[tuple[Key, str], tuple[PackedGPT, Tokenizer]] = {}
        self.versions: dict[tuple[Key, Path, int], Model] = {}  # of models that learn while they are voted on
        self.families: dict[tuple[Key, ...], Family] = {}  # of the children that are named, their parent last
        self.mixed: dict[tuple[tuple[Key, ...], Mixture, SteeringVectors | None], Checkpoint[GPT]] = {}
        self.lock = threading.RLock()

    def names(self) -> list[str]:
        """All language models: those of FIRST, then the shipped ones, then the latest made."""
        return [path.name for path in self.found() if is_language_model(path)]

    def first(self) -> str | None:
        """The one with which the page begins: one that can be read, if there is such."""
        names = self.names()
        whole = (name for name in names if (known := entry(self.roots.path(name))) and not known.trouble)
        return next(whole, next(iter(names), None))

    def chat_names(self) -> list[str]:
        """The language models that answer in the chat format, in the same order."""
        return [name for name in self.names() if answers(self.roots.path(name))]

    def classifiers(self) -> list[str]:
        """All models that name a class instead of writing, in the same order."""
        return [path.name for path in self.found() if is_classifier(path) and not is_reward_model(path)]

    def reward_models(self) -> list[str]:
        """All models that score answers, in the same order."""
        return [path.name for path in self.found() if is_reward_model(path)]

    def found(self) -> list[Path]:
        """The directories of all checkpoints, in the order in which they are offered."""

        def place(path: Path) -> tuple[int, bool, int]:
            first = FIRST.index(path.name) if path.name in FIRST else len(FIRST)
            return first, not is_shipped(path), -modified(path)

        return sorted(self.directories(), key=place)

    def directories(self) -> list[Path]:
        return [path for path in self.roots.directories() if is_checkpoint(path)]

    def load(self, name: str | None) -> Checkpoint[GPT]:
        """The language model called `name`. Raises ValueError if there is none, or none that can be read."""
        key = self.key(name)
        with self.lock:
            return get_or_make(self.loaded, key, lambda: checkpoint.load(self.roots.path(key[0]), self.device))

    def load_classifier(self, name: str | None) -> Checkpoint[SequenceClassifier]:
        """The classifier called `name`. Raises ValueError likewise."""
        if not name:
            raise ValueError("there is no classifier yet: train one in the Train tab")
        key = self.key(name)
        with self.lock:
            directory = self.roots.path(name)
            return get_or_make(self.loaded_classifiers, key, lambda: checkpoint.load_classifier(directory, self.device))

    def load_snapshot(self, name: str, step: int) -> Checkpoint[GPT]:
        """What the run called `name` was after `step` steps. Raises ValueError if it kept no such snapshot."""
        directory = self.run(name).snapshot_directory(step)
        if not is_checkpoint(directory):
            raise ValueError(f"{name} kept no snapshot of step {step}: choose another run")
        return checkpoint.load(directory, self.device)

    def run(self, name: str | None) -> Run:
        """The run directory of the model called `name`. Raises ValueError if there is none."""
        return Run(self.path(name))

    def writer(self, name: str | None, precision: str) -> tuple[Model, Tokenizer]:
        """What generates text with the checkpoint `name`: on a CPU its weights, packed; elsewhere the model itself.

        Raises ValueError like `load`, and if the processor lacks the precision.
        """
        if self.device.type != "cpu":
            loaded = self.load(name)
            return loaded.model, loaded.tokenizer

        def pack() -> tuple[PackedGPT, Tokenizer]:
            loaded = self.load(name)
            return PackedGPT(loaded.model, precision), loaded.tokenizer

        key = self.key(name)
        with self.lock:
            return get_or_make(self.writers, (key, precision), pack)

    def version_writer(self, name: str, session: Path, number: int) -> tuple[Model, Tokenizer]:
        """The same for a version of the model, which learned while it was voted on, in full precision.

        Raises ValueError if the model or the version cannot be read.
        """
        loaded = self.load(name)

        def make() -> Model:
            model = version_model(loaded.model, session, number)
            return PackedGPT(model) if self.device.type == "cpu" else model

        with self.lock:
            return get_or_make(self.versions, (self.key(name), session, number), make), loaded.tokenizer

    def family(self, names: Sequence[str]) -> Family:
        """The models called so, children of one parent, with that. Raises ValueError in words if they are not."""
        return self.keyed_family(names)[1]

    def keyed_family(self, names: Sequence[str]) -> tuple[tuple[Key, ...], Family]:
        paths = [self.path(name) for name in names]
        parent = parent_of(paths)
        keys = tuple(self.key(name) for name in (*names, parent) if self.roots.path(name).is_dir())
        with self.lock:
            return keys, get_or_make(self.families, keys, lambda: read_family(paths, self.roots.path, self.load_at))

    def load_at(self, path: Path) -> Checkpoint[GPT]:
        return self.load(path.name)

    def load_mixed(self, mixture: Mixture, steering: SteeringVectors | None = None) -> Checkpoint[GPT]:
        """A model mixed of a parent and the children that the mixture names; the card is that of the first of these.

        Raises ValueError in words if they are no family.
        """
        with self.lock:
            keys, family = self.keyed_family([name for name, _ in mixture.amounts])

            def make() -> Checkpoint[GPT]:
                first = next(iter(family.children.values()))
                return Checkpoint(mixed(family, mixture, steering), family.parent.tokenizer, first.card)

            return get_or_make(self.mixed, (keys, mixture, steering), make, KEPT_MIXED)

    def load_dialled(self, name: str, a: float) -> Checkpoint[GPT]:
        """The model called `name`, or what lies so far between it, at 1, and its parent, at 0."""
        mixture = dialled(name, a)
        return self.load_mixed(mixture) if mixture else self.load(name)

    def mixed_writer(
        self, mixture: Mixture, precision: str, steering: SteeringVectors | None = None
    ) -> tuple[Model, Tokenizer]:
        """What generates text with it, as `writer` does with a checkpoint."""
        loaded = self.load_mixed(mixture, steering)
        model = PackedGPT(loaded.model, precision) if self.device.type == "cpu" else loaded.model
        return model, loaded.tokenizer

    def dialled_writer(self, name: str, a: float) -> tuple[Model, Tokenizer]:
        """What generates text where the dial of the model called `name` stands at `a`, in full precision."""
        mixture = dialled(name, a)
        return self.mixed_writer(mixture, "float32") if mixture else self.writer(name, "float32")

    def parent(self, name: str) -> str:
        """Of the model called so. Raises ValueError in words if it has none, or that is not there any more."""
        return self.key(parent_of([self.path(name)]))[0]

    def at(self, name: str, a: float) -> tuple[str, float]:
        """Whose answers they are where the dial of the model called `name` stands at `a`: at 0 its parent's.

        Raises ValueError in words if it cannot stand there.
        """
        dialled(name, a)
        return (self.parent(name), 1.0) if a == 0 else (name, a)

    def path(self, name: str | None) -> Path:
        """The directory of the checkpoint called `name`. Raises ValueError if there is none."""
        return self.roots.path(self.key(name)[0])

    def key(self, name: str | None) -> Key:
        if not name:
            raise ValueError("there is no model yet: train one in the Train tab")
        if name not in {path.name for path in self.directories()}:
            raise ValueError(f"the model {name} is not there any more: choose another one above")
        return name, modified(self.roots.path(name) / "model.safetensors")


def is_shipped(directory: Path) -> bool:
    """Does the model there come with the project? One whose card cannot be read does not."""
    try:
        return read_card(directory / "card.json").shipped
    except ValueError:
        return False


def answers(directory: Path) -> bool:
    """Does the model there answer? One whose card cannot be read does not: `load` then says why."""
    try:
        return registry.answers(read_card(directory / "card.json"))
    except ValueError:
        return False


def get_or_make(cache: dict[K, V], key: K, make: Callable[[], V], most: int = KEPT_IN_MEMORY) -> V:
    """`cache[key]`, made if it is not there; the oldest is forgotten when there are more than `most`."""
    if key not in cache:
        cache[key] = make()
        while len(cache) > most:
            del cache[next(iter(cache))]
    return cache[key]
