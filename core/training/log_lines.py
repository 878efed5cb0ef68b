"""The logs of a run: JSON lines that are appended, one a step, a sample or a look. A damaged line is one line less."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from core.bounded_files import open_file

CHUNK_BYTES = 1 << 18
LINE_BYTES = 1 << 24  # of a line; whatever is longer was not written by a run
INTEGERS = range(-(2**63), 2**63)  # a JSON number may be longer than any that computes


class LogPart(NamedTuple):
    """What a log holds from some byte on."""

    lines: list[dict[str, Any]]
    end: int  # the byte to go on from
    damaged: int  # lines that cannot be read, or are not what a run writes: they are left out
    skipped: int = 0  # lines that were not looked at, because there are so many


def append_line(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The lines of a log from byte `offset` on, and the byte to go on from, as `read_log` finds them."""
    part = read_log(path, offset)
    return part.lines, part.end


def read_log(path: Path, offset: int = 0) -> LogPart:
    """What a growing log holds from byte `offset` on; nothing if it is not there.

    A last line that is not complete yet is left for the next time. Raises ValueError if the file cannot be read at all.
    """
    if not os.path.lexists(path):
        return LogPart([], 0, 0)
    with open_file(path) as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return parse(whole, path.stem)._replace(end=offset + len(whole))


def chunks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """What a log holds from where `file` stands on, in pieces of whole lines. Raises ValueError if it has no lines."""
    rest = b""
    while content := file.read(CHUNK_BYTES):
        whole, newline, rest = (rest + content).rpartition(b"\n")
        if newline:
            yield whole + newline
        elif len(rest) > LINE_BYTES:
            raise ValueError(f"{path} is damaged: it has more than {LINE_BYTES:,} bytes without the end of a line")


def read_parts(path: Path) -> Iterator[LogPart]:
    """A log piece by piece, so that only one is in memory; nothing if it is not there."""
    if os.path.lexists(path):
        with open_file(path) as file:
            for content in chunks(path, file):
                yield parse(content, path.stem)


def each_line(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log one after the other, likewise."""
    return (line for part in read_parts(path) for line in part.lines)


def parse(content: bytes, log: str) -> LogPart:
    """The lines in `content` of a log of that name: metrics, samples or details."""
    lines, damaged = [], 0
    for text in content.splitlines():
        try:
            line = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError):
            line = None
        if is_sound(line, log):
            lines.append(line)
        else:
            damaged += 1
    return LogPart(lines, len(content), damaged)


def is_sound(line: Any, log: str) -> bool:
    """Is it what a run writes: an object with its step; numbers in the metrics, texts in the samples, whole answers in
    the details?
    """
    if not isinstance(line, dict) or not is_whole(line.get("step")):
        return False
    if log == "metrics":
        return all(value is None or is_number(value) for value in line.values())
    if log == "samples":
        return all(isinstance(value, str) for key, value in line.items() if key != "step")
    answers = line.get("answers", [])
    return isinstance(answers, list) and all(map(is_answer, answers))


def is_answer(value: Any) -> bool:
    """An answer to a held-out prompt: see core.evaluation.held_out_answers."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) for name, kind in {"prompt": str, "text": str, "ended": bool}.items()
    )


def is_number(value: Any) -> bool:
    """Not a number and the infinities are some, too."""
    return type(value) is float or is_whole(value)


def is_whole(value: Any) -> bool:
    return type(value) is int and value in INTEGERS
