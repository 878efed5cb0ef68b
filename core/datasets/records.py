"""Records of a file, each with the line where it begins: JSON lines, JSON lists and objects, tables, parquet.

What the records mean is for others to say: core/datasets/conversation_files.py, preference_files.py, labelled_files.py.
A record that cannot be read never hides the others.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.datasets.files import File, import_optional, read_file
from core.datasets.json_records import read_json
from core.datasets.recognised import LeftOut, NothingToLearn, Recognised, Record
from core.datasets.tables import SEPARATORS, name_columns, read_rows, recognise_separator

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", "")  # of files to offer; "" = none
T = TypeVar("T")
NameRows = Callable[[Sequence[Record]], Iterable[Record]]


@dataclass(frozen=True)
class Records:
    """All that a file holds."""

    file: File
    kind: str  # "JSON lines", "comma-separated", ...
    encoding: str
    records: Sequence[Record]
    notes: Sequence[str] = ()


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


def read_parquet(file: File) -> list[Record]:
    parquet = import_optional("pyarrow.parquet", f"{file.name}, a parquet file,")
    try:
        rows = parquet.read_table(io.BytesIO(file.content)).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these
        raise ValueError(f"{file.name} is a broken parquet file ({error})") from error
    return [Record(number, row) for number, row in enumerate(rows, 1)]
