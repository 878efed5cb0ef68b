"""Comparisons of methods on the page: begun one at a time, found again, and never hidden by a damaged one."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from core import checkpoint
from core.checkpoint import Card
from core.method_comparison_file import (
    DIRECTORY,
    FILE,
    LOCK,
    LOG,
    RUNNING,
    is_stop_requested,
    read_comparison,
    request_stop,
    write_comparison,
)
from core.method_comparison_settings import MethodsConfig
from core.model import GPT
from core.tokenizer import Tokenizer
from core.training.run_directory import Run
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs
from playground.tabs.align import method_comparisons as module
from playground.tabs.align.method_comparisons import MethodComparisons

NAME = "parent-question-1"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of the processes that would have been started; each ends at once, as one that cannot run."""
    started: list[list[str]] = []

    def start(arguments: list[str], directory: Path | None, log: Path) -> "subprocess.Popen[bytes]":
        started.append(arguments)
        log.write_text("Traceback\nNo module named torch\n\n")
        return subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(1)"])

    monkeypatch.setattr(module, "start_detached", start)
    return started


@pytest.fixture
def comparisons(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> MethodComparisons:
    checkpoint.save(tmp_path / "parent", make_model(block_size=64), tokenizer, Card("sft"))
    return MethodComparisons(Checkpoints(tmp_path, torch.device("cpu")), Jobs(tmp_path))


@pytest.fixture
def config(tmp_path: Path) -> MethodsConfig:
    return MethodsConfig(parent=str(tmp_path / "parent"), device="cpu")


def test_one_is_computed_at_a_time_and_goes_on_until_it_is_stopped(comparisons, config, begun, tmp_path) -> None:
    assert comparisons.start(config) == NAME
    assert begun == [["compare-methods", NAME, "--directory", str(tmp_path), "--resume"]]
    directory = tmp_path / DIRECTORY / NAME
    with FileLock(directory / LOCK):  # its process is there
        comparisons.begun.clear()
        with pytest.raises(ValueError, match=f"the comparison {NAME} is going on: stop it first"):
            comparisons.start(config)
        status = comparisons.status(NAME)
        assert (status["running"], status["state"], status["left"]) == (True, "created", comparisons.seconds(config))
        comparisons.stop(NAME)
    assert is_stop_requested(directory)
    with pytest.raises(ValueError, match="there is no comparison called 'other' any more"):
        comparisons.stop("other")


def test_one_whose_process_dies_at_once_says_what_that_has_said(comparisons, config, begun) -> None:
    comparisons.start(config)
    comparisons.begun[NAME].wait()
    status = comparisons.status(NAME)
    assert (status["state"], status["running"]) == ("failed", False)
    assert status["message"] == "Its process has ended at once; it said: No module named torch."
    with pytest.raises(ValueError, match="has ended already"):
        comparisons.stop(NAME)
    assert comparisons.start(config) == "parent-question-2"


def test_a_training_that_goes_on_is_named(comparisons, config, begun, tmp_path) -> None:
    run = Run.create(tmp_path / "busy", "pretrain", {"device": "cpu"})
    with run.hold("cpu"):
        run.write_status(replace(run.status(), state="running", device="cpu"))
        with pytest.raises(ValueError, match=r"another training \(busy\) has the cpu: stop it first"):
            comparisons.start(config)
    assert begun == [] and comparisons.kept() == []


def test_a_damaged_one_is_named_and_hides_no_other(comparisons, config, begun, tmp_path) -> None:
    comparisons.start(config)
    broken = tmp_path / DIRECTORY / "broken"
    broken.mkdir()
    (broken / FILE).write_text("{")
    assert {name for name, _, _ in comparisons.kept()} == {NAME, "broken"}
    assert ["broken", "broken (damaged)", ""] in comparisons.kept()
    with pytest.raises(ValueError, match=rf"broken/{FILE} is damaged"):
        comparisons.status("broken")
    assert read_comparison(tmp_path / DIRECTORY / NAME).parent == "parent"
    assert (tmp_path / DIRECTORY / NAME / LOG).exists()
    comparisons.delete("broken")
    assert [name for name, _, _ in comparisons.kept()] == [NAME]


def test_one_that_was_cut_off_or_stopped_is_resumed_and_one_that_goes_on_is_not_deleted(
    comparisons, config, begun, tmp_path
):
    comparisons.start(config)
    comparisons.begun.pop(NAME).wait()
    directory = tmp_path / DIRECTORY / NAME
    request_stop(directory)  # of the process that is gone
    write_comparison(directory, replace(read_comparison(directory), state=RUNNING))
    assert comparisons.status(NAME)["resumable"]
    comparisons.resume(NAME)
    assert begun[0] == begun[1] and not is_stop_requested(directory)
    comparisons.begun.pop(NAME).wait()
    with FileLock(directory / LOCK), pytest.raises(ValueError, match=f"{NAME} goes on: stop it first"):
        comparisons.delete(NAME)
    write_comparison(directory, replace(read_comparison(directory), state="stopped"))
    request_stop(directory)
    assert comparisons.status(NAME)["resumable"]
    comparisons.resume(NAME)
    assert begun[0] == begun[2] and not is_stop_requested(directory)
    comparisons.begun.pop(NAME).wait()
    write_comparison(directory, replace(read_comparison(directory), state="finished"))
    with pytest.raises(ValueError, match=f"{NAME} was finished: begin a new one"):
        comparisons.resume(NAME)
    comparisons.delete(NAME)
    assert comparisons.kept() == [] and not directory.exists()
