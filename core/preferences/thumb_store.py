"""Thumbs under single answers, kept in the file of the votes.

thumbs             who called which answer good or bad
thumb_withdrawals  thumbs that were taken back: rows are added, none is ever changed or removed
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.datasets.thumbs import Thumb
from core.preferences.sqlite import Database

# Tables of their own: earlier versions of this program do not look at them, and their files get them when opened.
SCHEMA = """
CREATE TABLE IF NOT EXISTS thumbs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, annotator TEXT NOT NULL, up INTEGER NOT NULL,
    prompt TEXT NOT NULL, history TEXT NOT NULL, answer TEXT NOT NULL, model TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS thumb_withdrawals (
    thumb INTEGER PRIMARY KEY REFERENCES thumbs (id), key TEXT NOT NULL UNIQUE, created TEXT NOT NULL
);
CREATE VIEW IF NOT EXISTS standing_thumbs AS
    SELECT * FROM thumbs WHERE id NOT IN (SELECT thumb FROM thumb_withdrawals);
"""


@dataclass(frozen=True)
class KeptThumb(Thumb):
    id: int = 0
    annotator: str = ""
    model: str = ""  # the name of the checkpoint that wrote the answer; "" if it is not known


class Thumbs:
    """Those in a `database` of votes."""

    def __init__(self, database: Database):
        self.database = database

    def press(self, key: str, thumb: Thumb, annotator: str, model: str = "") -> int:
        """Keep a thumb; returns its id. The same key again keeps nothing and returns the same id.

        Raises ValueError for an empty answer or annotator.
        """
        if not annotator.strip():
            raise ValueError("the annotator has no name: type one")
        if not thumb.answer.strip():
            raise ValueError("this answer is empty: there is nothing to call good or bad")
        with self.database.transaction() as connection:
            insert(connection, key, thumb, annotator, model)
            id: int = connection.execute("SELECT id FROM thumbs WHERE key = ?", (key,)).fetchone()[0]
            return id

    def withdraw(self, key: str, thumb: int) -> None:
        """Take a thumb back. One that was taken back before stays so."""
        with self.database.transaction() as connection:
            if connection.execute("SELECT 1 FROM thumbs WHERE id = ?", (thumb,)).fetchone() is None:
                raise ValueError(f"there is no thumb number {thumb}")
            connection.execute("INSERT OR IGNORE INTO thumb_withdrawals VALUES (?, ?, ?)", (thumb, key, now()))

    def standing(self) -> list[KeptThumb]:
        """Thumbs that were not taken back, oldest first."""
        query = "SELECT id, annotator, up, prompt, history, answer, model FROM standing_thumbs ORDER BY id"
        return [
            KeptThumb(prompt, answer, bool(up), tuple(map(tuple, json.loads(history))), id, annotator, model)
            for id, annotator, up, prompt, history, answer, model in self.database.connection().execute(query)
        ]

    def all(self, annotators: Sequence[str] | None = None) -> list[Thumb]:
        """What can be learned from: everyone's, or those of some."""
        return [
            Thumb(one.prompt, one.answer, one.up, one.history)
            for one in self.standing()
            if annotators is None or one.annotator in annotators
        ]

    def add(self, thumbs: Sequence[Thumb], annotator: str) -> int:
        """Those of a file; what `annotator` has already is left out. Returns the number added."""
        known, began = Counter(self.all([annotator])), time.time_ns()
        wanted = Counter(thumbs)
        new = [thumb for thumb, count in wanted.items() for _ in range(count - known[thumb])]
        with self.database.transaction() as connection:
            for number, thumb in enumerate(new):
                insert(connection, f"import-{began}-{number}", thumb, annotator, "")
        return len(new)


def insert(connection: sqlite3.Connection, key: str, thumb: Thumb, annotator: str, model: str) -> None:
    row = (key, annotator, thumb.up, thumb.prompt, json.dumps(thumb.history), thumb.answer, model, now())
    connection.execute("INSERT OR IGNORE INTO thumbs VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
