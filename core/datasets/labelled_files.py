"""Labelled texts in files: tables, JSON and parquet, whose columns are known by name, by content or by choice."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.datasets.recognised import LOOKED_AT, NothingToLearn, Recognised, Record
from core.datasets.records import parse_records, read_records
from core.datasets.tables import name_columns

TEXTS = (
    *("text", "sentence", "review", "message", "sms", "tweet", "content", "comment", "comment_text", "document"),
    *("body", "utterance", "headline", "question", "v2", "description"),
)
LABELS = (
    *("label", "labels", "sentiment", "class", "category", "target", "v1", "class index", "label_text", "topic"),
    *("intent", "emotion", "polarity", "genre", "rating", "stars", "score", "spam", "type", "y"),
)
JOINED = ("title", "description")  # AG News has its texts in two columns
MISSING = ("", "nan", "null", "n/a", "na", "<na>", "#n/a")  # labels that say that there is none
SEVERAL = "+"  # between the names of columns that make one text
SAME = "its text stands further up, with the same label: it counts once"


@dataclass(frozen=True)
class Columns:
    """Which columns hold the texts and the labels; "" = recognise it."""

    text: str = ""
    label: str = ""


ANY = Columns()


@dataclass(frozen=True)
class LabelledRows:
    """What a file holds, and how it was read."""

    name: str
    rows: list[tuple[str, str]] = field(default_factory=list)  # (text, label), no text twice
    recognised: Recognised = field(default_factory=Recognised)


def read_labelled(path: str | Path, columns: Columns = ANY, skip_bad_lines: bool = False) -> LabelledRows:
    """The texts with their labels; of labels that differ in capitals and blanks alone, the commonest spelling counts.

    Raises ValueError in words if the columns cannot be told, and for a bad line, unless these are to be skipped.
    """
    found = read_records(path, "labelled texts", lambda rows: name_rows(rows, columns))
    records = [record for record in found.records if isinstance(record.value, dict)]
    if not records:
        raise ValueError(f"{found.file.name} holds no table with a column of texts and one of labels")
    texts, label = find_columns(records, columns, found.file.name)
    seen: dict[str, str] = {}
    layout = f"{' + '.join(map(repr, texts))} holds the text, {label!r} the label"

    def parse(item: Any) -> tuple[tuple[str, str], str]:
        if not isinstance(item, dict):
            raise ValueError("this is no object in braces")
        text = "\n".join(filter(None, (cell(item.get(name)) for name in texts)))
        given = cell(item.get(label))
        if not text:
            raise ValueError("the text is empty")
        if given.lower() in MISSING:
            raise ValueError("the label is empty")
        if text in seen:
            if normal(seen[text]) != normal(given):
                raise ValueError(f"its text stands further up with another label, {seen[text]!r} instead of {given!r}")
            raise NothingToLearn(SAME, layout)
        seen[text] = given
        return (text, given), layout

    read, recognised = parse_records(found, parse, skip_bad_lines)
    rows, notes = unify([row for _, row in read])
    notes = [*recognised.notes, *unnamed(records), *notes]
    return LabelledRows(found.file.name, rows, replace(recognised, notes=notes))


def cell(value: Any) -> str:
    """What a cell or a JSON value says, without blanks around it; "" for what is missing."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, list | dict):
        raise ValueError("a text has several labels, or a column holds more than texts: choose other columns")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


# --- labels ---------------------------------------------------------------------------------------------------


def normal(label: str) -> str:
    return " ".join(label.casefold().split())


