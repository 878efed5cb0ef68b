"""What happens when the machine fails a training: a lost GPU, a read-only disk, clocks that jump. See also test_run."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.training.run_directory import START_SECONDS, Run, Status
from playground.services.run_log import seconds_left
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
