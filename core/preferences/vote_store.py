"""Votes between two answers, kept in SQLite: `checkpoints/preferences.db`.

    pairs        a prompt and two answers, as they stood left and right; with models, sampling and seeds
    votes        who chose what on which pair, how long it took, and what had been predicted
    withdrawals  votes that were undone, deleted or changed since: rows are added, none is ever changed or removed

A vote is on disk when `cast` returns. Several threads, windows and processes may vote at once: every method is one
transaction, and what must not happen twice is a UNIQUE constraint.
"""

import json
import math
import sqlite3
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.datasets.messages import Messages, message
from core.datasets.preference_files import OVERALL, Asked, Preference, Turns, sort_tie
from core.preferences.sqlite import Database
from core.preferences.thumb_store import SCHEMA as THUMBS
from core.preferences.thumb_store import Thumbs

FILE = "preferences.db"  # beside the checkpoints


@dataclass(frozen=True)
class Choice:
    """What may be thought of a pair, and how that is said. A is the left answer, B the right one."""

    label: str  # to choose it, where the answers have letters
    side_label: str  # to choose it, where they stand side by side without
    short: str  # in a table
    spoken: str  # after "You chose"


CHOICES = {  # by what the store holds
    "left": Choice("A is better", "Left is better", "A", "A"),
    "right": Choice("B is better", "Right is better", "B", "B"),
    "tie": Choice("Tie", "Tie", "tie", "a tie"),
    "bad": Choice("Both bad", "Both bad", "both bad", "both bad"),  # neither is good
    "skip": Choice("Skip", "Skip", "skipped", "neither: skipped"),
}
DECIDED = ("left", "right")  # choices that call one answer the better one
SLIGHT, MUCH = 1 / 3, 1.0  # how much better an answer is, where that is said: margins of Touvron et al. 2023, table 27
STRENGTHS = {SLIGHT: "slightly better", MUCH: "much better"}  # 0: that was not said
CRITERIA = {OVERALL: "overall", "character": "in character", "obeys": "obeys the prompt"}  # by what one may judge
SOURCES = {  # by what the store holds: where a pair comes from, in a table
    "label": "two samples",
    "compare": "two models",
    "chat": "chat",
    "edit": "edited in chat",
    "arena": "arena",
    "import": "imported",
    "rule": "by a rule",
    "example": "example",
}
SCHEMA = """
CREATE TABLE IF NOT EXISTS pairs (
    id INTEGER PRIMARY KEY, prompt TEXT NOT NULL,
    left_text TEXT NOT NULL, left_model TEXT NOT NULL, left_seed INTEGER NOT NULL,
    right_text TEXT NOT NULL, right_model TEXT NOT NULL, right_seed INTEGER NOT NULL,
    sampling TEXT NOT NULL, source TEXT NOT NULL, swaps INTEGER REFERENCES pairs (id), created TEXT NOT NULL,
    history TEXT NOT NULL DEFAULT '[]',
    left_version INTEGER NOT NULL DEFAULT 0, right_version INTEGER NOT NULL DEFAULT 0,
    left_dial REAL NOT NULL DEFAULT 1, right_dial REAL NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS votes (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, pair INTEGER NOT NULL REFERENCES pairs (id),
    annotator TEXT NOT NULL, choice TEXT NOT NULL, milliseconds INTEGER NOT NULL, note TEXT NOT NULL,
    predicted REAL, created TEXT NOT NULL,
    margin REAL NOT NULL DEFAULT 0, criterion TEXT NOT NULL DEFAULT 'overall'
);
CREATE INDEX IF NOT EXISTS votes_of_pair ON votes (pair, annotator);
CREATE TABLE IF NOT EXISTS withdrawals (
    vote INTEGER PRIMARY KEY REFERENCES votes (id), key TEXT NOT NULL UNIQUE, why TEXT NOT NULL, created TEXT NOT NULL
);
CREATE VIEW IF NOT EXISTS standing AS SELECT * FROM votes WHERE id NOT IN (SELECT vote FROM withdrawals);
"""
# What earlier versions of this program did not have: (table, column, its declaration).
ADDED = (
    ("pairs", "history", "TEXT NOT NULL DEFAULT '[]'"),
    ("pairs", "left_version", "INTEGER NOT NULL DEFAULT 0"),
    ("pairs", "right_version", "INTEGER NOT NULL DEFAULT 0"),
    ("pairs", "left_dial", "REAL NOT NULL DEFAULT 1"),
    ("pairs", "right_dial", "REAL NOT NULL DEFAULT 1"),
    ("votes", "margin", "REAL NOT NULL DEFAULT 0"),
    ("votes", "criterion", "TEXT NOT NULL DEFAULT 'overall'"),
)
PAIR = (
    "pairs.id, prompt, left_text, left_model, left_seed, right_text, right_model, right_seed, sampling, source, swaps, "
    "history, left_version, right_version, left_dial, right_dial"
)
VOTE = "given.id, annotator, choice, milliseconds, note, predicted, given.created, margin, criterion"
WITH_PAIR = "JOIN pairs ON pairs.id = given.pair ORDER BY given.id"


