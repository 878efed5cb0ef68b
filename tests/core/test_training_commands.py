"""The commands that train: in turn, out of the queue, and not what does not fit unless it was told to."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core import cli, queue, training_commands
from core.__main__ import main
from core.stages.memory_fit import MemoryNeed
from core.stages.registry import train
from core.training import distributed
from core.training.log_lines import read_lines
from core.training.run_directory import Run, Status
from core.training_commands import train_in_turn
from tests.conftest import SENTENCES
from tests.core.training.test_run_directory import REPO, assert_equal_runs, n_steps, new_run, wait_for

TOO_MUCH = MemoryNeed(242 * 2**30, 24 * 2**30, "cpu")


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(SENTENCES * 10, encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path: Path, corpus_file: Path) -> tuple[Run, Run]:
    first, second = (new_run(tmp_path / name, corpus_file, max_steps=20, snapshots=0) for name in ("first", "second"))
    return first, second


def endless(run: Run) -> None:
    """Make the run too long for a test to see its end."""
    run.change_config(run.read()[1] | {"max_steps": 1_000_000})


@contextmanager
def in_background(runs: list[Run]) -> Iterator[None]:
    """Train the runs in turn; the block ends when all have."""
    thread = threading.Thread(target=train_in_turn, args=(runs,))
    thread.start()
    try:
        yield
    finally:
        if sys.exc_info()[0]:
            for run in runs:
                run.request("stop")
        thread.join(60)
    assert not thread.is_alive()


def reasons(place: Path) -> dict[str, str]:
    return {entry.name: reason.sentence() for entry, reason in queue.waiting(place)}


# --- in turn --------------------------------------------------------------------------------------------------


def test_runs_are_trained_in_turn_by_one_process_and_the_second_as_if_it_were_alone(two, tmp_path, corpus_file):
    alone = new_run(tmp_path / "alone", corpus_file, max_steps=20, snapshots=0)
    assert train(alone).state == "finished"
    assert main(["run", *(str(run.directory) for run in two)]) == 0
    for run in two:
        assert run.status().state == "finished"
        assert_equal_runs(run, alone)
    lines = [read_lines(run.metrics)[0] for run in two]
    assert lines[0][-1]["time"] <= lines[1][0]["time"]  # not at the same time


def test_who_comes_later_waits_in_the_queue_and_can_be_taken_out_of_it(two, tmp_path, corpus_file):
    first, second = two
    third = new_run(tmp_path / "third", corpus_file, max_steps=5)
    endless(first)
    with in_background([first, second, third]):
        wait_for(lambda: n_steps(first) >= 1)
        assert reasons(tmp_path) == {
            "second": "the cpu is held by first",
            "third": "after second, which comes before it",
        }
        queue.remove(tmp_path, "second")
        assert second.status().message == "taken out of the queue; it can be resumed"
        first.request("stop")
    assert third.status().message == "not begun, because first did not finish; it can be resumed"
    assert n_steps(second) == n_steps(third) == 0 and not queue.waiting(tmp_path)
    assert main(["run", str(second.directory)]) == 0 and second.status().state == "finished"


def test_after_a_failure_the_next_is_not_begun_and_the_first_ones_sentence_is_said(two, corpus_file, capsys):
    first, second = two
    first.change_config(first.read()[1] | {"corpus": str(corpus_file.with_name("absent.txt"))})
    assert main(["run", str(first.directory), str(second.directory)]) == 1
    assert "absent.txt: No such file or directory" in capsys.readouterr().err
    assert [run.status().state for run in two] == ["failed", "stopped"]


def test_if_the_first_cannot_begin_the_next_is_told(two):
    first, second = two
    with Run(first.directory).hold("cpu"), pytest.raises(ValueError, match="first is being trained already"):
        train_in_turn([first, second])
    assert second.status().state == "stopped"


@pytest.mark.slow
@pytest.mark.usefixtures("obeys_ctrl_c")
def test_ctrl_c_stops_the_run_that_trains_and_takes_out_those_that_wait(two, tmp_path):
    first, second = two
    endless(first)
    command = [sys.executable, "-m", "core", "run", str(first.directory), str(second.directory)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL) as started:
        wait_for(lambda: n_steps(first) >= 3)
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 0
    assert [run.status().state for run in two] == ["stopped", "stopped"]
    assert second.status().message == "not begun, because first did not finish; it can be resumed"


def test_one_that_cannot_be_trained_is_refused_before_the_first_begins(two, tmp_path, capsys):
    first, _ = two
    unknown = Run.create(tmp_path / "future", "telepathy", {})
    for path, sentence in ((unknown.directory, "the stage 'telepathy'"), (tmp_path / "absent", "absent")):
        assert main(["run", str(first.directory), str(path)]) == 1
        assert sentence in capsys.readouterr().err
    assert n_steps(first) == 0


def test_torchrun_takes_one_run_at_a_time_and_none_out_of_the_queue(two, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    with pytest.raises(ValueError, match="call torchrun once for each run"):
        training_commands.execute(list(two))
    with pytest.raises(ValueError, match="is trained by one process: leave out --queue"):
        training_commands.enqueue(list(two), False)


# --- out of the queue -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_waits_is_begun_when_the_training_before_ends_whoever_has_begun_that(two, tmp_path, corpus_file, caplog):
    first, second = two
    third = new_run(tmp_path / "third", corpus_file, max_steps=5, snapshots=0)
    with first.hold("cpu"):
        first.write_status(Status("running", device="cpu"))
        with caplog.at_level("INFO"):
            assert main(["run", str(second.directory), str(third.directory), "--queue"]) == 0
        assert "the cpu is held by first" in caplog.text
        assert main(["queue", "up", "third", "--directory", str(tmp_path)]) == 0
        assert list(reasons(tmp_path)) == ["third", "second"]
    first.write_status(Status("stopped", device="cpu"))
    assert main(["run", str(first.directory)]) == 0  # its end begins the third, whose end begins the second
    wait_for(lambda: second.status().state == "finished", 120)
    assert third.status().state == "finished" and not queue.waiting(tmp_path)
    lines = [read_lines(run.metrics)[0] for run in (first, third, second)]
    assert lines[0][-1]["time"] <= lines[1][0]["time"] <= lines[1][-1]["time"] <= lines[2][0]["time"]


def test_one_that_finds_its_device_held_waits_again_before_the_others(two, tmp_path):
    first, second = two
    queue.add(second)
    with Run.create(tmp_path / "other", "pretrain", {}).hold("cpu"):
        assert main(["run", str(first.directory), "--queued", "--anyway"]) == 0
    assert list(reasons(tmp_path)) == ["first", "second"]


def test_one_that_turns_out_not_to_fit_waits_for_an_answer(two, tmp_path, monkeypatch):
    monkeypatch.setattr(training_commands, "known_need", lambda stage, config: TOO_MUCH)
    assert main(["run", str(two[0].directory), "--queued"]) == 0
    assert reasons(tmp_path) == {"first": "it needs 242 GB of 24 GB on the cpu: fit it, or start it anyway"}


# --- memory ---------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_not_begun_unless_it_was_told_to(tmp_path, corpus_file, monkeypatch, capsys):
    monkeypatch.setattr(cli, "known_need", lambda stage, config: TOO_MUCH)
    monkeypatch.setattr(queue, "known_need", lambda stage, config: TOO_MUCH)
    begun: list[Run] = []
    monkeypatch.setattr(cli, "execute", lambda runs: begun.extend(runs) or 0)
    command = ["pretrain", str(tmp_path / "large"), "--corpus", str(corpus_file), "--device", "cpu"]
    assert main(command) == 1
    said = "it needs 242 GB of 24 GB on the cpu: --fit makes the micro-batches smaller, --anyway begins all the same"
    assert said in capsys.readouterr().err and not (tmp_path / "large").exists()
    assert main([*command, "--anyway"]) == 0 and [run.name for run in begun] == ["large"]
    command[1] = str(tmp_path / "larger")
    assert main([*command, "--queue"]) == 0
    assert reasons(tmp_path)["larger"].endswith("fit it, or start it anyway")


def test_fit_takes_the_largest_micro_batch_that_fits(tmp_path, corpus_file, monkeypatch):
    monkeypatch.setattr(cli, "execute", lambda runs: 0)
    monkeypatch.setattr("core.stages.memory_fit.total_memory", lambda device: 2048)
    shape = ["--n-layer", "4", "--n-embd", "256", "--block-size", "256", "--batch-size", "512", "--device", "cpu"]
    command = ["pretrain", str(tmp_path / "large"), "--corpus", str(corpus_file), *shape]
    assert main(command) == 1
    assert main([*command, "--fit"]) == 0
    assert 0 < Run(tmp_path / "large").read()[1]["micro_batch_size"] < 512
