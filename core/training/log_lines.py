"""The logs of a run: JSON lines that are appended, one a step, a sample or a look. A damaged line is one line less."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from core.bounded_files import open_file

INTEGERS = range(-(2**63), 2**63)  # a JSON number may be longer than any that computes


class LogPart(NamedTuple):
    """What a log holds from some byte on."""

    lines: list[dict[str, Any]]
    end: int  # the byte to go on from
    damaged: int  # lines that cannot be read, or are not what a run writes: they are left out


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
