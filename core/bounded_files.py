"""Bounded reading: whatever lies at a path, a reader gets a regular file of a sensible size, or a sentence.

A FIFO would make it wait for ever, /dev/zero would fill the memory, and a sparse file of a terabyte costs nothing.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, get_origin

from core.config import describe_os_error

F = TypeVar("F")
JSON_BYTES = 1 << 28  # of a JSON file; the largest vocabularies take a tenth of that
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # nobody waits for who writes a FIFO


def is_file(path: Path) -> bool:
    """Is a file there, and may one look at it? Never raises, as `Path.is_file` does where that is forbidden."""
    try:
        return path.is_file()
    except OSError:
        return False


def modified(path: Path) -> int:
    """When it was written, in nanoseconds since the epoch; 0 of what is gone or may not be looked at."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """A regular file of at most so many bytes, to be read. Raises ValueError in words if it is none, or larger."""
    try:
        descriptor = os.open(path, FLAGS)
    except OSError as error:
        raise ValueError(describe_os_error(error)) from error
    except ValueError as error:  # a name that no file can have
        raise ValueError(f"{str(path)!r} is no path: {error}") from error
    about = os.fstat(descriptor)
    problem = ""
    if not stat.S_ISREG(about.st_mode):
        problem = "is a directory" if stat.S_ISDIR(about.st_mode) else "is no file, but a device, a pipe or a socket"
    elif most is not None and about.st_size > most:
        problem = f"has {about.st_size:,} bytes, of which at most {most:,} are read: give a part of it"
    if problem:
        os.close(descriptor)
        raise ValueError(f"{path} {problem}")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file. Raises ValueError in words if it cannot be read, or is larger."""
    with open_file(path, most) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error
    if len(content) > most:  # it has grown, or its size was not true
        raise ValueError(f"{path} has more than {most:,} bytes, which are not read: give a part of it")
    return content


def read_text(path: Path, most: int = JSON_BYTES) -> str:
    """The text of a file in UTF-8. Raises ValueError likewise."""
    return read_bytes(path, most).decode("utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError with the file's name if it cannot be read as such."""
    content = read_bytes(path, JSON_BYTES)
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} is damaged: it should hold an object in braces")
    return value


def read_facts(path: Path, kind: type[F]) -> F:
    """A dataclass of plain values from a JSON file. Raises ValueError if it is not there or damaged."""
    return facts_of(read_json(path), kind, path)


def facts_of(values: Mapping[str, Any], kind: type[F], path: Path) -> F:
    """The same from what was read of the file at `path`. Raises ValueError that names the file if that is damaged."""
    try:
        found = kind(**values)
    except TypeError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for f in fields(kind):  # type: ignore[arg-type]
        if not isinstance(value := getattr(found, f.name), get_origin(f.type) or f.type):  # type: ignore[arg-type]
            raise ValueError(f"{path} is damaged: {f.name} is {value!r:.40}")
    return found
