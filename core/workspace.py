"""The workspace, a directory of checkpoints: what is there and where it comes from, renamed, thrown away.

Nothing is deleted at once: what is thrown away lies in `.trash` below the checkpoints until that is emptied.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from core.checkpoint import (
    FILES,
    INDEX,
    WEIGHTS,
    Card,
    is_checkpoint,
    is_classifier,
    is_reward_model,
    read_card,
    read_config,
    read_json,
    write_json,
)
from core.preferences import vote_store
from core.roots import Roots
from core.stages import registry
from core.training.run_directory import QUEUED, Run, check_name, runs

TRASH = ".trash"
THROWN = "thrown.json"  # in a directory in the trash: its name, and when it was thrown away
WHEN = "%Y%m%d-%H%M%S"
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


@dataclass(frozen=True)
class Thrown:
    """Something in the trash."""

    id: str  # the name of its directory there
    name: str  # which it bore, and gets again
    time: float  # seconds since the epoch
    size: int = 0  # bytes on disk


class Workspace:
    """A directory of one's own, and read-only ones beside it, in which nothing is ever changed."""

    def __init__(self, directory: Path, read_only: Sequence[Path] = ()):
        self.directory, self.roots = directory, Roots(directory, tuple(read_only))
        self.trash = directory / TRASH

    # --- what there is ----------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All that lies here, the latest first."""
        found = [self.entry_at(path) for path in self.roots.directories()]
        return sorted(filter(None, found), key=lambda one: (-one.changed, one.name))

    def entry(self, name: str) -> Entry:
        """Raises ValueError if there is none."""
        found = self.entry_at(self.path(name))
        if found is None:
            raise ValueError(f"{name} is not there any more: choose another one")
        return found

    def entry_at(self, path: Path) -> Entry | None:
        found = entry(path)
        return replace(found, read_only=str(path.parent)) if found and path.parent != self.directory else found

    def path(self, name: str) -> Path:
        """The directory called `name`. Raises ValueError if that is no name, or nothing is there."""
        check_name(name)
        path = self.roots.path(name)
        if not path.is_dir():
            raise ValueError(f"{name} is not there any more: choose another one")
        return path

    def disk(self) -> dict[str, int]:
        """Bytes: used by all, by the trash, and free on the disk."""
        used = sum(map(size_of, self.directory.iterdir()))
        trash = size_of(self.trash) if self.trash.exists() else 0
        return {"used": used - trash, "trash": trash, "free": shutil.disk_usage(self.directory).free}

    # --- changes ----------------------------------------------------------------------------------------------

    def rename(self, name: str, new: str) -> None:
        """Give a checkpoint another name; those that came from it, and votes on its answers, know it by that.

        Raises ValueError if the new name is unfit or taken, or a training is using the checkpoint.
        """
        path = self.path(name)
        self.roots.refuse_read_only(name)
        check_name(new)
        if new == name:
            raise ValueError(f"{name} has that name already: type another one")
        taken = {other.name.casefold() for other in self.directory.iterdir()} - {name.casefold()}
        if new.casefold() in taken:  # to some systems a and A are one
            raise ValueError(f"there is already something called {new}: choose another name")
        self.roots.refuse_taken(new)
        self.refuse_in_use(name)
        os.replace(path, self.directory / new)
        for child in self.directory.iterdir():
            if child.is_dir() and not child.name.startswith("."):
                adopt(child, self.directory / name, self.directory / new)
        if (store := self.directory / vote_store.FILE).exists():
            vote_store.Votes(store).rename_model(name, new)

    def throw_away(self, name: str) -> str:
        """Move a checkpoint to the trash; returns its id there. Raises ValueError if a training is using it."""
        path = self.path(name)
        self.roots.refuse_read_only(name)
        self.refuse_in_use(name)
        self.trash.mkdir(exist_ok=True)
        now, number = time.time(), 0
        stamp = time.strftime(WHEN, time.gmtime(now))
        while (there := self.trash / f"{name}~{stamp}{f'-{number}' if number else ''}").exists():
            number += 1
        os.replace(path, there)
        write_json(there / THROWN, {"name": name, "time": now})
        return there.name

    def thrown_away(self) -> list[Thrown]:
        """What lies in the trash, the latest first."""
        if not self.trash.exists():
            return []
        found = [thrown(path) for path in self.trash.iterdir() if path.is_dir()]
        return sorted(found, key=lambda one: (one.time, one.id), reverse=True)

    def restore(self, id: str) -> str:
        """Take something out of the trash; returns its name. Raises ValueError if that is taken, or it is not there."""
        found = next((one for one in self.thrown_away() if one.id == id), None)
        if found is None:
            raise ValueError(f"{id} is not in the trash any more")
        check_name(found.name)
        if found.name.casefold() in {other.name.casefold() for other in self.directory.iterdir()}:
            raise ValueError(f"there is something called {found.name} again: rename that first")
        self.roots.refuse_taken(found.name)
        os.replace(self.trash / id, self.directory / found.name)
        (self.directory / found.name / THROWN).unlink(missing_ok=True)
        return found.name

    def empty_trash(self) -> int:
        """Delete what lies in the trash, for good; returns the bytes that are free again."""
        freed = size_of(self.trash) if self.trash.exists() else 0
        if self.trash.exists():
            shutil.rmtree(self.trash)
        return freed

    def refuse_in_use(self, name: str) -> None:
        """Raise ValueError while a training writes it or learns from it, or waits to do so."""
        named = registry.checkpoint_settings()
        for run in runs(self.directory):
            status = run.status()
            waits = status.state == QUEUED
            if not (status.active or waits):
                continue
            uses = {Path(str(value)).name for key, value in run.read()[1].items() if key in named}
            if run.name == name or name in uses:
                what = ("it waits in the queue" if waits else "it is being trained") if run.name == name else ""
                what = what or f"{run.name} {'waits in the queue to learn' if waits else 'is learning'} from it"
                cure = "take that out of the queue" if waits else "stop that training"
                raise ValueError(f"{name} cannot be moved while {what}: {cure} first")


