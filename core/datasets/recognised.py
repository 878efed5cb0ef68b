"""How a file was read: its layout and encoding, its records with the lines where they begin, and what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

NAMED = 3  # lines, where many are left out for the same reason
LOOKED_AT = 50  # lines by which a format is recognised


@dataclass(frozen=True)
class Record:
    line: int
    value: Any = None
    problem: str = ""  # why it cannot be read


@dataclass(frozen=True)
class LeftOut:
    """A record that is not used."""

    line: int  # where it begins; of a parquet file the row, of a directory the file, counted from 1
    why: str
    in_part: bool = False  # the rest of it is used
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.unit} {self.line}: {self.why}"


class NothingToLearn(ValueError):
    """A record that is in order, and of no use: it is left out and counted, whether bad lines are skipped or not."""

    def __init__(self, why: str, layout: str):
        super().__init__(why)
        self.layout = layout


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
