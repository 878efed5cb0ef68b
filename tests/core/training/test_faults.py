"""What happens when the machine fails a training: a lost GPU, a read-only disk, clocks that jump. See also test_run."""

import errno
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.training.failure import Failure
from core.training.log_lines import append_line, read_lines, read_log
from core.training.run_directory import START_SECONDS, Run, Status
from playground.services.run_log import seconds_left
from playground.services.training_jobs import Jobs
from tests.core.training.test_run_directory import (
    assert_equal_runs,
    corpus_file,
    new_run,
    train,
    train_with,
    uninterrupted,
)

__all__ = ["corpus_file", "uninterrupted"]  # fixtures


@pytest.fixture
def run(corpus_file, tmp_path) -> Run:
    return new_run(tmp_path / "run", corpus_file)


@pytest.mark.fault(
    "the GPU fails",
    "the training says so and can be resumed",
)
def test_a_lost_gpu_is_named_and_the_run_goes_on_when_it_is_back(run, uninterrupted):
    calls = iter(range(10_000))

    def lost_at_37(loss_fn):
        def loss(model, batch):
            if next(calls) == 37:
                raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")
            return loss_fn(model, batch)

        return loss

    status = train_with(run, loss_fn=lost_at_37)
    assert status.state == "failed" and run.status().message == status.message
    assert "failed: CUDA error: unspecified launch failure; the last good checkpoint is step-0000" in status.message
    assert train(run).state == "finished"
    assert_equal_runs(run, uninterrupted)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path, model, tokenizer):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError, match="Permission denied"):
            checkpoint.save(tmp_path / "new", model, tokenizer, checkpoint.Card())
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(
    "the clock jumps",
    "nothing is lost; a run that had just been started may have to be resumed",
)
@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_leaves_no_run_starting_for_ever(tmp_path: Path, jump: float, monkeypatch):
    run = Run.create(tmp_path / "run", "pretrain", {})
    assert run.status().state == "created"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    assert abs(jump) > START_SECONDS and run.status().state == "interrupted", "it can be resumed"


def test_a_clock_that_is_set_back_does_not_turn_the_time_left_negative():
    steady = [{"step": step, "time": 100.0 + 2 * step} for step in range(10)]
    back = [line | {"time": line["time"] - (5000 if line["step"] > 5 else 0)} for line in steady]
    assert seconds_left(steady, 20) == seconds_left(back, 20) == 22


def test_a_status_that_was_half_written_is_named(tmp_path: Path):
    run = Run.create(tmp_path / "run", "pretrain", {})
    run.write_status(replace(Status(), step=3))
    path = run.directory / "status.json"
    path.write_text(path.read_text()[:20])
    assert run.status().state == "damaged" and "status.json is damaged" in run.status().message


@pytest.fixture(scope="module")
def stopped(corpus_file, tmp_path_factory) -> Run:
    """A run that was stopped at step 23 and has two saved steps, 20 and 23."""
    run = new_run(tmp_path_factory.mktemp("stopped") / "run", corpus_file)

    def stop_at_23(evaluate_loss):
        calls = iter(range(10_000))

        def loss(model, batch):
            if next(calls) == 22:
                run.request("stop")
            return evaluate_loss(model, batch)

        return loss

    assert train_with(run, loss_fn=stop_at_23).state == "stopped"
    assert [path.name for path in run.saved_steps()] == ["step-000020", "step-000023"]
    return run


@pytest.fixture
def resumable(stopped: Run, tmp_path: Path) -> Run:
    shutil.copytree(stopped.directory, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.mark.fault(
    "the last saved step is damaged",
    "the run goes on from the one before it, and its log says so",
)
def test_a_damaged_saved_step_is_passed_over_for_the_one_before_it(resumable: Run, uninterrupted: Run) -> None:
    path = resumable.directory / "step-000023" / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert train(resumable).state == "finished"
    assert_equal_runs(resumable, uninterrupted)
    assert "step-000023 is damaged, so the step saved before it is taken" in resumable.log.read_text()


def test_if_all_saved_steps_are_damaged_the_run_is_refused_and_they_are_kept(resumable: Run) -> None:
    for step in resumable.saved_steps():
        (step / "optimizer.safetensors").write_bytes(b"no tensors")
    status = train(resumable)
    assert status.state == "failed" and "step-000023/optimizer.safetensors is truncated or damaged" in status.message
    assert len(resumable.saved_steps()) == 2 and len(read_lines(resumable.metrics)[0]) == 23


@pytest.mark.fault(
    "a line of a log is damaged",
    "it is left out, and counted in the table of runs",
)
@pytest.mark.parametrize("damage", [b"\0" * 100 + b"\n", b"no JSON\n", b"\n", b"[1]\n", b'{"step": "x"}\n', b"\xff\n"])
def test_a_damaged_line_of_a_log_is_left_out_and_said(run: Run, damage: bytes, caplog) -> None:
    for step in (1, 2, 3):
        append_line(run.metrics, {"step": step, "loss/train": 2.0})
        append_line(run.samples, {"step": step, "prompt": "To", "text": "be"})
    run.write_status(Status("stopped", step=3))
    for path in (run.metrics, run.samples):
        whole, _ = read_lines(path)
        first, rest = path.read_bytes().split(b"\n", 1)
        path.write_bytes(first + b"\n" + damage + rest)
        assert read_log(path) == (whole, path.stat().st_size, 1, 0)
    assert Jobs(run.directory.parent).follow("run")["columns"]["step"] == [1, 2, 3]
    run.rewind(2)
    assert "1 line of metrics.jsonl cannot be read and is left out" in caplog.text
    assert read_log(run.metrics).damaged == 0 and len(read_lines(run.metrics)[0]) == 2


def test_a_log_that_ends_in_the_midst_of_a_line_waits_for_its_rest(run: Run) -> None:
    append_line(run.metrics, {"step": 1})
    for tail in (b"\0" * 50, b'{"step": 2'):
        with run.metrics.open("ab") as log:
            log.write(tail)
        assert read_log(run.metrics)[::2] == ([{"step": 1}], 0)


def test_why_it_failed_is_kept_where_no_file_can_be_made_any_more(tmp_path: Path, monkeypatch) -> None:
    run = Run.create(tmp_path / "run", "pretrain", {})
    run.write_status(Status("running", "a long message " * 9, step=3))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.training.run_directory.write_json", full)
    run.write_status(Status("failed", step=3, failure=Failure("unwritable", 3, "No space left on device")))
    assert run.status().state == "failed" and run.status().message.startswith("could not write: No space left")
