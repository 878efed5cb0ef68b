"""Following a run, and the sentences that refuse to start one."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core import queue
from core.atomic_files import write_json
from core.stages.memory_fit import MemoryNeed
from core.stages.pretrain import PretrainConfig
from core.training.log_lines import append_line
from core.training.run_directory import Run, Status
from playground.services import training_jobs
from playground.services.run_log import MOST_ROWS, MOST_SAMPLES
from playground.services.training_jobs import Jobs

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


def test_the_first_look_at_a_long_run_is_thinned_and_comes_with_what_it_is_seen_against(
    run: Run, tmp_path: Path
) -> None:
    add_steps(run, 1, 3 * MOST_ROWS)
    write_json(run.directory / "references.json", {"uniform": 6.24, "unigram": 5.31})
    jobs = Jobs(tmp_path)
    first = jobs.follow("one")
    columns = first["columns"]
    assert len(columns["step"]) <= MOST_ROWS + 2
    assert 2 in columns["step"] and columns["step"][-1] == 3 * MOST_ROWS
    assert columns == jobs.history("one")["columns"]
    assert first["about"] == {
        "stage": "pretrain",
        "corpus": "shakespeare-1mb",
        "grad_clip": 1.0,
        "references": {"uniform": 6.24, "unigram": 5.31},
        "limits": {},
    }
    assert "about" not in jobs.follow("one", first["cursor"])


def test_a_run_that_has_just_been_created_can_be_looked_at(run: Run, tmp_path: Path) -> None:
    new = Run.create(tmp_path / "new", "pretrain", CONFIG.to_dict())
    news = Jobs(tmp_path).follow("new")
    assert news["columns"] == {"step": []} and news["left"] is None and not news["restart"]
    assert Jobs(tmp_path).history(new.name) == {"columns": {"step": []}, "means": {}}


def test_the_time_left_is_told_while_a_run_is_trained(run: Run, tmp_path: Path) -> None:
    for step in range(1, 11):
        append_line(run.metrics, {"step": step, "loss/train": 5.0, "time": 1e9 + step})
    jobs = Jobs(tmp_path)
    with run.hold("cpu"):
        run.write_status(replace(run.status(), state="running", step=10))
        assert jobs.follow("one")["left"] == pytest.approx(590)
    run.write_status(replace(run.status(), state="paused"))
    assert jobs.follow("one")["left"] is None


def test_a_log_is_saved_whole(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with pytest.raises(ValueError, match="one has not taken a step yet"):
        jobs.export("one", "csv", tmp_path)
    add_steps(run, 1, 5000)
    path = jobs.export("one", "csv", tmp_path)
    assert path.name == "one.csv" and path.read_bytes().count(b"\n") == 5001
    path = jobs.export("one", "tensorboard", tmp_path)
    assert path.name == "one-tensorboard.zip" and path.read_bytes().startswith(b"PK")


def test_a_second_training_on_the_same_device_waits_and_says_for_what(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with run.hold("cpu"):
        run.write_status(replace(run.status(), state="running"))
        for name in ("two", "three"):
            jobs.start(name, "pretrain", CONFIG)
        status = jobs.follow("two")["status"]
        assert (status["state"], status["message"]) == ("queued", "waits: the cpu is held by one")
        assert not jobs.begun and jobs.active() is not None and not status["active"]
        next_run = Run.create(tmp_path / "next", "pretrain", CONFIG.to_dict())
        next_run.write_status(Status("created", device="cpu"))  # as while it is seen whether it has to wait
        assert jobs.status("next").active
        assert (first := jobs.active()) and first.name == "one", "what is trained comes first"
        jobs.change_queue("three", "up")
        assert jobs.queue() == [
            {"name": "three", "kind": "device", "why": "the cpu is held by one", "asks": False},
            {"name": "two", "kind": "order", "why": "after three, which comes before it", "asks": False},
        ]
        with pytest.raises(ValueError, match="action must be one of up, down, remove, fit, anyway, got 'begin'"):
            jobs.change_queue("two", "begin")
        with pytest.raises(ValueError, match="two is not running"):
            jobs.request("two", "pause")
        with pytest.raises(ValueError, match="two is in the queue already"):
            jobs.resume("two")
        jobs.request("two", "stop")
        assert jobs.status("two").state == "stopped" and [one["name"] for one in jobs.queue()] == ["three"]
        jobs.resume("two")
        assert [one["name"] for one in jobs.queue()] == ["three", "two"]


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "con\\x", "x" * 65, "one"])
def test_unfit_or_taken_names_are_refused_and_nothing_is_written(run: Run, tmp_path: Path, name: str) -> None:
    append_line(run.metrics, {"step": 1})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"cannot be the name of a run|the name is empty|already something called"):
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


# --- several --------------------------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def pair(text_file: Path) -> list[tuple[str, PretrainConfig]]:
    """The experiment of attention without its scale: two runs that differ in that alone."""
    shape = dict(n_layer=1, n_head=2, n_embd=16, block_size=16, vocab_size=300, corpus=str(text_file), device="cpu")
    fit = dict(max_steps=40, batch_size=4, warmup_steps=5, eval_interval=20)
    return [
        (name, PretrainConfig.from_dict(shape | fit | {"attn_scale": scale}))
        for name, scale in (("scaled", None), ("unscaled", 1.0))
    ]


@pytest.mark.slow
def test_several_are_trained_in_their_order_without_anybody_looking(
    tmp_path: Path, pair: list[tuple[str, PretrainConfig]]
) -> None:
    jobs = Jobs(tmp_path)
    assert [run.name for run in jobs.start_all(pair, "pretrain")] == ["scaled", "unscaled"]
    assert list(jobs.begun) == ["scaled"] and jobs.status("unscaled").message == "waits: the cpu is held by scaled"
    seen = Jobs(tmp_path)
    wait_for(lambda: seen.status("unscaled").state == "finished", 120)
    assert seen.active() is None and seen.status("scaled").state == "finished"
    for name in ("scaled", "unscaled"):
        assert seen.follow(name)["columns"]["step"] == list(range(1, 41))
    curves = [seen.follow(name)["columns"]["loss/train"] for name in ("scaled", "unscaled")]
    assert curves[0][0] == pytest.approx(curves[1][0], rel=0.01) and curves[0] != curves[1]


@pytest.mark.slow
def test_if_a_process_is_killed_the_next_run_is_begun_by_whoever_looks(
    tmp_path: Path, pair: list[tuple[str, PretrainConfig]]
) -> None:
    jobs = Jobs(tmp_path)
    endless = [(name, replace(config, fit=replace(config.fit, max_steps=1_000_000))) for name, config in pair]
    jobs.start_all(endless, "pretrain")
    wait_for(lambda: jobs.status("scaled").step >= 1)
    jobs.begun["scaled"].kill()
    jobs.begun["scaled"].wait()
    seen = Jobs(tmp_path)
    assert (seen.status("scaled").state, seen.queue()[0]["kind"]) == ("interrupted", "begins")
    seen.go_on()
    wait_for(lambda: seen.status("unscaled").step >= 1)
    seen.request("unscaled", "stop")
    wait_for(lambda: seen.status("unscaled").state == "stopped")


def test_a_process_that_dies_before_its_run_begins_is_told_of(
    tmp_path: Path, pair: list[tuple[str, PretrainConfig]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    jobs = Jobs(tmp_path)
    name, config = pair[0]
    run = jobs.start(name, "pretrain", config)
    jobs.begun[name].wait()
    status = jobs.status(name)
    assert (status.state, status.message) == ("failed", "its process could not start; its log ends with: nothing")
    assert Run(run.directory).status().message == status.message and run.ended_before_first_step()


@pytest.mark.fault(
    "a training's process cannot even start",
    "the run has failed, and says how its log ends",
)
def test_the_end_of_the_log_says_why_a_process_could_not_start(
    tmp_path: Path, pair: list[tuple[str, PretrainConfig]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho no module named this >&2\necho >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o700)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    jobs = Jobs(tmp_path)
    jobs.start("scaled", "pretrain", pair[0][1])
    jobs.begun["scaled"].wait()
    said = "its process could not start; its log ends with: no module named this"
    assert (jobs.status("scaled").state, jobs.status("scaled").message) == ("failed", said)
    assert Jobs(tmp_path).follow("scaled")["status"]["message"] == said, "also of another playground"
    jobs.resume("scaled")  # it may be tried again at once


@pytest.mark.parametrize("names", [("new", "one"), ("one", "new"), ("new", "../out"), ("new", "new"), ("new", "NEW")])
def test_if_one_of_several_names_is_unfit_or_taken_none_is_created(
    run: Run, tmp_path: Path, names: tuple[str, ...]
) -> None:
    append_line(run.metrics, {"step": 1})  # one that has taken no step has nothing to lose: its name is free
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        ValueError, match=r"cannot be the name|the name is empty|already something called|need different names"
    ):
        Jobs(tmp_path).start_all([(name, CONFIG) for name in names], "pretrain")
    assert sorted(tmp_path.rglob("*")) == before


# --- memory ---------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a training is killed for want of memory",
    "it is interrupted, and says so where the kernel's log may be read or the plan did not fit; the queue goes on",
)
def test_an_interrupted_run_names_the_memory_where_the_kernel_or_the_plan_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_status(Status("running", device="cpu"))
    append_line(run.metrics, {"step": 1})
    need = MemoryNeed(242 * 2**30, 24 * 2**30, "cpu")
    monkeypatch.setattr(training_jobs, "known_need", lambda stage, config: None)
    monkeypatch.setattr(training_jobs, "killed_for_memory", lambda pid, since: False)
    assert Jobs(tmp_path).status("one").message == "its process has ended; it can be resumed"
    monkeypatch.setattr(training_jobs, "known_need", lambda stage, config: need)
    said = Jobs(tmp_path).status("one").message
    assert said == (
        "its process has ended, as far as can be told for want of memory: it needs 242 GB of 24 GB on the cpu. "
        "Give it smaller micro-batches, or end other programs, then resume"
    )
    monkeypatch.setattr(training_jobs, "killed_for_memory", lambda pid, since: pid == os.getpid())
    jobs = Jobs(tmp_path)
    status = jobs.status("one")
    assert status.message.startswith("the system has ended its process for want of memory: it needs 242")
    assert status.state == "interrupted" and jobs.findings("one")[0][0].kind == "killed for memory"
    monkeypatch.setattr(training_jobs, "killed_for_memory", lambda pid, since: pytest.fail("looked for twice"))
    assert jobs.status("one") == status
    monkeypatch.setattr(queue, "known_need", lambda stage, config: need)
    jobs.resume("one")  # it does not simply run into it again
    assert jobs.status("one").message == "waits: it needs 242 GB of 24 GB on the cpu: fit it, or start it anyway"


# --- forks and the doctor -------------------------------------------------------------------------------------


def test_a_fork_in_the_midst_of_a_run_keeps_the_model_and_the_data(tmp_path):
    config = PretrainConfig.preset("tiny", device="cpu")
    run = Run.create(tmp_path / "first", "pretrain", config.to_dict())
    run.step_directory(20).mkdir()
    changed = PretrainConfig.preset("tiny", device="cpu", n_embd=32, corpus="shakespeare", learning_rate=1e-3)
    with pytest.raises(ValueError, match="goes on from step 20 keeps its model and its data, so corpus, n_embd cannot"):
        Jobs(tmp_path).fork("second", "first", 20, changed)
    assert not (tmp_path / "second").exists()


def test_findings_come_with_the_saved_step_to_fork_from(tmp_path):
    config = PretrainConfig.preset("tiny", device="cpu", max_steps=300, warmup_steps=10)
    run = Run.create(tmp_path / "hasty", "pretrain", config.to_dict())
    for step in range(1, 301):
        loss = 6 - 3 * min(step, 100) / 100 + 4 * (step > 150)
        line = {"step": step, "loss/train": loss, "lr": 0.02, "grad_norm": 1.0, "tokens_per_second": 1e4}
        append_line(run.metrics, line | {"time": step})
    run.step_directory(100).mkdir()
    run.write_status(Status("finished", step=300, max_steps=300, device="cpu"))
    (finding, saved), *_ = Jobs(tmp_path).findings("hasty")
    assert finding.kind == "divergence"
    assert "learning_rate" in finding.changes
    assert saved == 100


def test_details_are_sent_once_whole_lines_only_and_thinned_out(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    assert jobs.details("one", 0) == {"lines": [], "offset": 0}
    for step in range(3):
        append_line(run.details, {"step": step, "margins": [step / 2]})
    first = jobs.details("one", 0)
    assert [line["step"] for line in first["lines"]] == [0, 1, 2]
    with run.details.open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "marg')
    assert jobs.details("one", first["offset"]) == {"lines": [], "offset": first["offset"]}
    with run.details.open("a", encoding="utf-8") as file:
        file.write('ins": []}\n' + "".join(f'{{"step": {step}}}\n' for step in range(4, 400)))
    steps = [line["step"] for line in jobs.details("one", first["offset"])["lines"]]
    assert len(steps) == MOST_SAMPLES and (steps[0], steps[-1]) == (3, 399)


def test_runs_are_listed_by_stage_and_a_damaged_one_everywhere(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    Run.create(tmp_path / "bent", "dpo", {})
    assert jobs.names(["pretrain"]) == ["one"] and jobs.names(["dpo", "ppo"]) == ["bent"]
    Run.create(tmp_path / "broken", "sft", {})
    (tmp_path / "broken" / "run.json").write_text("{", encoding="utf-8")
    assert set(jobs.names(["dpo"])) == {"bent", "broken"} and set(jobs.names()) == {"one", "bent", "broken"}
