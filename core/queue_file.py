"""The queue on disk: `.queue.json`, the entries in their order. One bad entry is one bad entry."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.atomic_files import write_json
from core.bounded_files import read_text
from core.stages.memory_fit import MemoryNeed

FILE = ".queue.json"


@dataclass(frozen=True)
class Entry:
    """A run that waits."""

    name: str
    after: tuple[str, ...] = ()  # the runs whose models it needs
    place: str = ""  # the working directory in which its relative paths lead somewhere; "" = that of who begins it
    need: MemoryNeed | None = None  # None: it is counted by the process that trains it, before it begins
    agreed: bool = False  # a person has said that it may begin although it does not fit
    damage: str = ""  # what is wrong with it in the file


def write_entries(checkpoints: Path, entries: Sequence[Entry]) -> None:
    write_json(checkpoints / FILE, {"entries": [asdict(entry) for entry in entries]})


def read_entries(checkpoints: Path) -> list[Entry]:
    """What the file holds; of what cannot be read, as much as its name, if that can be."""
    try:
        content = json.loads(read_text(checkpoints / FILE))
    except (ValueError, RecursionError):  # absent, or damaged: the runs themselves say that they wait
        return []
    listed = content.get("entries") if isinstance(content, dict) else None
    found = (read_entry(value) for value in listed or []) if isinstance(listed, list) else ()
    return list({entry.name: entry for entry in found if entry}.values())


def read_entry(value: Any) -> Entry | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    try:
        need = MemoryNeed(**value["need"]) if value["need"] else None
        entry = Entry(value["name"], tuple(value["after"]), value["place"], need, value["agreed"], value["damage"])
        if all(isinstance(name, str) for name in entry.after) and isinstance(entry.place, str) and is_sound(need):
            return entry
    except (KeyError, TypeError):
        pass
    return Entry(value["name"], damage="its entry in the queue is damaged")


def is_sound(need: MemoryNeed | None) -> bool:
    return need is None or (math.isfinite(need.needs) and math.isfinite(need.room) and isinstance(need.device, str))
