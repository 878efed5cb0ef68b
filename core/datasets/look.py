"""Look at data before anything is trained on it: what was recognised, what is left out, and the first examples.

Four kinds of data, four readers; here all of them answer in one form. What cannot be read is left out and named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.datasets.conversation_files import find_conversations
from core.datasets.labelled_files import Columns, read_labelled
from core.datasets.messages import describe_messages, message
from core.datasets.preference_files import Preference
from core.datasets.recognised import Recognised
from core.datasets.text_files import read_documents
from core.datasets.thumbs import count_thumbs, read_feedback, thumb_example

FIRST = 3  # examples that are shown
BEGINNING = 1000  # characters of a document


@dataclass(frozen=True)
class Look:
    """What a file holds."""

    name: str
    recognised: Recognised
    count: int  # of what can be learned from
    examples: Sequence[dict[str, Any]]  # the first ones

    def to_dict(self) -> dict[str, Any]:
        """As `python -m core data --json` writes it."""
        found = self.recognised
        return {
            "layout": "; ".join([found.layout, *found.notes]),
            "encoding": found.encoding,
            "records": self.count,
            "left_out": [{"line": one.line, "why": one.why} for one in found.left_out],
            "examples": list(self.examples),
        }


Reader = Callable[[Path, Columns], Look]


def look_at_conversations(path: Path, columns: Columns) -> Look:
    found = find_conversations(path, skip_bad_lines=True)
    return Look(found.name, found.recognised, len(found.messages), [{"messages": m} for m in found.messages[:FIRST]])


def look_at_preferences(path: Path, columns: Columns) -> Look:
    found = read_feedback(path, skip_bad_lines=True)
    examples = [*map(pair_example, found.pairs[:FIRST]), *map(thumb_example, found.thumbs[:FIRST])]
    recognised = found.recognised
    if found.thumbs:
        said = f"{count_thumbs(found.thumbs)}: of single answers only loss_type kto learns"
        recognised = replace(recognised, notes=[*recognised.notes, said])
    return Look(found.name, recognised, len(found.pairs) + len(found.thumbs), examples[:FIRST])


def pair_example(pair: Preference) -> dict[str, Any]:
    answers = {name: [message("assistant", getattr(pair, name))] for name in ("chosen", "rejected")}
    return {"prompt": pair.messages} | answers | ({"tie": True} if pair.tie else {})


def look_at_labelled(path: Path, columns: Columns) -> Look:
    found = read_labelled(path, columns, skip_bad_lines=True)
    of_each = {label: (text, label) for text, label in reversed(found.rows)}  # the first of each class
    shown = dict.fromkeys([*found.rows[:FIRST], *reversed(of_each.values())])
    examples = [{"text": text, "label": label} for text, label in shown]
    return Look(found.name, found.recognised, len(found.rows), examples)


def look_at_texts(path: Path, columns: Columns) -> Look:
    found = read_documents(path, columns.text, skip_bad_lines=True)
    examples = [{"document": text[:BEGINNING]} for text in found.texts[:FIRST]]
    return Look(found.name, found.recognised, len(found.texts), examples)


def describe_example(example: dict[str, Any]) -> str:
    """For people to read."""
    parts = []
    for name, value in example.items():
        text = describe_messages(value) if isinstance(value, list) else str(value)
        parts.append(text if name == "messages" else f"{name}: {text}")
    return "\n".join(parts)
