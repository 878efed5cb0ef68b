"""The workspace, a directory of checkpoints: what is there and where it comes from, renamed, thrown away.

Nothing is deleted at once: what is thrown away lies in `.trash` below the checkpoints until that is emptied.
"""

import os
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.atomic_files import clear_temporaries, delete, is_claimed, left_over, remove, size_of, write_json
from core.bounded_files import modified, read_json
from core.checkpoint import read_card
from core.config import describe_os_error, plural
from core.renaming import finish_renaming, rename
from core.roots import Roots
from core.stages import registry
from core.training.run_directory import QUEUED, check_name, runs
from core.workspace_entry import Entry, entry

TRASH = ".trash"
THROWN = "thrown.json"  # in a directory in the trash: its name, and when it was thrown away
WHEN = "%Y%m%d-%H%M%S"
LATEST = 1e11  # seconds since the epoch, in three thousand years


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
        """The directory called `name`, as foreign as that may be. Raises ValueError if there is none."""
        if name not in {path.name for path in self.roots.directories()}:
            check_name(name)
            raise ValueError(f"{name} is not there any more: choose another one")
        return self.roots.path(name)

    def disk(self) -> dict[str, int]:
        """Bytes: used by models, by the trash, by what is left over half written, and free on the disk."""
        used, left = sum(map(size_of, self.directory.iterdir())), sum(map(size_of, left_over(self.directory)))
        trash = size_of(self.trash) if self.trash.exists() else 0
        free = shutil.disk_usage(self.directory).free
        return {"used": used - trash - left, "trash": trash, "left_over": left, "free": free}

    def tidy(self) -> list[str]:
        """Finish what was cut off, a rename or a deletion, and delete what was half written; returns what was done."""
        done = []
        if new := finish_renaming(self.directory):
            done.append(f"the rename to {new}, which was cut off, is completed")
        count, size = clear_temporaries(self.directory)
        if count:
            done.append(f"{plural(count, 'half-written file')} deleted, {size / 1e6:,.1f} MB")
        return done

    # --- changes ----------------------------------------------------------------------------------------------

    def rename(self, name: str, new: str) -> None:
        """Give a checkpoint another name; those that came from it, and votes on its answers, know it by that.

        Raises ValueError if the new name is unfit or taken, or a training is using the checkpoint.
        """
        self.path(name)
        self.roots.refuse_read_only(name)
        check_name(new)
        if new == name:
            raise ValueError(f"{name} has that name already: type another one")
        self.refuse_taken(new, but=name)
        self.roots.refuse_taken(new)
        self.refuse_in_use(name)
        try:
            rename(self.directory, name, new)
        except OSError as error:
            self.refuse_taken(new)  # by another, just now
            raise ValueError(f"{name} cannot be renamed: {describe_os_error(error)}") from error

    def write_note(self, name: str, note: str) -> None:
        """Keep a person's note on the card of a checkpoint. Raises ValueError where nothing may be written."""
        path = self.path(name)
        self.roots.refuse_read_only(name)
        card = path / "card.json"
        write_json(card, asdict(replace(read_card(card), note=note)))

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
        with suppress(OSError):  # one may not move a directory in which one may not write
            path.chmod(path.lstat().st_mode | 0o700, follow_symlinks=False)
        os.replace(path, there)
        if not there.is_symlink():
            with suppress(OSError):  # its id says the same
                write_json(there / THROWN, {"name": name, "time": now})
        return there.name

    def thrown_away(self) -> list[Thrown]:
        """What lies in the trash, the latest first."""
        if not self.trash.exists():
            return []
        found = [thrown(path) for path in self.trash.iterdir() if path.is_dir() and not path.name.startswith(".")]
        return sorted(found, key=lambda one: (one.time, one.id), reverse=True)

    def restore(self, id: str) -> str:
        """Take something out of the trash; returns its name. Raises ValueError if that is taken, or it is not there."""
        found = next((one for one in self.thrown_away() if one.id == id), None)
        if found is None:
            raise ValueError(f"{id} is not in the trash any more")
        if not id.startswith(f"{found.name}~"):  # then it is what a file there says, which may be anything
            check_name(found.name)
        self.refuse_taken(found.name, cure="rename that first")
        self.roots.refuse_taken(found.name)
        try:
            os.replace(self.trash / id, self.directory / found.name)
        except OSError as error:
            raise ValueError(f"{found.name} cannot be restored: {describe_os_error(error)}") from error
        if not (self.directory / found.name).is_symlink():
            (self.directory / found.name / THROWN).unlink(missing_ok=True)
        return found.name

    def empty_trash(self) -> int:
        """Delete what lies in the trash, for good; returns the bytes that are free again."""
        if not self.trash.exists():
            return 0
        freed = size_of(self.trash)
        for path in self.trash.iterdir():
            if path.name.startswith("."):
                delete(path)
            else:
                remove(path)  # one that is half deleted cannot be restored
        self.trash.rmdir()
        return freed

    def refuse_taken(self, name: str, cure: str = "choose another name", but: str = "") -> None:
        """Raise ValueError if another than `but` is called so; to some systems a and A are one."""
        taken = {other.name.casefold() for other in self.directory.iterdir()} - {but.casefold()}
        if name.casefold() in taken:
            raise ValueError(f"there is already something called {name}: {cure}")

    def refuse_in_use(self, name: str) -> None:
        """Raise ValueError while a training writes it or learns from it, or waits to do so."""
        if is_claimed(self.directory / name):
            raise ValueError(f"{name} cannot be moved while it is being made: wait until it is")
        named = registry.checkpoint_settings()
        for run in runs(self.directory):
            status = run.status()
            waits = status.state == QUEUED
            if not (status.active or waits):
                continue
            config: dict[str, Any] = {}
            with suppress(ValueError):  # one that cannot be read names nothing
                config = run.read()[1]
            uses = {Path(str(value)).name for key, value in config.items() if key in named}
            if run.name == name or name in uses:
                what = ("it waits in the queue" if waits else "it is being trained") if run.name == name else ""
                what = what or f"{run.name} {'waits in the queue to learn' if waits else 'is learning'} from it"
                cure = "take that out of the queue" if waits else "stop that training"
                raise ValueError(f"{name} cannot be moved while {what}: {cure} first")


def thrown(path: Path) -> Thrown:
    """What the directory `path` in the trash is. One without a file that says so was put there by an older version."""
    try:
        said = read_json(path / THROWN)
        when = float(said["time"])
        if isinstance(said["name"], str) and 0 <= when < LATEST:
            return Thrown(path.name, said["name"], when, size_of(path))
    except (ValueError, KeyError, TypeError):
        pass
    return Thrown(path.name, path.name.split("~")[0], modified(path) / 1e9, size_of(path))


def differences(a: dict[str, Any], b: dict[str, Any], ignored: Collection[str] = ()) -> list[tuple[str, Any, Any]]:
    """(setting, value of a, value of b) where two differ; None where one has no such setting."""
    keys = [key for key in (a | b) if key not in ignored]
    return [(key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
