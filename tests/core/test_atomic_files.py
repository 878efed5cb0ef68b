"""Atomic writing: no reader sees half a file, of two who want a name one gets it, and what a dead process left goes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from core import atomic_files
from core.atomic_files import (
    CLAIM,
    atomic_directory,
    atomic_file,
    claim,
    clear_temporaries,
    is_claimed,
    is_locked,
    is_temporary_of,
    own,
    write_json,
    write_text,
)
from core.bounded_files import read_json

THREADS, TIMES = 3, 60


def together(*calls: Callable[[], None]) -> list[BaseException]:
    """Call all at the same moment, each in a thread; returns what they raised."""
    start, raised = threading.Barrier(len(calls)), []

    def run(call: Callable[[], None]) -> None:
        start.wait()
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_threads_that_write_one_file_do_not_disturb_each_other_or_a_reader(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # for speed: what is tested is names
    path = tmp_path / "status.json"
    write_json(path, {"text": ""})

    def write(letter: str) -> None:
        for _ in range(TIMES):
            write_json(path, {"text": letter * 9000})

    def read() -> None:
        for _ in range(TIMES):
            text = read_json(path)["text"]
            assert len(set(text)) <= 1 and len(text) in (0, 9000)

    writers = [lambda letter=letter: write(letter) for letter in "abc"[:THREADS]]
    assert together(*writers, read, read) == []
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


# --- claims ---------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "two want the same name at once",
    "one gets it, the other is refused; nothing is merged into what is there",
)
def test_of_several_who_want_a_name_at_once_one_gets_it(tmp_path: Path) -> None:
    for number in range(10):
        place, made, refusals = tmp_path / str(number), [], threading.Semaphore(0)

        def make(who: int, place: Path, made: list[int], refusals: threading.Semaphore) -> None:
            try:
                with claim(place):
                    made.append(who)
                    for _ in range(3):  # until the others have tried
                        refusals.acquire(timeout=2)
                    write_text(place / f"{who}.txt", "mine")
            except ValueError:
                refusals.release()
                raise

        calls = [partial(make, who, place, made, refusals) for who in range(4)]
        refused = together(*calls)
        assert len(made) == 1 and len(refused) == 3 and os.listdir(place) == [f"{made[0]}.txt"]
        assert all(isinstance(error, ValueError) and "choose another name" in str(error) for error in refused)


def test_a_claim_is_seen_while_it_lasts_and_leaves_nothing_where_nothing_was_made(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with claim(place):
        assert is_claimed(place) and place.is_dir()
        with pytest.raises(ValueError, match="new is being made just now"), claim(place):
            pass
    assert not place.exists()
    with pytest.raises(RuntimeError), claim(place):
        raise RuntimeError
    assert not place.exists()


def test_what_is_there_is_never_merged_into_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("model", "file"):
        with pytest.raises(ValueError, match=f"already something called {name}"), claim(tmp_path / name):
            pass
    with claim(tmp_path / "model", lambda: True):
        pass
    assert os.listdir(tmp_path / "model") == ["config.json"]


def test_the_claim_of_a_process_that_is_gone_holds_no_name(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / CLAIM).touch()
    with claim(tmp_path / "new"):
        write_text(tmp_path / "new" / "a", "")
    assert os.listdir(tmp_path / "new") == ["a"]


# --- locks ----------------------------------------------------------------------------------------------------


def test_those_who_look_at_a_lock_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path) and not path.exists(), "who looks makes nothing"
    path.touch()
    seen: list[bool] = []

    def look() -> None:
        seen.extend(is_locked(path) for _ in range(300))

    assert together(*[look] * 8) == [] and not any(seen)
    with FileLock(path):
        assert is_locked(path)
    assert not is_locked(path)


# --- leftovers ------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from core.atomic_files import atomic_directory
with atomic_directory(Path(sys.argv[1])) as temporary:
    (temporary / "weights").write_bytes(bytes(1000))
    print("made", flush=True)
    time.sleep(60)
"""


@pytest.mark.fault(
    "something half written is left by a process that was killed",
    "the next start deletes it, and says how much it was",
)
def test_what_a_killed_process_leaves_is_cleared_and_what_a_living_one_makes_is_not(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(atomic_files, "YOUNG", -1.0)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "model")], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"made\n"
            assert clear_temporaries(tmp_path) == (0, 0) and len(os.listdir(tmp_path)) == 1
        finally:
            process.kill()
    assert clear_temporaries(tmp_path) == (1, 1000) and os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", ["", "model", "model/snapshots", ".trash"])
def test_leftovers_are_found_wherever_they_may_lie_and_nothing_else_is(tmp_path: Path, place: str, monkeypatch) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    left = tmp_path / place / ".card.json.4711.tmp"
    kept = [tmp_path / place / name for name in ("card.json", ".hidden", "a.tmp", ".notes.tmp")]
    for path in (left, *kept):
        path.write_text("x")
    assert clear_temporaries(tmp_path) == (0, 0), "it may have been begun just now"
    for path in (left, *kept):
        os.utime(path, (time.time() - 3600,) * 2)
    assert clear_temporaries(tmp_path) == (1, 1)
    assert not left.exists() and all(path.exists() for path in kept)


@pytest.mark.parametrize(
    ("file", "name", "is_its"),
    [
        (".gpt2.4711.tmp", "gpt2", True),
        (".gpt2.4711-0.tmp", "gpt2", True),
        (".gpt2.large.4711.tmp", "gpt2", False),
        (".gpt2.large.4711-12.tmp", "gpt2.large", True),
        (".gpt2.tmp", "gpt2", False),
        ("gpt2", "gpt2", False),
    ],
)
def test_a_temporary_name_tells_whose_it_is(file: str, name: str, is_its: bool) -> None:
    assert is_temporary_of(Path(file), name) is is_its


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        raise RuntimeError
    with pytest.raises(RuntimeError), atomic_directory(tmp_path / "new") as temporary:
        (temporary / "a").write_text("new")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "old"


def test_what_is_owned_is_locked(tmp_path: Path) -> None:
    with own(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
