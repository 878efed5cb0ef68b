"""Texts in files, to be learned from as they are: plain text, a column of a table or of JSON, a directory of them.

    One fine day ...<|endoftext|>A second text begins.

The marker ends a document in a corpus, and is no part of its text. In what a person types it stays letters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.datasets.files import File, read_file
from core.datasets.labelled_files import TEXTS, cell, named
from core.datasets.recognised import LeftOut, NothingToLearn, Recognised
from core.datasets.records import Records, find_records, parse_records
from core.tokenizer import END_OF_TEXT

COLUMNS = (*TEXTS, "story", "article", "passage", "code")
TABLES, JSON = (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")
WHOLE = 10  # different documents from which on whole ones are held out
HELD_OUT = 0.1  # share of the characters


@dataclass(frozen=True)
class Documents:
    """What a file or a directory holds."""

    name: str
    texts: list[str]
    recognised: Recognised = field(default_factory=Recognised)

    def split(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(to learn from, held out): the last tenth; of many documents whole ones, by content.

        What stands there twice is on one side only, then.
        """
        size = sum(map(len, self.texts))
        different = list(dict.fromkeys(self.texts))
        if len(different) < WHOLE:
            return cut(self.texts, int(size * (1 - HELD_OUT)))
        held_out: list[str] = []
        while sum(map(len, held_out)) < HELD_OUT * size and len(held_out) < len(different) - 1:
            held_out.append(different[-1 - len(held_out)])
        chosen = set(held_out)
        return tuple(text for text in self.texts if text not in chosen), tuple(reversed(held_out))


def cut(texts: Iterable[str], at: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first `at` characters and the others; the document in which the cut falls has a part in either."""
    before: list[str] = []
    after: list[str] = []
    for text in texts:
        before += [text[:at]] if at > 0 else []
        after += [text[max(0, at) :]] if at < len(text) else []
        at -= len(text)
    return tuple(before), tuple(after)


def read_documents(path: str | Path, text_column: str = "", skip_bad_lines: bool = False) -> Documents:
    """The documents of a file, or of all files in a directory by name.

    Raises ValueError in words for what is no text, and for a bad line, unless these are to be skipped.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return read_directory(path, text_column, skip_bad_lines)
    file = read_file(path, "corpus")
    if file.is_parquet or file.ending in JSON or is_nameless_json(file) or is_table(file, text_column):
        return read_column(find_records(file), text_column, skip_bad_lines)
    if text_column:
        raise ValueError(f"{file.name} is plain text and has no column {text_column!r}: leave text_column empty")
    text, encoding = file.text()
    text, notes = end_lines(text)
    texts = split_documents(text)
    layout = f"plain text, documents end with {END_OF_TEXT}" if END_OF_TEXT in text else "plain text"
    return Documents(file.name, texts, Recognised(layout, encoding, len(texts), (), notes))


def read_directory(path: Path, text_column: str, skip_bad_lines: bool) -> Documents:
    """Each file a document, or several; what is no text is left out by name."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    texts: list[str] = []
    notes: list[str] = []
    left_out: list[LeftOut] = []
    encodings: dict[str, None] = {}
    for number, file in enumerate(files, 1):
        try:
            in_columns = Path(file.name.removesuffix(".gz")).suffix.lower() in (*TABLES, *JSON, ".parquet")
            found = read_documents(file, text_column if in_columns else "", skip_bad_lines)
        except ValueError as error:
            left_out.append(LeftOut(number, str(error), unit="file"))
            continue
        texts += found.texts
        notes += [f"{found.name}: {sentence}" for sentence in found.recognised.sentences]
        encodings[found.recognised.encoding] = None
    if not texts:
        problem = f": {left_out[0].why}" if left_out else ""
        raise ValueError(f"{path} holds no texts{problem}; give a directory with files of text in it")
    layout = f"a directory of {len(files):,} files"
    count = len(texts) + len(left_out)
    return Documents(path.name, texts, Recognised(layout, ", ".join(encodings), count, left_out, notes))


def end_lines(text: str) -> tuple[str, list[str]]:
    """With \\n at the end of lines, and what is said of others than Windows's."""
    text = text.replace("\r\n", "\n")
    alone = text.count("\r")
    return text.replace("\r", "\n"), [f"{alone:,} lines end with a carriage return alone"] if alone else []


def split_documents(text: str) -> list[str]:
    """The documents of a text, without the empty lines at a marker; a text without one is one document as it is."""
    if END_OF_TEXT not in text:
        return [text] if text else []
    parts = (part.strip("\n") for part in text.split(END_OF_TEXT))
    return [part for part in parts if part.strip()]


# --- columns --------------------------------------------------------------------------------------------------


def is_nameless_json(file: File) -> bool:
    """Do all lines of a file without an ending hold an object?"""
    if file.ending or not file.content.lstrip().startswith(b"{"):
        return False
    records = find_records(file).records
    return all(isinstance(record.value, dict) for record in records)


def is_table(file: File, text_column: str) -> bool:
    """Is it a table by its name, and one with the column, or with one of a usual name?"""
    if file.ending not in TABLES:
        return False
    found = find_records(file).records
    return bool(found and isinstance(found[0].value, dict) and column_of(list(found[0].value), text_column))


def column_of(there: Sequence[str], wanted: str) -> str:
    """The column of the texts; "" if there is none."""
    return named(there, (wanted.strip().lower(),) if wanted else COLUMNS, ())


def read_column(found: Records, text_column: str, skip_bad_lines: bool) -> Documents:
    name = found.file.name
    there = list(dict.fromkeys(key for r in found.records[:100] if isinstance(r.value, dict) for key in r.value))
    strings = all(isinstance(record.value, str) for record in found.records) and bool(found.records)
    column = "" if strings else column_of(there, text_column)
    if not strings and not column:
        missing = f"has no column {text_column!r}" if text_column else "has no column with a usual name for texts"
        raise ValueError(f"{name} {missing}: choose text_column among {', '.join(there) or 'none'}")

    layout = f"texts in {column!r}" if column else "texts"

    def parse(item: Any) -> tuple[list[str], str]:
        if not strings and not isinstance(item, dict):
            raise ValueError("this is no object in braces")
        value = item if strings else item.get(column)
        text, _ = end_lines(value if isinstance(value, str) else cell(value))
        if not text.strip():
            raise NothingToLearn("the text is empty", layout)
        return split_documents(text), layout

    read, recognised = parse_records(found, parse, skip_bad_lines)
    return Documents(name, [text for _, texts in read for text in texts], recognised)