class AlreadyVoted(ValueError):
    """This annotator has a standing vote on this pair."""


@dataclass(frozen=True)
class Answer:
    text: str
    model: str = ""  # the name of the checkpoint that wrote it; "" if it is not known
    seed: int = 0  # with which it was drawn
    version: int = 0  # of the model, which learned while its answers were voted on; 0: the checkpoint itself
    dial: float = 1.0  # where it stood between the model's parent, at 0, and the model: see core/task_arithmetic.py

    @property
    def writer(self) -> str:
        """Under which name the answer is judged."""
        return self.model if self.dial == 1 else f"{self.model} (dial {self.dial:g})"


@dataclass(frozen=True)
class NewPair(Asked):
    """Two answers to a prompt, on the sides on which they will be seen."""

    prompt: str  # the last thing that the user says
    left: Answer
    right: Answer
    sampling: dict[str, Any]  # how both were drawn
    source: str  # one of SOURCES
    swaps: int | None = None  # the pair of which this is a repetition with its sides swapped
    history: Turns = field(default=(), kw_only=True)  # what was said before the prompt


@dataclass(frozen=True)
class Pair(NewPair):
    id: int = 0


@dataclass(frozen=True)
class Vote:
    id: int
    pair: Pair
    annotator: str
    choice: str  # one of CHOICES
    milliseconds: int  # from the moment the pair was seen
    note: str
    predicted: float | None  # probability, said before the vote, that left would be chosen
    created: str  # UTC
    margin: float = 0.0  # how much better the chosen answer is: see STRENGTHS
    criterion: str = OVERALL  # one of CRITERIA

    @property
    def decided(self) -> bool:
        """Was one answer called the better one?"""
        return self.choice in DECIDED

    @property
    def chosen(self) -> Answer:
        """The better answer; of an undecided vote the left one."""
        return self.pair.right if self.choice == "right" else self.pair.left

    @property
    def rejected(self) -> Answer:
        return self.pair.left if self.choice == "right" else self.pair.right


@dataclass(frozen=True)
class Known:
    """The standing votes as they were read, and what of the store has changed when they are not those any more."""

    file: tuple[int, int] | None = None
    renames: int = 0  # of models
    withdrawals: int = 0
    votes: tuple[Vote, ...] = ()  # by id


