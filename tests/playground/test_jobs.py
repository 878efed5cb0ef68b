"""Following a run, and the sentences that refuse to start one."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.stages.pretrain import PretrainConfig
from core.train.run import Run, Status, append_line
from playground.jobs import MOST_POINTS, Jobs

CONFIG = PretrainConfig.preset("nano", device="cpu")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "one", "pretrain", CONFIG.to_dict())
    run.write_status(Status("stopped", max_steps=600, device="cpu"))
    return run


def add_steps(run: Run, first: int, last: int) -> None:
    for step in range(first, last + 1):
        append_line(
            run.metrics, {"step": step, "loss/train": 5.0, "lr": 0.1} | ({"loss/val": 4.0} if step == 2 else {})
        )


def test_following_sends_only_what_is_new(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    add_steps(run, 1, 3)
    first = jobs.follow("one")
    assert first["restart"] and first["columns"]["step"] == [1, 2, 3]
    assert first["columns"]["loss/val"] == [None, 4.0, None]
    add_steps(run, 4, 5)
    second = jobs.follow("one", first["cursor"])
    assert not second["restart"] and second["columns"]["step"] == [4, 5]
    assert jobs.follow("one", second["cursor"])["columns"]["step"] == []


def test_a_run_that_another_process_resumed_is_sent_anew(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    add_steps(run, 1, 3)
    cursor = jobs.follow("one")["cursor"]
    run.rewind(1)
    add_steps(run, 2, 4)
    again = jobs.follow("one", cursor | {"pid": os.getpid() + 1})
    assert again["restart"] and again["columns"]["step"] == [1, 2, 3, 4]


def test_the_first_look_at_a_long_run_is_thinned_but_keeps_evaluations_and_the_end(run: Run, tmp_path: Path) -> None:
    add_steps(run, 1, 3 * MOST_POINTS)
    columns = Jobs(tmp_path).follow("one")["columns"]
    assert len(columns["step"]) <= MOST_POINTS + 2
    assert 2 in columns["step"] and columns["step"][-1] == 3 * MOST_POINTS


def test_a_second_training_on_the_same_device_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    with run.hold("cpu"):
        run.write_status(replace(run.status(), state="running"))
        with pytest.raises(ValueError, match=r"another training \(one\) has the cpu"):
            Jobs(tmp_path).start("two", "pretrain", CONFIG)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "con\\x", "x" * 65, "one"])
def test_unfit_or_taken_names_are_refused_and_nothing_is_written(run: Run, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"cannot be the name of a run|already something called"):
        Jobs(tmp_path).start(name, "pretrain", CONFIG)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_resumed_or_paused_says_so(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with pytest.raises(ValueError, match="one is not running"):
        jobs.request("one", "pause")
    run.write_status(replace(run.status(), state="finished"))
    with pytest.raises(ValueError, match="one is finished"):
        jobs.resume("one")
    with pytest.raises(ValueError, match="no run called 'nobody'"):
        jobs.resume("nobody")
