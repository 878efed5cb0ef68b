"""A log of any length in little memory: what is kept of it, that only what is new is read, and what is noticed."""

import json
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from core.training import long_log
from core.training.log_lines import append_line, each_line, read_log
from core.training.long_log import LATEST, MOST_STEPS, LogCache, LongLog

EVERY = 500  # steps from one evaluation to the next


def line(step: int) -> dict[str, float]:
    return {"step": step, "loss/train": 2 + step % 7 / 10, "lr": 1e-3, "time": 1e9 + step} | (
        {"loss/val": 2.5} if step % EVERY == 0 else {}
    )


def write(path: Path, steps: range) -> Path:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line(step)) + "\n" for step in steps)
    return path


def test_a_short_log_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.jsonl", range(1, 3001))
    assert LongLog(path).read() == read_log(path)
    assert LongLog(tmp_path / "metrics.jsonl", 700).read() == read_log(path, 700)
    assert LongLog(tmp_path / "nothing").read() == read_log(tmp_path / "nothing")


@pytest.mark.fault(
    "a log has a million steps",
    "it opens in two seconds and 100 MB: all evaluations, the latest steps and every so many of the "
    "others are read, and the page says of how many steps that is",
)
def test_of_a_long_log_evaluations_the_end_and_every_kth_step_are_kept(tmp_path: Path) -> None:
    metrics = write(tmp_path / "metrics.jsonl", range(1, 70_001))
    part = LongLog(metrics).read()
    steps = [one["step"] for one in part.lines]
    assert steps == sorted(set(steps)) and part.end == metrics.stat().st_size and not part.damaged
    assert len(steps) + part.skipped == 70_000 and len(steps) < MOST_STEPS + LATEST + 70_000 // EVERY
    assert {*range(1, 60_001, 4), *range(EVERY, 70_001, EVERY), *range(70_001 - LATEST, 70_001)} <= set(steps)
    assert 2 not in steps and all(one == line(one["step"]) for one in part.lines)


def test_memory_does_not_grow_with_the_log(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(long_log, "MOST_STEPS", 1024)
    short, long = write(tmp_path / "short", range(1, 10_001)), write(tmp_path / "long", range(1, 40_001))
    assert peak(lambda: LongLog(long).read()) < 1.5 * peak(lambda: LongLog(short).read())
    assert peak(lambda: deque(each_line(long), maxlen=0)) < 1.5 * peak(lambda: deque(each_line(short), maxlen=0))


def peak(work: Callable[[], object]) -> int:
    """Bytes."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_only_what_is_new_is_parsed_and_the_same_is_kept_as_at_once(tmp_path: Path, monkeypatch) -> None:
    for name, most in (("MOST_STEPS", 64), ("MOST_OTHERS", 8), ("LATEST", 4)):
        monkeypatch.setattr(long_log, name, most)
    parsed: list[bytes] = []
    line_of = long_log.line_of
    monkeypatch.setattr(long_log, "line_of", lambda text: parsed.append(text) or line_of(text))
    path, cache = tmp_path / "metrics.jsonl", LogCache()
    for first in range(1, 10_001, 1000):
        parsed.clear()
        part = cache.read(write(path, range(first, first + 1000)))
        assert all(json.loads(text)["step"] > first - 1 for text in parsed) and part.lines[-1] == line(first + 999)
    kept = [one["step"] for one in part.lines]
    assert 32 < len(kept) < 64 + 8 + 4 and len(kept) + part.skipped == 10_000
    assert part.end == path.stat().st_size and sum("loss/val" in one for one in part.lines) >= 5


@pytest.mark.parametrize("how", ["rewound", "another", "gone"])
def test_a_log_that_was_written_anew_is_read_anew(tmp_path: Path, how: str) -> None:
    path, cache = write(tmp_path / "metrics.jsonl", range(1, 100)), LogCache()
    assert len(cache.read(path).lines) == 99
    if how == "rewound":  # as Run.rewind does, and the run has gone on
        fresh = write(tmp_path / "fresh", range(1, 50))
        fresh.write_text(fresh.read_text(encoding="utf-8").replace("0.001", "0.002"), encoding="utf-8")
        fresh.replace(path)
        write(path, range(50, 150))
    elif how == "another":
        path.write_text("".join(json.dumps(line(step) | {"lr": 2.0}) + "\n" for step in range(200)), encoding="utf-8")
    else:
        path.unlink()
    assert cache.read(path).lines == list(each_line(path))


def test_damaged_lines_are_counted_and_what_has_no_lines_is_refused(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "metrics.jsonl", range(1, 10))
    path.write_bytes(path.read_bytes() + b'\0\0\n{"step": "x"}\n\n{"step": 10}\n{"step": 11')
    assert LongLog(path).read() == read_log(path) and LongLog(path).read().damaged == 3
    append_line(path, {})
    monkeypatch.setattr("core.training.log_lines.LINE_BYTES", 1000)
    monkeypatch.setattr("core.training.log_lines.CHUNK_BYTES", 100)
    path.write_bytes(b"\0" * 2000)
    with pytest.raises(ValueError, match="more than 1,000 bytes without the end of a line"):
        LongLog(path).read()