def unify(rows: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """The rows with one spelling for each label, and what was done, in words."""
    spellings: dict[str, Counter[str]] = {}
    for _, label in rows:
        spellings.setdefault(normal(label), Counter())[label] += 1
    chosen = {key: counts.most_common(1)[0][0] for key, counts in spellings.items()}
    notes = [
        f"the labels {', '.join(map(repr, counts))} are taken as one, {chosen[key]!r}"
        for key, counts in spellings.items()
        if len(counts) > 1
    ]
    return [(text, chosen[normal(label)]) for text, label in rows], notes


# --- columns --------------------------------------------------------------------------------------------------


def read_columns(path: str | Path) -> list[str]:
    """The columns of a table or the keys of its records, to choose among; none of what cannot be read as such."""
    try:
        found = read_records(path, "data", lambda rows: name_rows(rows, ANY)).records
    except ValueError:
        return []
    return columns_of([record for record in found if isinstance(record.value, dict)])


def columns_of(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(key for record in records[:LOOKED_AT] for key in record.value if key))


def name_rows(rows: Sequence[Record], columns: Columns) -> Iterator[Record]:
    """Rows by column: by the names in the first one, or by number from 1 if it is a row like the others."""
    first, *others = rows
    given = [name.strip().lower() for name in first.value]
    wanted = [name.strip().lower() for name in (*columns.text.split(SEVERAL), columns.label) if name.strip()]
    chosen = [name for name in wanted if not name.isdigit()]
    named = any(name in given for name in chosen or (*TEXTS, *LABELS))
    if named or not is_like_others(first.value, [row.value for row in others if not row.problem]):
        return name_columns(rows)
    return name_columns([Record(0, [str(number) for number in range(1, len(first.value) + 1)]), *rows])


def is_like_others(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Does a cell of the first row stand below itself again, as a label does and a name of a column does not?"""
    return any(
        cell.strip() and cell.strip() in {row[number].strip() for row in others if len(row) > number}
        for number, cell in enumerate(first)
    )


def find_columns(records: Sequence[Record], columns: Columns, name: str) -> tuple[list[str], str]:
    """(columns that make the text, column of the label). Raises ValueError that lists the columns if it is unclear."""
    there = columns_of(records)

    def find(wanted: str) -> str:
        found = next((column for column in there if column.strip().lower() == wanted.strip().lower()), None)
        if found is None:
            raise ValueError(f"{name} has no column {wanted.strip()!r}: choose among {', '.join(there)}")
        return found

    texts = [find(part) for part in columns.text.split(SEVERAL)] if columns.text.strip() else []
    label = find(columns.label) if columns.label.strip() else ""
    label = label or named(there, LABELS, texts)
    texts = texts or named_texts(there, label)
    rest = [column for column in there if column not in (*texts, label)]
    if not texts and not label and len(rest) == 2:
        label = min(rest, key=lambda column: (len(set(values(records, column))), mean_length(records, column)))
        texts = [column for column in rest if column != label]
    elif not texts and len(rest) == 1:
        texts = rest
    elif not label and len(rest) == 1:
        label = rest[0]
    if not texts or not label:
        missing = " and ".join(what for what, it in (("text_column", texts), ("label_column", label)) if not it)
        raise ValueError(f"{name}: choose {missing} among its columns {', '.join(there)}")
    return texts, label


def named(there: Sequence[str], known: Sequence[str], taken: Sequence[str]) -> str:
    """The first of the known names that a column has."""
    by_name: dict[str, str] = {column.strip().lower(): column for column in reversed(there) if column not in taken}
    return next((by_name[name] for name in known if name in by_name), "")


def named_texts(there: Sequence[str], label: str) -> list[str]:
    by_name = {column.strip().lower(): column for column in there}
    if all(name in by_name for name in JOINED) and not any(name in by_name for name in TEXTS if name not in JOINED):
        return [by_name[name] for name in JOINED]
    found = named(there, TEXTS, [label])
    return [found] if found else []


def values(records: Sequence[Record], column: str) -> list[str]:
    return [str(record.value.get(column, "")) for record in records]


def mean_length(records: Sequence[Record], column: str) -> float:
    return statistics.mean(map(len, values(records, column)))


def unnamed(records: Sequence[Record]) -> list[str]:
    """What is said of cells below no name."""
    count = sum(bool(record.value.get("", "")) for record in records)
    return [f"{count:,} rows have cells in columns without a name, which are not read"] if count else []