class Votes(Database):
    """The store. `trouble` says in a sentence that a damaged file was put aside when it was opened."""

    def __init__(self, path: str | Path):
        self.known, self.reading, self.thumbs = Known(), threading.Lock(), Thumbs(self)
        super().__init__(path, SCHEMA + THUMBS, ADDED)

    # --- pairs ------------------------------------------------------------------------------------------------

    def add_pairs(self, pairs: Sequence[NewPair]) -> list[int]:
        """Ids of the new pairs, in order."""
        with self.transaction() as connection:
            return [insert_pair(connection, pair) for pair in pairs]

    def pair(self, id: int) -> Pair:
        row = self.connection().execute(f"SELECT {PAIR} FROM pairs WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise ValueError(f"there is no pair number {id}")
        return read_pair(row)

    def open_pairs(self, annotator: str, source: str, models: tuple[str, str], limit: int) -> list[Pair]:
        """Pairs by these models, in either order, on which the annotator has no standing vote, oldest first."""
        query = (
            f"SELECT {PAIR} FROM pairs WHERE source = ? AND (left_model, right_model) IN (VALUES (?, ?), (?, ?)) "
            "AND id NOT IN (SELECT pair FROM standing WHERE annotator = ?) ORDER BY id LIMIT ?"
        )
        rows = self.connection().execute(query, (source, *models, *reversed(models), annotator, limit))
        return [read_pair(row) for row in rows]

    def rename_model(self, name: str, new: str) -> None:
        """Let the answers of a model bear the name that it has now."""
        with self.transaction() as connection:
            for side in ("left_model", "right_model"):
                connection.execute(f"UPDATE pairs SET {side} = ? WHERE {side} = ?", (new, name))
            connection.execute("UPDATE thumbs SET model = ? WHERE model = ?", (new, name))
            connection.execute(f"PRAGMA user_version = {renames(connection) + 1}")

    # --- votes ------------------------------------------------------------------------------------------------

    def cast(
        self,
        key: str,
        pair: int,
        annotator: str,
        choice: str,
        milliseconds: int,
        note: str = "",
        predicted: float | None = None,
        margin: float = 0.0,
        criterion: str = OVERALL,
    ) -> int:
        """Store a vote; returns its id.

        key: made up by who votes, once for each vote: the same key again stores nothing and returns the same id.
        Raises AlreadyVoted if the annotator has another standing vote on the pair, ValueError for an unknown choice,
        criterion or pair, a margin below 0, an empty annotator, or a prediction that is no probability.
        """
        check_choice(choice, margin)
        if criterion not in CRITERIA:
            raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
        if not annotator.strip():
            raise ValueError("the annotator has no name: type one")
        if predicted is not None and not 0 <= predicted <= 1:
            raise ValueError(f"predicted must be a probability between 0 and 1, got {predicted}")
        self.pair(pair)
        with self.transaction() as connection:
            if row := connection.execute("SELECT id FROM votes WHERE key = ?", (key,)).fetchone():
                known: int = row[0]
                return known
            query = "SELECT 1 FROM standing WHERE pair = ? AND annotator = ?"
            if connection.execute(query, (pair, annotator)).fetchone():
                raise AlreadyVoted(f"{annotator} has voted on this pair already")
            return insert_vote(
                connection, (key, pair, annotator, choice, milliseconds, note, predicted), margin, criterion
            )

    def id_of(self, key: str) -> int | None:
        """Of the vote that was stored with this key, if there is one."""
        row = self.connection().execute("SELECT id FROM votes WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def change(self, key: str, vote: int, choice: str, margin: float = 0.0) -> int:
        """Put another choice in the place of a standing vote's; returns the id of the vote that then stands.

        It is one more vote, which nobody predicted. The same key again changes nothing and returns the same id. Raises
        ValueError for an unknown choice, a margin below 0, or a vote that does not stand.
        """
        check_choice(choice, margin)
        with self.transaction() as connection:
            if row := connection.execute("SELECT id FROM votes WHERE key = ?", (key,)).fetchone():
                known: int = row[0]
                return known
            query = "SELECT pair, annotator, milliseconds, note, criterion FROM standing WHERE id = ?"
            row = connection.execute(query, (vote,)).fetchone()
            if row is None:
                raise ValueError("this vote is not there any more: it was undone, deleted or changed meanwhile")
            connection.execute("INSERT INTO withdrawals VALUES (?, ?, ?, ?)", (vote, key, "change", now()))
            pair, annotator, milliseconds, note, criterion = row
            return insert_vote(connection, (key, pair, annotator, choice, milliseconds, note, None), margin, criterion)

    def withdraw(self, key: str, vote: int, why: str) -> None:
        """Take a standing vote back; `why` is "undo" or "delete". A vote that was taken back before stays so."""
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM votes WHERE id = ?", (vote,)).fetchone() is None:
                raise ValueError(f"there is no vote number {vote}")
            query = "INSERT OR IGNORE INTO withdrawals VALUES (?, ?, ?, ?)"
            connection.execute(query, (vote, key, why, now()))

    def undo(self, key: str, annotator: str) -> Pair | None:
        """Take the annotator's latest standing vote back; returns its pair, or None if there is no such vote.

        The same key again takes back nothing and returns the same pair.
        """
        with self.transaction() as connection:
            query = "SELECT pair FROM votes JOIN withdrawals ON vote = votes.id WHERE withdrawals.key = ?"
            if row := connection.execute(query, (key,)).fetchone():
                return self.pair(row[0])
            query = "SELECT id, pair FROM standing WHERE annotator = ? ORDER BY id DESC LIMIT 1"
            row = connection.execute(query, (annotator,)).fetchone()
            if row is None:
                return None
            connection.execute("INSERT INTO withdrawals VALUES (?, ?, ?, ?)", (row[0], key, "undo", now()))
            return self.pair(row[1])

    def standing(
        self, annotator: str | None = None, source: str | None = None, writer: str | None = None, after: int = 0
    ) -> list[Vote]:
        """Votes that were not taken back, oldest first; those of an annotator, a source, a writer alone if asked.

        after: only votes younger than the one with this id.
        """
        found = self.all_standing()
        return [
            vote
            for vote in found[bisect_right(found, after, key=lambda vote: vote.id) :]
            if annotator in (None, vote.annotator)
            and source in (None, vote.pair.source)
            and (writer is None or writer in (vote.pair.left.writer, vote.pair.right.writer))
        ]

    def all_standing(self) -> tuple[Vote, ...]:
        """All of them, of which only what has come since the last look is read: there may be many."""
        with self.reading:
            connection, known = self.connection(), self.known
            if (known.file, known.renames) != (self.own.file, renames(connection)):
                known = Known(self.own.file, renames(connection))
            (withdrawals,) = connection.execute("SELECT count(*) FROM withdrawals").fetchone()
            if withdrawals != known.withdrawals:  # counted before the votes are read, so that none is missed
                gone = {row[0] for row in connection.execute("SELECT vote FROM withdrawals")}
                kept = tuple(vote for vote in known.votes if vote.id not in gone)
                known = replace(known, withdrawals=withdrawals, votes=kept)
            query = f"SELECT {VOTE}, {PAIR} FROM (SELECT * FROM standing WHERE id > ?) AS given {WITH_PAIR}"
            new = tuple(map(read_vote, connection.execute(query, (known.votes[-1].id if known.votes else 0,))))
            self.known = replace(known, votes=known.votes + new) if new else known
            return self.known.votes

    def deleted(self, ids: Collection[int]) -> list[Vote]:
        """Those of the votes with these ids that were deleted, oldest first."""
        withdrawn = "votes AS given JOIN withdrawals ON vote = given.id AND why = 'delete'"
        rows = self.connection().execute(f"SELECT {VOTE}, {PAIR} FROM {withdrawn} {WITH_PAIR}")
        return [vote for vote in map(read_vote, rows) if vote.id in ids]

    def annotators(self) -> dict[str, int]:
        """The number of standing votes of each, most first."""
        query = "SELECT annotator, count(*) FROM standing GROUP BY annotator ORDER BY count(*) DESC, annotator"
        return dict(self.connection().execute(query).fetchall())

    # --- as something to learn from ---------------------------------------------------------------------------

    def preferences(
        self,
        annotators: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        criteria: Collection[str] | None = None,
    ) -> list[Preference]:
        """One for each standing vote, swapped repetitions and second opinions on a pair included."""
        return as_preferences(
            vote
            for vote in self.standing()
            if (annotators is None or vote.annotator in annotators)
            and (sources is None or vote.pair.source in sources)
            and (criteria is None or vote.criterion in criteria)
        )

    def edits(self, annotators: Collection[str] | None = None) -> list[Messages]:
        """Conversations that end with an answer as a person has written it in place of the model's."""
        return [
            [*vote.pair.messages, message("assistant", vote.chosen.text)]
            for vote in self.standing(source="edit")
            if vote.decided and (annotators is None or vote.annotator in annotators)
        ]

    def import_preferences(self, pairs: Sequence[Preference], annotator: str, source: str = "import") -> int:
        """Add preferences as votes of `annotator`; those that it has already are left out. Returns the number added.

        What stands in a file twice, two people's votes on one pair, is voted twice. Every second one is shown with its
        better answer on the right, so that the side tells nothing. By a criterion that is none of ours, it is OVERALL:
        see `unknown_criteria`.
        """
        pairs = [pair if pair.criterion in CRITERIA else replace(pair, criterion=OVERALL) for pair in pairs]
        known = Counter(map(sort_tie, self.preferences([annotator])))
        new: list[NewPair] = []
        choices: list[str] = []
        judged: list[tuple[float, str]] = []
        for pair in pairs:
            if known[sort_tie(pair)]:
                known[sort_tie(pair)] -= 1
                continue
            sides, swapped = [Answer(pair.chosen), Answer(pair.rejected)], len(new) % 2 == 1
            left, right = sides[swapped], sides[not swapped]
            new.append(NewPair(pair.prompt, left, right, {}, source, history=pair.history))
            choices.append("tie" if pair.tie else "right" if swapped else "left")
            judged.append((pair.margin, pair.criterion))
        self.add_voted(new, choices, annotator, judged)
        return len(new)

    def add_voted(
        self,
        pairs: Sequence[NewPair],
        choices: Sequence[str],
        annotator: str,
        judged: Sequence[tuple[float, str]] | None = None,
    ) -> None:
        """Add pairs with the votes on them, which nobody has looked at: by a rule, or from a file.

        judged: margin and criterion of each; without, none and OVERALL.
        """
        began = time.time_ns()
        with self.transaction() as connection:
            for number, (pair, choice) in enumerate(zip(pairs, choices, strict=True)):
                margin, criterion = judged[number] if judged else (0.0, OVERALL)
                vote = f"{pair.source}-{began}-{number}", insert_pair(connection, pair), annotator, choice, 0, "", None
                insert_vote(connection, vote, margin, criterion)


def as_preferences(votes: Iterable[Vote]) -> list[Preference]:
    """What can be learned from votes.

    A tie and "both bad" say that neither answer is better: both become ties. Skipped pairs say nothing.
    """
    return [
        Preference(
            vote.pair.prompt,
            vote.chosen.text,
            vote.rejected.text,
            not vote.decided,
            vote.pair.history,
            vote.margin,
            vote.criterion,
        )
        for vote in votes
        if vote.choice != "skip"
    ]


def unknown_criteria(pairs: Iterable[Preference]) -> list[str]:
    """In words, what is taken to be judged overall, as nobody votes by its criterion here."""
    found = Counter(pair.criterion for pair in pairs if pair.criterion not in CRITERIA)
    return [f"judged by {name!r:.40}, kept as overall: {count:,}" for name, count in found.items()]


def insert_pair(connection: sqlite3.Connection, pair: NewPair) -> int:
    if pair.source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {pair.source!r}")
    sides = [value for side in (pair.left, pair.right) for value in (side.text, side.model, side.seed)]
    about = (json.dumps(pair.sampling), pair.source, pair.swaps, now(), json.dumps(pair.history))
    values = (pair.prompt, *sides, *about, pair.left.version, pair.right.version, pair.left.dial, pair.right.dial)
    return insert_row(connection, f"INSERT INTO pairs VALUES (NULL, {', '.join('?' * len(values))})", values)


def insert_vote(
    connection: sqlite3.Connection, values: tuple[Any, ...], margin: float, criterion: str = OVERALL
) -> int:
    columns = "key, pair, annotator, choice, milliseconds, note, predicted, created, margin, criterion"
    query = f"INSERT INTO votes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return insert_row(connection, query, (*values, now(), margin, criterion))


def check_choice(choice: str, margin: float) -> None:
    """Raises ValueError if nobody can have voted so."""
    if choice not in CHOICES:
        raise ValueError(f"choice must be one of {', '.join(CHOICES)}, got {choice!r}")
    if not 0 <= margin < math.inf:
        raise ValueError(f"margin must be a number of 0 or more, got {margin}")
    if margin and choice not in DECIDED:
        raise ValueError(f"only of an answer that is better it can be said how much, got a margin of {margin}")


def insert_row(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> int:
    id = connection.execute(query, values).lastrowid
    assert id is not None
    return id


def read_vote(row: Sequence[Any]) -> Vote:
    return Vote(row[0], read_pair(row[9:]), *row[1:9])


def read_pair(row: Sequence[Any]) -> Pair:
    left = Answer(row[2], row[3], row[4], row[12], row[14])
    right = Answer(row[5], row[6], row[7], row[13], row[15])
    history = tuple((role, content) for role, content in json.loads(row[11])) if row[11] != "[]" else ()
    return Pair(row[1], left, right, read_sampling(row[8]), row[9], row[10], row[0], history=history)


@lru_cache(maxsize=256)
def read_sampling(text: str) -> dict[str, Any]:
    """One for all pairs that were drawn alike: nobody changes it."""
    found: dict[str, Any] = json.loads(text)
    return found


def renames(connection: sqlite3.Connection) -> int:
    """How often a model was renamed in this file, which changes votes that are known already."""
    count: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return count


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
