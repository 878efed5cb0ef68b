"""Rows of tables: which character separates their cells, what quotes hold together, and how columns are called."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from core.datasets.recognised import LOOKED_AT, Record

SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
LONGEST_FIELD = 10_000_000  # characters; the csv module alone would stop at 131,072


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
