"""Renaming a checkpoint: those that came from it, runs that name it, and votes on its answers follow to its new name.

What is to be done is written down first, in `.renaming.json`: whoever opens the directory next finishes what was cut
off.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.atomic_files import write_json
from core.bounded_files import is_file, read_json
from core.checkpoint import MIXED
from core.preferences import vote_store
from core.stages import registry
from core.training.run_directory import NAME

JOURNAL, LOCK = ".renaming.json", ".renaming.lock"
LOCK_SECONDS = 30.0


def rename(directory: Path, old: str, new: str) -> None:
    """Call `old` in the directory `new`, which is free; whatever names it follows. Raises OSError if it is not free."""
    with renaming(directory):
        write_json(directory / JOURNAL, {"old": old, "new": new})
        try:
            os.replace(directory / old, directory / new)
        except OSError:
            (directory / JOURNAL).unlink()
            raise
        follow(directory, old, new)


def finish_renaming(directory: Path) -> str:
    """Complete a rename that was cut off; returns the new name, "" if there was nothing to complete."""
    if not is_file(directory / JOURNAL):
        return ""
    with renaming(directory):
        try:
            content = read_json(directory / JOURNAL)
            old, new = str(content["old"]), str(content["new"])
        except (ValueError, KeyError):  # damaged, or another has finished it
            old = new = ""
        if NAME.fullmatch(old) and NAME.fullmatch(new) and is_moved(directory / old, directory / new):
            follow(directory, old, new)
            return new
        (directory / JOURNAL).unlink(missing_ok=True)
    return ""


def is_moved(old: Path, new: Path) -> bool:
    """Has it its new name already? Names are compared as they are listed, as to some systems a and A are one."""
    names = os.listdir(new.parent)
    return new.name in names and old.name not in names


@contextmanager
def renaming(directory: Path) -> Iterator[None]:
    """One at a time. Raises ValueError if another does not end."""
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise ValueError("another process is renaming something: try again") from None
    try:
        yield
    finally:
        lock.release()


def follow(directory: Path, old: str, new: str) -> None:
    """Let all that names `old` name `new`; the journal ends when that is done. May be done twice."""
    for child in directory.iterdir():
        if not child.name.startswith("."):
            adopt(child, directory / old, directory / new)
    if is_file(store := directory / vote_store.FILE):
        vote_store.Votes(store).rename_model(old, new)
    (directory / JOURNAL).unlink(missing_ok=True)


def adopt(child: Path, old: Path, new: Path) -> None:
    """Let the card and the run in `child` call the checkpoint `old` by its new name."""
    for name in ("card.json", "run.json"):
        file = child / name
        if not is_file(file):
            continue
        try:
            content = read_json(file)
            renamed = with_name(content, old, new)
            if json.dumps(renamed) != json.dumps(content):
                write_json(file, renamed)
        except (ValueError, OSError):
            continue  # what cannot be read is shown as broken, and left as it is


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
    if isinstance(data, dict) and isinstance(mixed := data.get(MIXED), dict) and old.name in mixed:
        renamed = {new.name if name == old.name else name: a for name, a in mixed.items()}
        content = content | {"data": content["data"] | {MIXED: renamed}}
    return content


def is_same(path: str, old: Path) -> bool:
    """Does a setting mean the checkpoint at `old`, which is not there any more?"""
    return Path(path).name == old.name and Path(path).parent.resolve() == old.parent.resolve()
