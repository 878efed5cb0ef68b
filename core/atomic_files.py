"""Atomic writing: files and directories appear whole or not at all, and a name is claimed before anything is made.

What is being written has a temporary name, ".NAME.PID-NUMBER.tmp", and is locked by who writes it. The operating system
releases the lock when that process dies, however it dies: so it is known what is left over and may go.
"""

import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # on Windows, which locks no directories
    fcntl = None  # type: ignore[assignment]

CLAIM = ".claim"  # in a directory that is being made, locked by who makes it
TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+(-\d+)?\.tmp")
TEMPORARIES = (".*.tmp", "*/.*.tmp", "*/snapshots/.*.tmp", ".trash/.*.tmp")  # where they may lie among checkpoints
YOUNG = 60.0 if fcntl else 86_400.0  # seconds: what was begun just now may not be locked yet
NUMBERS = itertools.count()  # two threads that write the same file do it under two names


# --- locks ----------------------------------------------------------------------------------------------------


def is_locked(path: Path) -> bool:
    """Does a living process hold the lock on this file? What is not there, or may not be looked at, is held by nobody.

    It is looked at through a shared lock, for an instant: those who look do not see each other.
    """
    if fcntl is None:
        return is_locked_on_windows(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)


def is_locked_on_windows(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def own(path: Path) -> Iterator[None]:
    """Lock a file or a directory that is there, so that nobody takes it for left over."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


# --- names ----------------------------------------------------------------------------------------------------


@contextmanager
def claim(directory: Path, may_replace: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Be the one who makes `directory`, from now on until the block ends; then it stays if something was made.

    One step that everybody sees: of several who want the name, one gets it. Raises ValueError if it is taken, unless
    what is there `may_replace`.
    """
    taken = f"there is already something called {directory.name}: choose another name"
    lock = FileLock(directory / CLAIM, thread_local=False)

    def is_free() -> bool:
        return set(os.listdir(directory)) <= {CLAIM} or may_replace()

    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not is_free():
            raise ValueError(taken)
        lock.acquire(timeout=0)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(taken) from error
    except (Timeout, FileNotFoundError) as error:
        raise ValueError(f"{directory.name} is being made just now: choose another name") from error
    try:
        if not is_free():  # another was faster
            raise ValueError(taken)
        yield
    finally:
        (directory / CLAIM).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # only if nothing was made
            directory.rmdir()


def is_claimed(directory: Path) -> bool:
    """Is somebody making it just now?"""
    return is_locked(directory / CLAIM)


def temporary_path(path: Path) -> Path:
    """The name, beside `path`, of what is to become that."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(NUMBERS)}.tmp")


def left_over(directory: Path) -> Iterator[Path]:
    """What processes that are gone have half written among the checkpoints in `directory`."""
    found = (path for pattern in TEMPORARIES for path in directory.glob(pattern))
    for path in (path for path in found if TEMPORARY.fullmatch(path.name)):  # others' are not ours
        with suppress(OSError):  # it is gone by now, or may not be looked at
            if time.time() - path.lstat().st_mtime > YOUNG and not is_locked(path):
                yield path


def clear_temporaries(directory: Path) -> tuple[int, int]:
    """Delete what is left over among the checkpoints in `directory`; returns (number, bytes)."""
    count = size = 0
    for path in left_over(directory):
        with suppress(OSError):  # another may be faster, or it may not be ours to delete
            held = size_of(path)
            delete(path)
            count, size = count + 1, size + held
    return count, size


def is_temporary_of(path: Path, name: str) -> bool:
    """Has `path` the temporary name of a file or directory called `name`?"""
    found = TEMPORARY.fullmatch(path.name)
    return found is not None and found["name"] == name


def delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes, of a directory all that it holds. What vanishes meanwhile or may not be looked at counts nothing."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(size_of(child) for child in path.iterdir())
    except OSError:
        return 0


# --- writing --------------------------------------------------------------------------------------------------


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block that writes it succeeds."""
    temporary = temporary_path(path)
    try:
        temporary.touch()
        with own(temporary):
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(directory: Path) -> Iterator[Path]:
    """A temporary directory that becomes `directory` when the block succeeds.

    If that is there it gets the files, a config.json last: whoever calls this has claimed its name or holds its run.
    """
    temporary = temporary_path(directory)
    try:
        temporary.mkdir(parents=True)
        with own(temporary):
            yield temporary
            for path in temporary.iterdir():
                sync(path)
            if directory.exists():
                for path in sorted(temporary.iterdir(), key=lambda path: path.name == "config.json"):
                    os.replace(path, directory / path.name)
            else:
                os.replace(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove(directory: Path) -> None:
    """Delete a directory under a temporary name, so that no kill leaves half of it under its own."""
    temporary = temporary_path(directory)
    os.replace(directory, temporary)
    delete(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: under a temporary name, to disk, then renamed."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