def thrown(path: Path) -> Thrown:
    """What the directory `path` in the trash is. One without a file that says so was put there by an older version."""
    try:
        said = read_json(path / THROWN)
        return Thrown(path.name, str(said["name"]), float(said["time"]), size_of(path))
    except (ValueError, KeyError, TypeError):
        return Thrown(path.name, path.name.split("~")[0], path.stat().st_ctime, size_of(path))


# --- one directory --------------------------------------------------------------------------------------------


def entry(path: Path) -> Entry | None:
    """What lies in a directory; None if it is nothing of ours."""
    try:
        names = {file.name for file in path.iterdir()}
        own = names & {*FILES, INDEX, "run.json", "card.json"}
        if not own:
            return None
        newest = max((path / name).stat().st_mtime for name in own)
    except FileNotFoundError:
        return None  # moved away while it was looked at
    found = Entry(path.name, "broken", size=size_of(path), changed=newest)
    try:
        if is_checkpoint(path):
            shape, card = vars(read_config(path / "config.json")), read_card(path / "card.json")
            weights = count_weights(path / WEIGHTS)
            found = replace(found, kind=kind(path, card), card=card, shape=shape, weights=weights)
            return replace(found, changed=(path / WEIGHTS).stat().st_mtime)
        if "run.json" in names:
            stage, config = Run(path).read()
            return replace(found, kind="training", card=Card(stage, parent_of(config), config=config))
        if own == {"tokenizer.json"}:
            return replace(found, kind="vocabulary", card=Card("tokenizer"))
        missing = ", ".join(name for name in FILES if name not in names)
        return replace(found, trouble=f"{missing} missing")
    except (ValueError, OSError) as error:
        return replace(found, trouble=str(error))


def kind(path: Path, card: Card) -> str:
    if is_classifier(path):
        return "reward model" if is_reward_model(path) else "classifier"
    return "chat model" if registry.answers(card) else "language model"


def parent_of(config: dict[str, Any]) -> str | None:
    value = config.get("parent") or config.get("init_from")
    return Path(str(value)).name if value else None


def count_weights(path: Path) -> int:
    """From the file's header alone."""
    try:
        with safe_open(path, "pt") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path.name} is truncated or damaged: {error}") from error


def size_of(path: Path) -> int:
    """Bytes, of a directory all that it holds. What vanishes meanwhile counts nothing."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(size_of(child) for child in path.iterdir())
    except FileNotFoundError:
        return 0


def adopt(child: Path, old: Path, new: Path) -> None:
    """Let the card and the run in `child` call the checkpoint `old` by its new name."""
    for name in ("card.json", "run.json"):
        file = child / name
        if not file.exists():
            continue
        try:
            content = read_json(file)
        except ValueError:
            continue  # what cannot be read is shown as broken, and left as it is
        renamed = with_name(content, old, new)
        if json.dumps(renamed) != json.dumps(content):
            write_json(file, renamed)


def with_name(content: dict[str, Any], old: Path, new: Path) -> dict[str, Any]:
    config, named = content.get("config"), registry.checkpoint_settings()
    if isinstance(config, dict):
        same = {key for key in named if isinstance(config.get(key), str) and config[key] and is_same(config[key], old)}
        content = content | {"config": config | {key: str(Path(config[key]).with_name(new.name)) for key in same}}
    if content.get("parent") == old.name:
        content = content | {"parent": new.name}
    data = content.get("data")
    if isinstance(data, dict) and (same := {key for key in named if data.get(key) == old.name}):
        content = content | {"data": data | dict.fromkeys(same, new.name)}
    return content


def is_same(path: str, old: Path) -> bool:
    """Does a setting mean the checkpoint at `old`, which is not there any more?"""
    return Path(path).name == old.name and Path(path).parent.resolve() == old.parent.resolve()


def differences(a: dict[str, Any], b: dict[str, Any], ignored: Collection[str] = ()) -> list[tuple[str, Any, Any]]:
    """(setting, value of a, value of b) where two differ; None where one has no such setting."""
    keys = [key for key in (a | b) if key not in ignored]
    return [(key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
