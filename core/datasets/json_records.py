"""Records in JSON: a line each, in lists, in a row, in a list in an object, by columns. A broken one hides no other."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from core.datasets.recognised import LOOKED_AT, Record

WRAPPERS = ("train", "data", "rows", "examples", "instances", "records", "items")  # keys of a list of all records
OTHER_PARTS = ("validation", "valid", "val", "dev", "test")  # keys of lists that are held out beside "train"
IN_A_LINE = re.compile(r"\}[ \t]*,[ \t]*(?=\{)")  # between objects


def read_json(text: str) -> tuple[str, list[Record], list[str]]:
    """(kind, records, notes) of JSON lines, of a list, of an object with a list in it, or of objects in a row."""
    if is_json_lines(text):
        # JSON strings may hold other ends of lines, such as U+2028
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        records = [parse_json_line(number, line) for number, line in numbered]
        if len(records) > 1 or not (is_wrapper(records[0].value) or rows_of_columns(records[0].value)):
            return "JSON lines", records, []
    if text.lstrip().startswith("["):
        only = whole_value(text)
        if is_message_list(only):
            return "JSON", [Record(1, only)], []
        return "JSON list", list(read_json_list(text, text.index("[") + 1)), []
    whole = whole_value(text)
    if rows := rows_of_columns(whole):
        return "JSON by columns", [Record(number, row) for number, row in enumerate(rows, 1)], []
    key = wrapper_key(whole) if whole is not None else broken_wrapper_key(text)
    if key:
        found = re.search(rf'"{key}"\s*:\s*\[', text)
        assert found is not None
        others = [name for name in OTHER_PARTS if isinstance(whole, dict) and name in whole]
        notes = [f"only {key!r} is read, not {' or '.join(map(repr, others))}"] if others else []
        return f'JSON list in "{key}"', list(read_json_list(text, found.end())), notes
    return "JSON objects", list(read_json_list(text, 0)), []


def is_json_lines(text: str) -> bool:
    """Does a line that begins without a blank hold a whole object or list? In a list, only the first line counts."""
    lines = list(islice((line for line in text.split("\n") if line.strip()), LOOKED_AT))
    if text.lstrip().startswith("["):
        lines = lines[:2]
        return len(lines) > 1 and any(isinstance(parse_json_line(0, line).value, list) for line in lines)
    return any(isinstance(parse_json_line(0, line).value, dict) for line in lines if line.startswith("{"))


def parse_json_line(number: int, line: str) -> Record:
    try:
        return Record(number, json.loads(line, parse_constant=nothing))
    except (ValueError, RecursionError) as error:
        return Record(number, problem=f"this is no JSON ({error})")


def nothing(constant: str) -> None:
    """NaN and the infinities, which are no JSON, stand for what is missing."""


def whole_value(text: str) -> Any:
    return parse_json_line(0, text).value


def is_message_list(value: Any) -> bool:
    """Is it one conversation without a name around it?"""
    return isinstance(value, list) and bool(value) and all(isinstance(m, dict) and "role" in m for m in value)


def is_wrapper(value: Any) -> bool:
    return bool(wrapper_key(value))


def wrapper_key(value: Any) -> str:
    """The key of the list of all records; "" if the value is itself one record."""
    if not isinstance(value, dict):
        return ""
    lists = [key for key in WRAPPERS if isinstance(value.get(key), list)]
    return next((key for key in lists if all(isinstance(item, dict | list) for item in value[key])), "")


def rows_of_columns(value: Any) -> list[dict[str, Any]]:
    """The rows of {"text": [...], "label": [...]} or of {"text": {"0": ...}, ...}; none if it is no such thing."""
    columns = list(value.values()) if isinstance(value, dict) and len(value) > 1 else []
    if columns and all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        columns = [list(column.values()) for column in columns]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return []
    if any(isinstance(cell, dict) for column in columns for cell in column):
        return []
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def broken_wrapper_key(text: str) -> str:
    """The same of an object that cannot be read as a whole."""
    found = re.match(rf'\s*\{{\s*"({"|".join(WRAPPERS)})"\s*:\s*\[', text)
    return found[1] if found else ""


def read_json_list(text: str, position: int) -> Iterator[Record]:
    """The values from `position` on, up to a closing bracket; behind a broken one, from where the next begins."""
    decoder, gap = json.JSONDecoder(parse_constant=nothing), re.compile(r"[\s,]*")
    line, counted = 1, 0
    next_value: re.Pattern[str] | None = None
    while True:
        match = gap.match(text, position)
        position = match.end() if match else position
        if position == len(text) or text.startswith("]", position):
            return
        line, counted = line + text.count("\n", counted, position), position
        if next_value is None:  # values begin with as many blanks as the first one does
            indent = re.search(r"[ \t]*$", text[max(0, position - 200) : position])
            next_value = re.compile(r"\n" + (indent[0] if indent else "") + r"(?=[\[{])")
        try:
            value, position = decoder.raw_decode(text, position)
            yield Record(line, value["row"] if isinstance(value, dict) and {"row", "row_idx"} <= set(value) else value)
        except (ValueError, RecursionError) as error:
            following = next_value.search(text, position + 1) or IN_A_LINE.search(text, position + 1)
            hint = "" if following else ", and what follows cannot be read"
            yield Record(line, problem=f"this is no JSON{hint} ({error})")
            if following is None:
                return
            position = following.end()
