"""One directory among the checkpoints: what lies in it. Whatever that is, it takes no other entry with it."""

import logging
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from core.atomic_files import is_claimed, size_of
from core.bounded_files import modified
from core.checkpoint import (
    FILES,
    INDEX,
    WEIGHTS,
    Card,
    check_header,
    is_checkpoint,
    is_classifier,
    is_reward_model,
    read_card,
    read_config,
)
from core.config import describe_os_error
from core.stages import registry
from core.training.run_directory import Run

log = logging.getLogger(__name__)
KINDS = ("language model", "chat model", "classifier", "reward model", "vocabulary", "training", "broken")


@dataclass(frozen=True)
class Entry:
    """A directory among the checkpoints."""

    name: str
    kind: str  # one of KINDS; a training has no weights yet, a broken one cannot be read
    trouble: str = ""  # why it cannot be read
    card: Card = field(default_factory=Card)
    shape: dict[str, Any] = field(default_factory=dict)  # its config.json's, by our names
    weights: int = 0  # numbers in its file
    size: int = 0  # bytes on disk, saved steps and snapshots included
    changed: float = 0.0  # seconds since the epoch, when its weights were written
    read_only: str = ""  # the directory in which it lies, if that is not one's own

    @property
    def parents(self) -> dict[str, str]:
        """{what it was to this one: name}: the parent, the reward model, the run it was forked from."""
        found = {name: self.card.data.get(name) for name in registry.checkpoint_settings()}
        found |= {"parent": self.card.parent}
        return {setting.replace("_", " "): str(name) for setting, name in found.items() if name}


def entry(path: Path) -> Entry | None:
    """What lies in a directory; None if it is nothing of ours, or is being made. Never raises: it is broken then."""
    try:
        names = {file.name for file in path.iterdir()}
    except FileNotFoundError:
        return None  # moved away while it was looked at
    except OSError as error:
        return Entry(path.name, "broken", describe_os_error(error))
    own = names & {*FILES, INDEX, "run.json", "card.json"}
    if not own or is_claimed(path):
        return None
    changed = max(modified(path / name) for name in own) / 1e9
    found = Entry(path.name, "broken", size=size_of(path), changed=changed)
    try:
        return read_entry(path, names, found)
    except (ValueError, OSError) as error:
        return replace(found, trouble=str(error))
    except Exception as error:
        log.exception("%s cannot be shown", path)
        return replace(found, trouble=f"unexpected: {type(error).__name__}: {error}")


def read_entry(path: Path, names: set[str], found: Entry) -> Entry:
    """`found` with what its files say. Raises ValueError or OSError if they cannot be read."""
    if is_checkpoint(path):
        shape, card = vars(read_config(path / "config.json")), read_card(path / "card.json")
        weights = count_weights(path / WEIGHTS)
        changed = modified(path / WEIGHTS) / 1e9
        return replace(found, kind=kind(path, card), card=card, shape=shape, weights=weights, changed=changed)
    if "run.json" in names:
        stage, config = Run(path).read()
        return replace(found, kind="training", card=Card(stage, parent_of(config), config=config))
    if names & {*FILES, INDEX, "run.json", "card.json"} == {"tokenizer.json"}:
        return replace(found, kind="vocabulary", card=Card("tokenizer"))
    missing = ", ".join(name for name in FILES if name not in names)
    return replace(found, trouble=f"{missing} missing" if missing else "its files cannot be read")


def kind(path: Path, card: Card) -> str:
    if is_classifier(path):
        return "reward model" if is_reward_model(path) else "classifier"
    return "chat model" if registry.answers(card) else "language model"


def parent_of(config: dict[str, Any]) -> str | None:
    value = config.get("parent") or config.get("init_from")
    return Path(str(value)).name if value else None


def count_weights(path: Path) -> int:
    """From the file's header alone."""
    check_header(path)
    try:
        with safe_open(path, "pt") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path.name} is truncated or damaged: {error}") from error
