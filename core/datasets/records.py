"""Records of a file, each with the line where it begins: JSON lines, JSON lists and objects, tables, parquet.

What the records mean is for others to say: core/datasets/conversation_files.py, preference_files.py, labelled_files.py.
A record that cannot be read never hides the others.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from core.datasets.files import File, import_optional, read_file

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", "")  # of files to offer; "" = none
WRAPPERS = ("train", "data", "rows", "examples", "instances", "records", "items")  # keys of a list of all records
OTHER_PARTS = ("validation", "valid", "val", "dev", "test")  # keys of lists that are held out beside "train"
SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
LOOKED_AT = 50  # lines by which a format is recognised
NAMED = 3  # lines, where many are left out for the same reason
LONGEST_FIELD = 10_000_000  # characters; the csv module alone would stop at 131,072
IN_A_LINE = re.compile(r"\}[ \t]*,[ \t]*(?=\{)")  # between objects
T = TypeVar("T")


@dataclass(frozen=True)
class LeftOut:
    """A record that is not used."""

    line: int  # where it begins; of a parquet file the row, of a directory the file, counted from 1
    why: str
    in_part: bool = False  # the rest of it is used
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.unit} {self.line}: {self.why}"


def describe_encoding(encoding: str) -> list[str]:
    """In words, if it is worth a word; "" is no text."""
    if encoding in ("", "utf-8", "utf-8-sig"):
        return []
    guess = "" if encoding.startswith("utf") else ": it is no UTF-8, and charset-normalizer finds that likeliest"
    return [f"the text is read as {encoding}{guess}"]


def group(left_out: Sequence[LeftOut]) -> list[str]:
    """In words; those with the same reason together, if they are many."""
    together: dict[str, list[LeftOut]] = {}
    for one in left_out:
        together.setdefault(one.why, []).append(one)
    found: list[str] = []
    for why, those in together.items():
        if len(those) <= NAMED:
            found += map(str, those)
        else:
            named = ", ".join(str(one.line) for one in those[:NAMED])
            found.append(f"{len(those):,} records, in {those[0].unit}s {named}, ...: {why}")
    return found


class NothingToLearn(ValueError):
    """A record that is in order, and of no use: it is left out and counted, whether bad lines are skipped or not."""

    def __init__(self, why: str, layout: str):
        super().__init__(why)
        self.layout = layout


@dataclass(frozen=True)
class Record:
    line: int
    value: Any = None
    problem: str = ""  # why it cannot be read


NameRows = Callable[[Sequence[Record]], Iterable[Record]]


@dataclass(frozen=True)
class Records:
    """All that a file holds."""

    file: File
    kind: str  # "JSON lines", "comma-separated", ...
    encoding: str
    records: Sequence[Record]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Recognised:
    """How a file was read: what is said of it before anything is trained on it."""

    layout: str = ""
    encoding: str = "utf-8"
    records: int = 0  # in the file, read or not
    left_out: Sequence[LeftOut] = ()
    notes: Sequence[str] = field(default=())  # what else was guessed or changed

    def with_left_out(self, more: Sequence[LeftOut]) -> "Recognised":
        return replace(self, left_out=sorted([*self.left_out, *more], key=lambda one: one.line)) if more else self

    @property
    def sentences(self) -> list[str]:
        """What was guessed, changed and left out; what is left out many times for the same reason, in one sentence."""
        return [*describe_encoding(self.encoding), *self.notes, *group(self.left_out)]


def read_records(path: str | Path, what: str, name_rows: NameRows | None = None) -> Records:
    """Raises ValueError in words if the file cannot be read at all.

    what: it should hold, for the error. name_rows: makes {column: cell} of the rows of a table, by its first row if
    not told otherwise.
    """
    return find_records(read_file(path, what), name_rows)


def find_records(file: File, name_rows: NameRows | None = None) -> Records:
    """The records of a file. Raises ValueError in words if it is no text."""
    if file.is_parquet:
        return Records(file, "parquet", "", read_parquet(file))
    text, encoding = file.text()
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        kind, records, notes = read_json(text.removeprefix("\ufeff"))
        return Records(file, kind, encoding, records, notes)
    told = re.match(r"sep=(.)(?=\r?\n)", text)  # as Excel writes it
    separator = told[1] if told and told[1] in SEPARATORS else recognise_separator(text)
    text = text[told.end() :] if told else text
    rows = read_rows(text, separator)
    if len(rows) < 2 or rows[0].problem or len(rows[0].value) < 2:
        why = "it holds neither JSON nor a table with named columns"
        return Records(file, "unknown", encoding, [Record(row.line, problem=why) for row in rows])
    return Records(file, f"{SEPARATORS[separator]}-separated", encoding, list((name_rows or name_columns)(rows)))


def parse_records(
    found: Records, parse: Callable[[Any], tuple[T, str]], skip_bad_lines: bool
) -> tuple[list[tuple[int, T]], Recognised]:
    """[(line, what `parse` made of it)] and how the file was read; `parse` gives the name of the layout, too.

    Raises ValueError that names the first bad record and counts the others, unless they are to be skipped.
    """
    made: list[tuple[int, T]] = []
    left_out: list[LeftOut] = []
    bad: list[LeftOut] = []
    layouts: dict[str, None] = {}
    for record in found.records:
        try:
            value, layout = parse(good_value(record))
        except NothingToLearn as reason:
            left_out.append(LeftOut(record.line, str(reason)))
            layouts[reason.layout] = None
        except ValueError as error:
            left_out.append(LeftOut(record.line, str(error)))
            bad.append(left_out[-1])
        else:
            made.append((record.line, value))
            layouts[layout] = None
    if bad and not skip_bad_lines:
        raise ValueError(refusal(found.file.name, bad, len(found.records)))
    layout = f"{' and '.join(layouts) or 'unknown'} ({found.kind})"
    return made, Recognised(layout, found.encoding, len(found.records), left_out, found.notes)


def good_value(record: Record) -> Any:
    if record.problem:
        raise ValueError(record.problem)
    return record.value


def refusal(name: str, bad: Sequence[LeftOut], count: int) -> str:
    """The sentence in which a file is refused for its bad records."""
    others = f" (and {len(bad) - 1:,} more of {count:,})" if len(bad) > 1 else ""
    return f"{name}, {bad[0]}{others}; correct it, or switch skip_bad_lines on"


# --- JSON -----------------------------------------------------------------------------------------------------


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


# --- tables ---------------------------------------------------------------------------------------------------


def recognise_separator(text: str) -> str:
    """The character that cuts most lines into as many columns as the first, two or more; a tab, if one does that."""
    beginning = "\n".join(re.split(r"\r\n|\r|\n", text[: 400 * LOOKED_AT])[:LOOKED_AT])

    def score(separator: str) -> tuple[float, int]:
        widths = [len(row.value) for row in read_rows(beginning, separator) if not row.problem]
        if not widths or widths[0] < 2:
            return 0.0, 0
        share = widths.count(widths[0]) / len(widths)
        return (2.0 if separator == "\t" and share > 0.8 else share), widths[0]  # in sentences tabs are rare

    return max(SEPARATORS, key=score)


def read_rows(text: str, separator: str) -> list[Record]:
    """Lists of fields. Quotes hold separators and ends of lines together; between tabs they may be letters."""
    quoted = parse_rows(text, separator, csv.QUOTE_MINIMAL)
    if separator != "\t" or not faults(quoted):
        return quoted
    return min(quoted, parse_rows(text, separator, csv.QUOTE_NONE), key=faults)


def parse_rows(text: str, separator: str, quoting: Literal[0, 3]) -> list[Record]:
    """The rows; where a quote is not closed, or closes rows later, one line is bad and the next begins a row again."""
    csv.field_size_limit(LONGEST_FIELD)
    lines = list(io.StringIO(text, newline=""))  # with their ends: \n, \r\n or \r
    rows: list[Record] = []
    begin = 0
    while begin < len(lines):
        reader = csv.reader(islice(lines, begin, None), delimiter=separator, quoting=quoting, strict=True)
        width, start = len(rows[0].value) if rows and rows[0].value else 0, begin
        try:
            for row in reader:
                after = begin + reader.line_num
                if after > start + 1 and width and len(row) != width:
                    raise csv.Error("a quote is not closed")
                if any(cell.strip() for cell in row):
                    rows.append(Record(start + 1, row))
                width, start = width or len(row), after
            return rows
        except csv.Error as error:
            rows.append(Record(start + 1, problem=f"it cannot be read as a table ({error})"))
            begin = start + 1
    return rows


def faults(rows: Sequence[Record]) -> int:
    """Rows that cannot be read, or are not as wide as the first one."""
    width = len(rows[0].value or ()) if rows else 0
    return sum(bool(row.problem) or len(row.value) != width for row in rows)


def name_columns(rows: Iterable[Record]) -> Iterator[Record]:
    """Rows as {column: field}, by the names in the first one."""
    first, *others = rows
    header = [name.strip() for name in first.value]
    if twice := next((name for name in header if name and header.count(name) > 1), ""):
        raise ValueError(f"two columns are called {twice!r}: rename one")
    for row in others:
        if row.problem:
            yield row
        elif len(row.value) != len(header):
            why = f"it has {len(row.value)} columns instead of {len(header)} (put a text with separators in quotes)"
            yield Record(row.line, problem=why)
        else:
            unnamed = "".join(cell for name, cell in zip(header, row.value, strict=True) if not name)
            cells = {name: cell for name, cell in zip(header, row.value, strict=True) if name}
            yield Record(row.line, cells | ({"": unnamed} if unnamed.strip() else {}))


def read_parquet(file: File) -> list[Record]:
    parquet = import_optional("pyarrow.parquet", f"{file.name}, a parquet file,")
    try:
        rows = parquet.read_table(io.BytesIO(file.content)).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these
        raise ValueError(f"{file.name} is a broken parquet file ({error})") from error
    return [Record(number, row) for number, row in enumerate(rows, 1)]
