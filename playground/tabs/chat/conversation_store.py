"""Conversations, kept by name in SQLite: `checkpoints/conversations.db`.

One row each: the tree of turns as the page holds it, and the settings that it was held with. Several windows may keep
one at once: each method is one transaction, and who has not seen what another window kept gets a copy of their own.
A row that cannot be read is one damaged row.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.preferences.sqlite import Database
from playground.ui.text import page_text

FILE = "conversations.db"  # beside the checkpoints
LARGEST = 8_000_000  # characters of one, as JSON: some 300,000 tokens
LONGEST_NAME, LONGEST_TITLE = 100, 60  # characters
SHOWN = 100  # of a list; who wants others searches for them

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, model TEXT NOT NULL, turns INTEGER NOT NULL,
    said TEXT NOT NULL, content TEXT NOT NULL, revision TEXT NOT NULL, changed TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
);
"""
GONE = "this conversation is not there any more: it was deleted in another window"
# Damaged text is no text to SQLite: it is read as bytes.
LISTED = "id, CAST(name AS BLOB), CAST(title AS BLOB), CAST(model AS BLOB), turns, changed, json_valid(content)"

Content = dict[str, Any]  # {"tree": {"nodes", "leaf", "next"}, "settings"}, see turns.js


@dataclass(frozen=True)
class Entry:
    """A conversation in the list."""

    id: str
    name: str  # that it was given, else how it begins
    model: str
    turns: int
    changed: str  # ISO 8601
    damaged: bool


class ConversationStore:
    """What was deleted can be restored until the store is opened again."""

    def __init__(self, directory: Path):
        self.database = Database(directory / FILE, SCHEMA)
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM conversations WHERE deleted")

    @property
    def trouble(self) -> str:
        """That a damaged file was put aside, if one was."""
        return self.database.trouble

    def keep(self, id: str, content: Content, known: list[str], revision: str) -> str:
        """Keep a conversation as it is now, under the name `revision` of this state; returns its id.

        known: the states that the window has seen. If another window has kept a later one, this one is kept as a copy,
        with an id of its own. Raises ValueError if it is no conversation, or too large.
        """
        text = json.dumps(content)
        if len(text) > LARGEST:
            raise ValueError(
                f"this conversation is longer than what is kept of one ({LARGEST / 1e6:.0f} MB): begin a new one; "
                "what was kept of it so far stays"
            )
        said = said_in(content)
        title, model = first_words(said), page_text(str(content["settings"].get("model") or ""))
        row = [title, model, len(said), page_text("\n".join(said)), text, revision, now()]
        with self.database.transaction() as connection:
            found = connection.execute("SELECT revision, name FROM conversations WHERE id = ?", [id]).fetchone()
            if found and found[0] in known:
                connection.execute(
                    "UPDATE conversations SET title = ?, model = ?, turns = ?, said = ?, content = ?, revision = ?, "
                    "changed = ?, deleted = 0 WHERE id = ?",
                    [*row, id],
                )
                return id
            name = f"{found[1] or title} (copy)"[-LONGEST_NAME:] if found else ""
            id = secrets.token_hex(8) if found else id
            connection.execute("INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", [id, name, *row])
            return id

    def entries(self, search: str = "") -> list[Entry]:
        """Those in whose name or turns `search` occurs, in whatever case; the latest first."""
        wanted = search.strip().casefold()
        said = ", CAST(said AS BLOB)" if wanted else ""
        query = f"SELECT {LISTED}{said} FROM conversations WHERE NOT deleted ORDER BY changed DESC, id"
        found = []
        for id, name, title, model, turns, changed, valid, *rest in self.database.connection().execute(query):
            names = [shown(name), shown(title), *map(shown, rest)]
            if wanted in "\n".join(names).casefold():
                found.append(Entry(id, names[0] or names[1], shown(model), turns, changed, not valid))
        return found

    def open(self, id: str) -> tuple[Content, str]:
        """What was kept, and the name of its state. Raises ValueError if it is gone or damaged."""
        query = "SELECT CAST(content AS BLOB), revision FROM conversations WHERE id = ? AND NOT deleted"
        found = self.database.connection().execute(query, [id]).fetchone()
        if found is None:
            raise ValueError(GONE)
        try:
            content = json.loads(found[0])
            said_in(content)
        except (ValueError, RecursionError):
            raise ValueError("this conversation is damaged and cannot be read: the others are not") from None
        return content, found[1]

    def rename(self, id: str, name: str) -> None:
        """Raises ValueError if the name is empty or too long, or the conversation is gone."""
        name = " ".join(page_text(name).split())
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(f"a name has 1 to {LONGEST_NAME} characters: type another one")
        self.change("name = ?", name, id)

    def delete(self, id: str) -> None:
        """Raises ValueError if the conversation is gone."""
        self.change("deleted = ?", 1, id)

    def restore(self, id: str) -> None:
        """Take back a deletion. Raises ValueError if the conversation is gone for good."""
        self.change("deleted = ?", 0, id)

    def change(self, assignment: str, value: Any, id: str) -> None:
        with self.database.transaction() as connection:
            done = connection.execute(f"UPDATE conversations SET {assignment} WHERE id = ?", [value, id])
            if not done.rowcount:
                raise ValueError(GONE)


def said_in(content: Any) -> list[str]:
    """What was said in each turn, on whatever branch. Raises ValueError if that is no conversation."""
    try:
        tree, settings = content["tree"], content["settings"]
        nodes = tree["nodes"]
        ids = {int(id) for id in nodes}
        said = [said_in_turn(turn) for turn in nodes.values()]
        is_tree = {turn["id"] for turn in nodes.values()} == ids and isinstance(tree["next"], int)
        # A parent is older than its child, so that every path ends.
        fits = all(turn["parent"] is None or turn["parent"] in ids for turn in nodes.values())
        older = all((turn["parent"] or 0) < turn["id"] < tree["next"] for turn in nodes.values())
        if not (said and is_tree and fits and older and tree["leaf"] in ids and isinstance(settings, dict)):
            raise ValueError("its turns do not make a tree")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"this is no conversation: {error}") from error
    return said


def said_in_turn(turn: dict[str, Any]) -> str:
    """A person's text, or all answers of a turn of models."""
    if turn["role"] == "user":
        return str(turn["text"])
    answers = [
        answer["lead"] + bytes.fromhex("".join(hex for _, _, hex in answer["tokens"])).decode("utf-8", "replace")
        for answer in turn["answers"]
    ]
    answers[turn["pick"]]  # there must be one
    return "\n".join(answers)


def first_words(said: list[str]) -> str:
    """How a conversation begins."""
    words = page_text(" ".join(said[0].split()))
    return words if len(words) <= LONGEST_TITLE else f"{words[: LONGEST_TITLE - 1].rstrip()}…"


def shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def now() -> str:
    return datetime.now(UTC).isoformat()
