"""Runs in turn: who waits is alive and leaves the device alone, begins when all before it have finished, and obeys."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.__main__ import main
from core.stages.registry import train
from core.training import distributed
from core.training import run_directory as run_module
from core.training.queue import run_all
from core.training.run_directory import Run, Status, read_lines
from tests.conftest import SENTENCES
from tests.core.training.test_run_directory import REPO, assert_equal_runs, measured, n_steps, new_run, wait_for


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(SENTENCES * 10, encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path: Path, corpus_file: Path) -> tuple[Run, Run]:
    first, second = (new_run(tmp_path / name, corpus_file, snapshots=0) for name in ("first", "second"))
    return first, second


def endless(run: Run) -> None:
    """Make the run too long for a test to see its end."""
    stage, config = run.read()
    run_module.write_json(run.directory / "run.json", {"stage": stage, "config": config | {"max_steps": 1_000_000}})


@contextmanager
def in_background(runs: list[Run], execute: Callable[[Run], Status] = train) -> Iterator[None]:
    """Train the runs in turn; the block ends when all have."""
    thread = threading.Thread(target=run_all, args=(runs, execute))
    thread.start()
    try:
        yield
    finally:
        if sys.exc_info()[0]:
            for run in runs:
                run.request("stop")
        thread.join(60)
    assert not thread.is_alive()


def as_others_see(run: Run) -> Status:
    """Its status, read through a `Run` that has no part in the training."""
    return Run(run.directory).status()


# --- a process ------------------------------------------------------------------------------------------------


@contextmanager
def process(*runs: Run) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "core", "run", *(str(run.directory) for run in runs)]
    started = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.mark.slow
def test_one_process_trains_two_runs_and_the_second_as_if_it_were_alone(two, tmp_path, corpus_file):
    alone = new_run(tmp_path / "alone", corpus_file, snapshots=0)
    assert train(alone).state == "finished"
    with process(*two) as started:
        assert started.wait(120) == 0
    for run in two:
        assert run.status().state == "finished"
        assert_equal_runs(run, alone)
    lines = [read_lines(run.metrics)[0] for run in two]
    assert lines[0][-1]["time"] <= lines[1][0]["time"]  # not at the same time
    assert [run.read_status().waits_for for run in two] == ["", ""]


@pytest.mark.slow
def test_when_the_process_dies_both_are_interrupted_at_once_and_can_be_resumed(two):
    first, second = two
    endless(first)
    with process(first, second) as started:
        wait_for(lambda: n_steps(first) >= 12)
        waiting = second.status()
        assert (waiting.state, waiting.message, waiting.waits_for) == ("created", "waits for first to end", "first")
        started.kill()
        started.wait()
    assert [run.status().state for run in two] == ["interrupted", "interrupted"]
    assert second.status().waits_for == ""
    run_module.write_json(first.directory / "run.json", {"stage": "pretrain", "config": second.read()[1]})
    assert main(["run", str(first.directory), str(second.directory)]) == 0
    assert [run.status().state for run in two] == ["finished", "finished"]
    assert measured(first)[-1]["step"] == measured(second)[-1]["step"] == 100


@pytest.mark.slow
@pytest.mark.usefixtures("obeys_ctrl_c")
def test_ctrl_c_stops_the_run_that_trains_and_those_that_wait(two):
    first, second = two
    endless(first)
    with process(first, second) as started:
        wait_for(lambda: n_steps(first) >= 3)
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 0
    assert [run.status().state for run in two] == ["stopped", "stopped"]
    assert second.status().message == "not begun, because first did not finish; it can be resumed"


# --- whatever happens to those before -------------------------------------------------------------------------


def test_a_run_that_waits_is_alive_and_its_device_is_free(two, tmp_path, corpus_file):
    first, second = two
    third = new_run(tmp_path / "third", corpus_file)
    seen = {}

    def execute(run: Run) -> Status:
        seen[run.name] = [as_others_see(other) for other in (first, second, third)]
        with pytest.raises(ValueError, match="third is being trained already"):
            Run(third.directory).reserve()
        with Run.create(tmp_path / f"other-{run.name}", "pretrain", {}).hold("cpu"):
            pass
        return Status("finished")

    real = run_module.time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module.time, "time", lambda: real() + 3600)  # no grace for those that have just been created
        run_all([first, second, third], execute)
    assert [(status.state, status.message) for status in seen["first"][1:]] == [
        ("created", "waits for first to end"),
        ("created", "waits for second to end"),
    ]
    assert [status.message for status in seen["second"][2:]] == ["waits for second to end"]
    for run in (first, second, third):
        with Run(run.directory).hold("cpu"):  # all are let go
            pass


def test_after_a_stop_the_next_is_not_begun_and_says_so_and_can_be_resumed(two):
    first, second = two
    endless(first)
    with in_background([first, second]):
        wait_for(lambda: n_steps(first) >= 1)
        first.request("stop")
    assert as_others_see(first).state == "stopped"
    status = as_others_see(second)
    assert (status.state, status.message) == ("stopped", "not begun, because first did not finish; it can be resumed")
    assert n_steps(second) == 0
    assert main(["run", str(second.directory)]) == 0
    assert second.status().state == "finished"


def test_after_a_failure_the_next_is_not_begun_and_the_process_says_the_first_ones_sentence(two, corpus_file, capsys):
    first, second = two
    stage, config = first.read()
    broken = config | {"corpus": str(corpus_file.with_name("absent.txt"))}
    run_module.write_json(first.directory / "run.json", {"stage": stage, "config": broken})
    assert main(["run", str(first.directory), str(second.directory)]) == 1
    assert "absent.txt: No such file or directory" in capsys.readouterr().err
    assert [run.status().state for run in two] == ["failed", "stopped"]


def test_if_the_first_cannot_begin_the_next_is_told(two):
    first, second = two
    other = Run(first.directory)
    with other.hold("cpu"), pytest.raises(ValueError, match="first is being trained already"):
        run_all([first, second], train)
    assert as_others_see(second).state == "stopped"


def test_a_pause_of_the_first_keeps_the_next_waiting(two):
    first, second = two
    with in_background([first, second]):
        wait_for(lambda: n_steps(first) >= 1)
        first.request("pause")
        wait_for(lambda: first.status().state == "paused")
        time.sleep(0.3)
        assert as_others_see(second).message == "waits for first to end"
        assert n_steps(second) == 0
        first.request("resume")
    assert [run.status().state for run in two] == ["finished", "finished"]


# --- what is asked of one that waits --------------------------------------------------------------------------


def test_a_stop_asked_of_one_that_waits_takes_it_out_at_once_and_the_rest_goes_on(two, tmp_path, corpus_file):
    first, second = two
    third = new_run(tmp_path / "third", corpus_file, max_steps=5)
    endless(first)
    with in_background([first, second, third]):
        wait_for(lambda: n_steps(first) >= 1)
        third.request("pause")
        second.request("stop")
        wait_for(lambda: as_others_see(second).state == "stopped")
        assert as_others_see(second).message == "stopped before its turn came; it can be resumed"
        wait_for(lambda: as_others_see(third).message == "waits for first to end")
        assert as_others_see(first).active
        with Run(second.directory).hold("another-device"):  # it may be resumed elsewhere meanwhile
            pass
        first.request("stop")
    assert third.requested() == "pause"  # still younger than its status: it would have been obeyed
    assert as_others_see(third).state == "stopped"
    assert n_steps(second) == n_steps(third) == 0


def test_a_pause_asked_of_one_that_waits_is_obeyed_when_its_turn_has_come(two):
    first, second = two
    second.request("pause")
    with in_background([first, second]):
        wait_for(lambda: as_others_see(second).state == "paused")
        assert second.status().step == 1
        assert first.status().state == "finished"
        second.request("resume")
    assert second.status().state == "finished"


def test_a_stop_of_long_ago_does_not_take_a_run_out(two):
    second = two[1]
    second.request("stop")
    time.sleep(0.02)
    second.write_status(replace(second.status(), state="stopped"))
    assert run_all(list(two), train).state == "finished"
    assert second.status().state == "finished"


def test_finished_runs_are_passed_over_and_stay_as_they_are(two):
    first, second = two
    assert train(second).state == "finished"
    before = second.read_status()
    assert run_all([first, second], train).state == "finished"
    assert (first.status().state, second.read_status()) == ("finished", before)


# --- refusals -------------------------------------------------------------------------------------------------


def test_one_that_cannot_be_trained_is_refused_before_the_first_begins(two, tmp_path, capsys):
    first, _ = two
    unknown = Run.create(tmp_path / "future", "telepathy", {})
    for path, sentence in ((unknown.directory, "the stage 'telepathy'"), (tmp_path / "absent", "absent")):
        assert main(["run", str(first.directory), str(path)]) == 1
        assert sentence in capsys.readouterr().err
    with Run(unknown.directory).hold("cpu"), pytest.raises(ValueError, match="future is being trained already"):
        run_all([first, unknown], train)
    assert n_steps(first) == 0


def test_torchrun_takes_one_run_at_a_time(two, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    with pytest.raises(ValueError, match="call torchrun once for each run"):
        run_all(list(two), train)
