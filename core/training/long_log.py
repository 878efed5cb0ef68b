"""The log of a run, however long: all evaluations, the latest steps, and every k-th of the steps before them.

A million steps are 250 MB of JSON, whose parsing takes 15 s and 1.2 GB. Here a line is parsed only if it is kept, and
that of an evaluation is told by its number of keys, which is counted without parsing. What was read is not read again.
"""

import os
import sys
import threading
from collections import Counter, OrderedDict, deque
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from core.bounded_files import open_file
from core.training.log_lines import LogPart, chunks, parse

MOST_STEPS, MOST_OTHERS = 32_768, 8_192  # lines of plain steps that are kept, and of others: evaluations
LATEST = 1_024  # lines at the end, all of which are kept
MOST_LOGS = 4  # that are kept at once


class Decimated:
    """Every k-th line of those that are added, k a power of two, so that there are at most `most`."""

    def __init__(self, most: int):
        self.most, self.every, self.seen = most, 1, 0
        self.kept: list[tuple[int, int, dict[str, Any] | None]] = []  # place here, in the log, line: None is damaged

    def add(self, texts: list[bytes], numbers: range | list[int]) -> None:
        """numbers: the place of each of the lines in the log."""
        for i in range(-self.seen % self.every, len(texts), self.every):
            self.kept.append((self.seen + i, numbers[i], line_of(texts[i])))
        self.seen += len(texts)
        while len(self.kept) > self.most:
            self.expect(self.every * 2 * self.most)

    def expect(self, count: int) -> None:
        """Keep so few that there is room for `count` in all."""
        while count > self.every * self.most:
            self.every *= 2
        self.kept = [one for one in self.kept if one[0] % self.every == 0]


class LongLog:
    """A growing metrics.jsonl, read on from where it was left; anew if it was rewound. Any thread may read."""

    def __init__(self, path: Path, begin: int = 0):
        self.path, self.begin, self.lock = path, begin, threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.end, self.seen, self.last, self.file = self.begin, 0, b"", (0, 0)
        self.steps, self.others = Decimated(MOST_STEPS), Decimated(MOST_OTHERS)
        self.quotes: Counter[int] = Counter()  # how many lines have so many quotation marks: two for each key
        self.latest: deque[bytes] = deque(maxlen=LATEST)

    def read(self) -> LogPart:
        """What is kept of all lines so far, and the byte after the last one; nothing if there is no log.

        Raises ValueError if it cannot be read at all.
        """
        with self.lock:
            if not os.path.lexists(self.path):
                return LogPart([], 0, 0)
            with open_file(self.path) as file:
                self.go_on(file)
            return self.part()

    def go_on(self, file: BinaryIO) -> None:
        about = os.fstat(file.fileno())
        if self.was_rewritten(file, about):
            self.forget()
        self.file = about.st_dev, about.st_ino
        file.seek(self.end)
        for content in chunks(self.path, file):
            self.add(content[:-1].split(b"\n"), about.st_size - self.end)
            self.end += len(content)

    def was_rewritten(self, file: BinaryIO, about: os.stat_result) -> bool:
        """Is what was read no longer there? A rewound log is another file, or its end has moved."""
        if not self.last:
            return False
        if self.file != (about.st_dev, about.st_ino) or about.st_size < self.end:
            return True
        file.seek(self.end - len(self.last))
        return file.read(len(self.last)) != self.last

    def add(self, texts: list[bytes], size: int) -> None:
        """size: of what is still to come, these lines included, in bytes."""
        counts = [text.count(b'"') for text in texts]
        self.quotes.update(counts)
        usual = self.quotes.most_common(1)[0][0]
        if not self.seen:
            self.steps.expect(size * len(texts) // (sum(map(len, texts)) + len(texts)))
        self.steps.add(texts, range(self.seen, self.seen + len(texts)))
        other = [i for i, count in enumerate(counts) if count != usual]
        self.others.add([texts[i] for i in other], [self.seen + i for i in other])
        self.latest.extend(texts)
        self.seen += len(texts)
        self.last = texts[-1] + b"\n"

    def part(self) -> LogPart:
        kept = {number: line for one in (self.steps, self.others) for _, number, line in one.kept}
        first = self.seen - len(self.latest)
        kept |= {first + i: line_of(text) for i, text in enumerate(self.latest) if first + i not in kept}
        lines = [line for _, line in sorted(kept.items()) if line is not None]
        return LogPart(lines, self.end, len(kept) - len(lines), self.seen - len(kept))


def line_of(text: bytes) -> dict[str, Any] | None:
    """A line of metrics.jsonl; None if it is damaged. Of all lines together a metric's name is in memory once."""
    lines = parse(text + b"\n", "metrics").lines
    return {sys.intern(name): value for name, value in lines[0].items()} if lines else None


class LogCache:
    """The logs that were read last, so that of one that grows only what is new is read."""

    def __init__(self) -> None:
        self.logs: OrderedDict[Path, LongLog] = OrderedDict()
        self.lock = threading.Lock()

    def read(self, path: Path) -> LogPart:
        """As LongLog.read does."""
        with self.lock:
            log = self.logs.setdefault(path, LongLog(path))
            self.logs.move_to_end(path)
            for old in list(islice(self.logs, max(0, len(self.logs) - MOST_LOGS))):
                del self.logs[old]
        return log.read()
