"""Work in the background: one thing at a time, stopped when asked, and whatever happens is said."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.error_text import APOLOGY
from playground.services import background_task as module
from playground.services.background_task import BackgroundTask, start_thread, stop_threads


class Gate:
    """Work that reports, waits until it may go on, and reports again."""

    def __init__(self, task: BackgroundTask):
        self.task, self.begun, self.may_go_on = task, threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.task.report("half of it is done", done=1)
        self.begun.set()
        assert self.may_go_on.wait(30)
        self.task.report("all of it is done", done=2)
        return "it is done"


@pytest.fixture
def task() -> BackgroundTask:
    return BackgroundTask("test", "{name} is being worked on", "stopped after {done}", name="", done=0)


@pytest.fixture
def gate(task: BackgroundTask) -> Iterator[Gate]:
    """Work that has begun and is half done."""
    gate = Gate(task)
    task.start(gate, "beginning", name="one")
    assert gate.begun.wait(30)
    yield gate
    gate.may_go_on.set()


def ended(task: BackgroundTask) -> dict:
    task.join(30)
    status = task.status()
    assert not status["running"]
    return status


def test_whoever_asks_is_told_how_far_it_is_and_what_came_of_it(task: BackgroundTask) -> None:
    fresh = {"number": 0, "state": "none", "message": "", "error": "", "name": "", "done": 0, "running": False}
    assert task.status() == fresh
    gate = Gate(task)
    task.start(gate, "beginning", name="one")
    assert gate.begun.wait(30)
    half = {"number": 1, "state": "running", "message": "half of it is done", "error": ""}
    assert task.status() == half | {"name": "one", "done": 1, "running": True}
    gate.may_go_on.set()
    whole = {"number": 1, "state": "finished", "message": "it is done", "error": ""}
    assert ended(task) == whole | {"name": "one", "done": 2, "running": False}


def test_a_second_is_refused_while_one_goes_on_and_changes_nothing(task: BackgroundTask, gate: Gate) -> None:
    before = task.status()
    with pytest.raises(ValueError, match="one is being worked on"):
        task.start(lambda: "not this one", "beginning", name="two")
    assert task.status() == before
    gate.may_go_on.set()
    assert ended(task)["message"] == "it is done"
    task.start(lambda: "that, too", "beginning", name="two")
    assert (ended(task)["number"], task.status()["message"]) == (2, "that, too")


def test_of_many_that_begin_at_once_one_is_begun(task: BackgroundTask) -> None:
    go, may_end, begun, refused = threading.Barrier(8), threading.Event(), [], []

    def begin(number: int) -> None:
        go.wait(30)
        try:
            task.start(lambda: begun.append(number) or str(may_end.wait(30)), "beginning", name="one")
        except ValueError:
            refused.append(number)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    may_end.set()
    ended(task)
    assert len(begun) == 1 and len(refused) == 7


def test_it_stops_at_its_next_report_and_says_so_until_then(task: BackgroundTask, gate: Gate) -> None:
    task.stop("it ends soon")
    assert task.status()["message"] == "it ends soon" and task.status()["running"]
    gate.may_go_on.set()
    status = ended(task)
    assert (status["state"], status["message"], status["error"]) == ("stopped", "stopped after 2", "")
    task.stop("too late")
    assert task.status() == status
    task.start(lambda: task.report("not stopped") or "to the end", "beginning")  # type: ignore[func-returns-value]
    assert ended(task)["message"] == "to the end", "who stopped one has not stopped the next"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("size must be positive, got -1"), "size must be positive, got -1"),
        (FileNotFoundError(2, "No such file or directory", "text.txt"), "text.txt"),
        (RuntimeError("secret 17"), APOLOGY),
    ],
)
def test_what_goes_wrong_is_a_sentence(
    task: BackgroundTask, error: Exception, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        task.report("half of it is done", done=1)
        raise error

    task.start(fail, "beginning")
    status = ended(task)
    assert (status["state"], status["message"], status["done"]) == ("failed", "", 1)
    assert sentence in status["error"] and "Errno" not in status["error"] and "secret" not in status["error"]
    assert ("secret 17" in caplog.text) == (sentence == APOLOGY), "only what nobody can mend is logged"
    task.start(lambda: "it is done", "beginning")
    assert ended(task)["error"] == "", "the error of one is not that of the next"


AT_EXIT = """
import sys, time
from pathlib import Path
from playground.services.background_task import BackgroundTask
left = Path(sys.argv[1])
task = BackgroundTask("test", "busy")

def work():
    try:
        while True:
            time.sleep(0.05)
            task.report("at it")
    finally:
        time.sleep(0.3)
        left.write_text("ended")

task.start(work, "beginning")
time.sleep(0.2)
"""


def test_the_process_ends_only_after_its_work_has(tmp_path: Path) -> None:
    left = tmp_path / "left"
    done = subprocess.run([sys.executable, "-c", AT_EXIT, str(left)], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, left.read_text()) == (0, b"", "ended")


def test_at_exit_all_threads_are_told_to_end_at_once_and_no_longer_waited_for_than_allowed(monkeypatch) -> None:
    monkeypatch.setattr(module, "EXIT_SECONDS", 0.5)
    may_end, told = threading.Event(), []

    def work() -> None:
        may_end.wait(30)

    threads = [start_thread(f"deaf {i}", work, lambda i=i: told.append(i)) for i in range(30)]  # type: ignore[misc]
    before = time.monotonic()
    stop_threads()
    assert sorted(told) == list(range(30)) and 0.4 < time.monotonic() - before < 10, (
        "one limit for all of them together"
    )
    may_end.set()
    for thread in threads:
        thread.join(30)
    told.clear()
    stop_threads()
    assert told == [], "what has ended is forgotten"
