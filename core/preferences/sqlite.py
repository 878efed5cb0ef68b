"""A SQLite file that several threads and processes write to at once, and that outlives kills, damage and removal."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

WAIT_SECONDS = 30  # for another process to end its transaction
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """The tables of `schema` at `path`. `added`: columns (table, name, declaration) that earlier versions did not have.

    `trouble` says in a sentence that a damaged file was put aside, if one was.

    Raises ValueError if the file cannot be used.
    """

    def __init__(self, path: str | Path, schema: str, added: Sequence[tuple[str, str, str]] = ()):
        self.path, self.schema, self.added, self.trouble = Path(path), schema, added, ""
        self.own = threading.local()  # SQLite's connections are not shared between threads
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.open()

    def open(self) -> None:
        """Create, check, or put aside: by one process at a time, or two would each begin a new file."""
        with FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=WAIT_SECONDS):
            try:
                self.prepare()
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in DAMAGE:
                    raise ValueError(f"{self.path} cannot be used: {error}") from error
                self.put_aside()
                self.prepare()

    def prepare(self) -> None:
        connection = self.connect()
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for who writes
        connection.executescript(self.schema)
        for table, name, declaration in self.added:
            if name not in [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {declaration}")
        if (found := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        self.own.file = self.identity()

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
        self.own.connection, self.own.file = connection, self.identity()
        connection.execute("PRAGMA synchronous = FULL")  # what was written survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def put_aside(self) -> None:
        """Keep the damaged file, and the log beside it, which may hold what was written last."""
        self.own.connection.close()
        numbers = (n for n in range(1, 10_000) if not self.aside(n).exists())
        kept = self.aside(next(numbers))
        for end in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + end)
            if part.exists():
                part.rename(kept.with_name(kept.name + end))
        self.trouble = f"{self.path.name} was damaged: it is kept as {kept.name}, and a new one was begun."

    def aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.damaged-{number}")

    def identity(self) -> tuple[int, int] | None:
        """Of the file that is at `path` now."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def connection(self) -> sqlite3.Connection:
        """This thread's. A file that was removed or replaced would swallow what is written to it: it is opened anew."""
        there = self.identity()
        if there is None:
            self.open()
        elif there != getattr(self.own, "file", None):
            self.connect()
        connection: sqlite3.Connection = self.own.connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on disk at the end. Raises ValueError if it cannot be written: a full disk, say."""
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")  # what is read in it cannot change before it is written
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise ValueError(f"{self.path} cannot be written: {error}") from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
