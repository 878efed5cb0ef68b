"""Runs: whatever stops one (a kill, a full disk, a request), resuming it gives what an uninterrupted run gives."""

import errno
import itertools
import json
import math
import os
import random
import shutil
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
import torch

from core import checkpoint
from core.__main__ import main
from core.atomic_files import write_json
from core.stages.pretrain import PretrainConfig, prepare
from core.stages.registry import train
from core.training import runner
from core.training.failure import Failure
from core.training.log_lines import append_line, read_lines
from core.training.loop import FitConfig
from core.training.planning import memory
from core.training.run_directory import Run, Status, runs, step_number
from tests.conftest import SENTENCES
from tests.helpers.ready_process import FORKED

pytestmark = pytest.mark.usefixtures("obeys_ctrl_c")

REPO = Path(__file__).parents[3]
SHAPE = dict(n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=300, dropout=0.2, sample_prompt="To be")
FIT = dict(max_steps=100, batch_size=4, warmup_steps=5, eval_interval=25, save_interval=10, keep_steps=0, device="cpu")
STEPS = list(range(1, 101))


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(SENTENCES * 10, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def uninterrupted(corpus_file, tmp_path_factory) -> Run:
    run = new_run(tmp_path_factory.mktemp("runs") / "whole", corpus_file)
    assert train(run).state == "finished"
    return run


@pytest.fixture
def run(corpus_file, tmp_path) -> Run:
    return new_run(tmp_path / "run", corpus_file)


def new_run(directory: Path, corpus_file: Path, **changes) -> Run:
    config = PretrainConfig.from_dict(SHAPE | FIT | {"corpus": str(corpus_file)} | changes)
    return Run.create(directory, "pretrain", config.to_dict())


def train_with(run: Run, **parts) -> Status:
    """Train with some parts of the job (`loss_fn`, `batches`, `evaluate`) replaced by a function of the original."""
    config = PretrainConfig.from_dict(run.read()[1])

    def prepare_with_parts(saved, device, say):
        job = prepare(config, saved, device, say)
        return replace(job, **{name: change(getattr(job, name)) for name, change in parts.items()})

    return runner.execute(run, config.fit, prepare_with_parts)


MACHINE = ("time", "tokens_per_second", "data_wait", "memory/peak")


def measured(run: Run) -> list[dict]:
    """All metrics, without those that the clock and the machine decide."""
    lines, _ = read_lines(run.metrics)
    return [{k: v for k, v in line.items() if k not in MACHINE} for line in lines]


def assert_equal_runs(run: Run, whole: Run) -> None:
    assert [line["step"] for line in measured(run)] == list(range(1, whole.status().step + 1))
    assert measured(run) == measured(whole)
    assert read_lines(run.samples)[0] == read_lines(whole.samples)[0]
    assert [path.name for path in run.snapshots()] == [path.name for path in whole.snapshots()]
    for mine, other in zip([run.directory, *run.snapshots()], [whole.directory, *whole.snapshots()], strict=True):
        ours, theirs = checkpoint.load(mine), checkpoint.load(other)
        assert (ours.card.step, ours.card.report) == (theirs.card.step, theirs.card.report)
        weights = theirs.model.state_dict()
        assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.model.state_dict().items())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.005)


def n_steps(run: Run) -> int:
    return len(read_lines(run.metrics)[0])


def leftovers(run: Run) -> list[str]:
    """Temporary files and directories that nobody tidied up."""
    return [path.name for path in run.directory.parent.rglob(".*") if path.name.endswith(".tmp")]


# --- a whole run ----------------------------------------------------------------------------------------------


def test_a_finished_run_is_a_checkpoint_with_its_lineage(uninterrupted):
    status = uninterrupted.status()
    assert (status.state, status.step, status.max_steps, status.device) == ("finished", 100, 100, "cpu")
    loaded = checkpoint.load(uninterrupted.directory)
    last = measured(uninterrupted)[-1]
    assert loaded.card.stage == "pretrain"
    assert loaded.card.step == 100
    assert loaded.card.config == uninterrupted.read()[1]
    assert loaded.card.data["vocabulary_sha256"] == loaded.tokenizer.digest
    assert loaded.card.report == {"loss/val": last["loss/val"], "bpb/val": last["bpb/val"]}
    assert uninterrupted.saved_steps() == []
    assert leftovers(uninterrupted) == []


def test_every_step_is_in_the_metrics_and_every_evaluation_too(uninterrupted):
    lines = measured(uninterrupted)
    assert [line["step"] for line in lines] == STEPS
    assert all({"loss/train", "lr", "grad_norm"} <= line.keys() for line in lines)
    assert all(0 <= line["data_wait"] <= 1 for line in read_lines(uninterrupted.metrics)[0])
    assert [line["step"] for line in lines if "loss/val" in line and "bpb/val" in line] == [25, 50, 75, 100]
    assert lines[-1]["loss/val"] < lines[0]["loss/train"] - 0.5
    samples, _ = read_lines(uninterrupted.samples)
    assert [(sample["step"], sample["prompt"]) for sample in samples] == [(step, "To be") for step in (25, 50, 75, 100)]


def test_the_log_is_for_people(run, caplog):
    caplog.set_level("INFO")
    assert train(run).state == "finished"
    log = run.log.read_text(encoding="utf-8")
    assert "step 25  loss/train" in log
    assert "finished" in log.splitlines()[-1]


@pytest.mark.parametrize("ctrl_cs", [0, 1, 2], ids=["uninterrupted", "stopped", "interrupted_at_once"])
def test_the_weights_of_the_best_evaluation_are_kept_if_asked_for(tmp_path, corpus_file, ctrl_cs):
    run = new_run(tmp_path / "run", corpus_file, keep_best=True, save_interval=30)
    losses, weights = {25: 3.0, 50: 2.0, 75: 4.0, 100: 5.0}, {}

    def evaluate(model):
        step = n_steps(run) + 1  # evaluated before its metrics are written
        weights[step] = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        return {"loss/val": losses.get(step, 9.0), "bpb/val": 1.0}

    if ctrl_cs == 1:
        train_with(run, evaluate=lambda original: evaluate, loss_fn=ctrl_c_in(58))
    if ctrl_cs == 2:
        with pytest.raises(KeyboardInterrupt):
            train_with(run, evaluate=lambda original: evaluate, loss_fn=ctrl_c_in(58, times=2))
    assert train_with(run, evaluate=lambda original: evaluate).state == "finished"
    kept = checkpoint.load(run.directory)
    assert (kept.card.step, kept.card.report["loss/val"]) == (50, 2.0)
    assert all(torch.equal(tensor, weights[50][name]) for name, tensor in kept.model.state_dict().items())
    assert [path.name for path in run.directory.iterdir() if path.is_dir()] == ["snapshots"]


# --- snapshots ------------------------------------------------------------------------------------------------

SNAPSHOTS = [0, 3, 4, 6, 9, 12, 18, 25, 35, 50, 71, 100]  # of 100 steps, if nothing else is asked for


def test_snapshots_show_the_weights_from_before_the_first_step_to_the_last(uninterrupted):
    loaded = [checkpoint.load(path) for path in uninterrupted.snapshots()]
    assert [path.name for path in uninterrupted.snapshots()] == [f"step-{step:06d}" for step in SNAPSHOTS]
    assert [snapshot.card.step for snapshot in loaded] == SNAPSHOTS
    config = PretrainConfig.from_dict(uninterrupted.read()[1])
    unborn = prepare(config, None, torch.device("cpu"), lambda message: None).model.state_dict()
    grown = checkpoint.load(uninterrupted.directory).model.state_dict()
    for snapshot, expected in ((loaded[0], unborn), (loaded[-1], grown)):
        weights = snapshot.model.state_dict()
        assert all(torch.equal(weights[name], tensor.half().float()) for name, tensor in expected.items())
    for path in uninterrupted.snapshots():
        assert {tensor.dtype for tensor in checkpoint.read_tensors(path / "model.safetensors").values()} == {
            torch.float16
        }
        assert not (path / "optimizer.safetensors").exists()


def test_a_snapshot_says_the_losses_of_its_step(uninterrupted):
    by_step = {line["step"]: line for line in measured(uninterrupted)}
    cards = [checkpoint.read_card(path / "card.json") for path in uninterrupted.snapshots()]
    reports = {card.step: card.report for card in cards}
    assert reports.pop(0) == {}
    for step, report in reports.items():
        names = ("loss/train", "loss/val", "bpb/val") if step % 25 == 0 else ("loss/train",)
        assert report == {name: by_step[step][name] for name in names}


@pytest.mark.parametrize(("snapshots", "steps"), [(0, []), (1, [100]), (2, [0, 100]), (4, [0, 3, 18, 100])])
def test_as_many_snapshots_are_kept_as_are_asked_for(tmp_path, corpus_file, snapshots, steps):
    run = new_run(tmp_path / "run", corpus_file, snapshots=snapshots)
    assert train(run).state == "finished"
    assert [int(path.name[5:]) for path in run.snapshots()] == steps


def test_a_run_killed_at_a_snapshot_takes_it_when_it_resumes(tmp_path, corpus_file, uninterrupted, monkeypatch):
    run = new_run(tmp_path / "run", corpus_file, save_interval=7)  # saves step 35, too
    save = runner.Runner.save_snapshot

    def killed_at_35(self, job, step, metrics):
        if step == 35:
            raise KeyboardInterrupt
        save(self, job, step, metrics)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner.Runner, "save_snapshot", killed_at_35)
        train(run)
    assert train(run).state == "finished"
    assert_equal_runs(run, uninterrupted)


def test_a_run_from_before_there_were_snapshots_takes_those_that_are_still_to_come(run):
    stage, config = run.read()
    train_with(run, loss_fn=ctrl_c_in(24))
    shutil.rmtree(run.directory / "snapshots")
    del config["snapshots"]
    write_json(run.directory / "run.json", {"stage": stage, "config": config})
    assert train(run).state == "finished"
    assert [int(path.name[5:]) for path in run.snapshots()] == [25, 35, 50, 71, 100]


def test_a_run_that_failed_before_its_first_step_leaves_no_snapshot_to_the_next_one_of_its_name(run):
    def defect(model, batch):
        raise RuntimeError("before the first step")

    train_with(run, loss_fn=lambda original: defect)
    assert len(run.snapshots()) == 1
    config = run.read()[1] | {"snapshots": 0}
    again = Run.create(run.directory, "pretrain", config)
    assert train(again).state == "finished"
    assert again.snapshots() == []


# --- whatever stops it ----------------------------------------------------------------------------------------


KILLS, KILLED_STEPS = 8, 150


@pytest.mark.fault(
    "a training is killed",
    "it resumes from its last saved step, to the same curve",
)
@pytest.mark.slow
def test_a_run_killed_again_and_again_resumes_to_what_an_uninterrupted_run_gives(tmp_path, corpus_file):
    """Kills at random moments of start-up, training and saving, which takes most of the time here."""
    changes = dict(max_steps=KILLED_STEPS, eval_interval=20, keep_best=True, snapshots=30)
    whole = new_run(tmp_path / "whole" / "run", corpus_file, save_interval=KILLED_STEPS // 3, **changes)
    assert train(whole).state == "finished"
    run, chance = new_run(tmp_path / "run", corpus_file, save_interval=2, **changes), random.Random(0)
    for kill in range(KILLS):
        delay, steps = chance.uniform(0, 0.03), chance.randint(1, 5)
        if kill % 4 == 0:
            kill_as_it_starts(run, chance.uniform(0, 2))
        else:
            kill_as_it_trains(run, n_steps(run) + steps, delay)
        assert run.status().state == "interrupted" or run.read_status().state == "created"
        assert [line["step"] for line in measured(run)] == list(range(1, n_steps(run) + 1))
        assert [checkpoint.load(path).card.step for path in run.saved_steps()] == list(
            map(step_number, run.saved_steps())
        )
        assert all(checkpoint.load(path).card.step == step_number(path) for path in run.snapshots())
    assert 5 < n_steps(run) < KILLED_STEPS
    assert train(run).state == "finished"
    assert_equal_runs(run, whole)
    assert leftovers(run) == []


def kill_as_it_starts(run: Run, delay: float) -> None:
    """The command, killed after `delay` seconds."""
    command = [sys.executable, "-m", "core", "run", str(run.directory)]
    with subprocess.Popen(command, cwd=REPO, stderr=subprocess.DEVNULL) as process:
        time.sleep(delay)
        process.kill()


def train_in(directory: Path) -> None:
    train(Run(directory))


def kill_as_it_trains(run: Run, step: int, delay: float) -> None:
    """A process that has all modules at once, killed `delay` seconds after it has taken `step` steps."""
    process = FORKED.Process(target=train_in, args=(run.directory,))
    process.start()
    try:
        wait_for(lambda: n_steps(run) >= step)
        time.sleep(delay)
    finally:
        process.kill()
        process.join()


def test_a_run_killed_while_it_forgets_a_saved_step_leaves_no_half_of_it(run, monkeypatch):
    def killed(path, ignore_errors=False):
        if path.exists():
            next(file for file in path.iterdir() if file.is_file()).unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        train(run)
    assert [checkpoint.load(path).card.step for path in run.saved_steps()] == [20, 30]
    assert train(run).state == "finished"
    assert leftovers(run) == []


def test_a_run_killed_while_it_tidies_up_at_its_end_is_finished(run, monkeypatch):
    forget = runner.Runner.forget_steps

    def killed(self, count):
        forget(self, count)
        if count == 0:  # steps are kept while the run goes on
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner.Runner, "forget_steps", killed)
        train(run)
    assert run.status().state == "finished"
    assert checkpoint.load(run.directory).card.step == 100


@contextmanager
def training(run: Run) -> Iterator[None]:
    """Train in the background; the block ends when the training has."""
    thread = threading.Thread(target=train, args=(run,))
    thread.start()
    try:
        yield
    finally:
        if sys.exc_info()[0]:
            run.request("stop")
        thread.join(60)
    assert not thread.is_alive()


def test_a_run_pauses_resumes_and_stops_on_request(run, uninterrupted):
    with training(run):
        wait_for(lambda: n_steps(run) >= 12)
        run.request("pause")
        wait_for(lambda: run.status().state == "paused")
        paused_at = n_steps(run)
        assert run.status().step == paused_at
        assert run.saved_steps()[-1] == run.step_directory(paused_at)
        assert checkpoint.load(run.step_directory(paused_at)).card.step == paused_at
        time.sleep(0.3)
        assert n_steps(run) == paused_at
        run.request("resume")
        wait_for(lambda: n_steps(run) > paused_at)
        run.request("stop")
    status = run.status()
    assert status.state == "stopped"
    assert paused_at < status.step == n_steps(run) < 100
    assert checkpoint.load(run.directory).card.step == status.step

    assert train(run).state == "finished"  # the old request is not obeyed a second time
    assert_equal_runs(run, uninterrupted)


def test_a_request_made_while_the_process_starts_is_obeyed_and_an_old_one_is_not(run):
    run.request("stop")
    status = train(run)
    assert (status.state, status.step) == ("stopped", 1)
    assert train(run).state == "finished"  # that stop was for the process before


def test_a_paused_run_can_be_stopped(run):
    with training(run):
        wait_for(lambda: n_steps(run) >= 1)
        run.request("pause")
        wait_for(lambda: run.status().state == "paused")
        run.request("stop")
    assert run.status().state == "stopped"


def ctrl_c_in(step: int, times: int = 1):
    """A loss that comes with a Ctrl-C, or several, in the `step`-th step (from 1) that it is asked for."""
    calls = itertools.count(1)

    def change(loss_fn):
        def changed(model, batch):
            if next(calls) == step:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return loss_fn(model, batch)

        return changed

    return change


def test_ctrl_c_saves_after_the_step_and_stops(run, uninterrupted):
    handler = signal.getsignal(signal.SIGINT)
    status = train_with(run, loss_fn=ctrl_c_in(24))
    assert (status.state, status.step) == ("stopped", 24)
    assert signal.getsignal(signal.SIGINT) is handler
    assert run.saved_steps()[-1].name == "step-000024"
    assert checkpoint.load(run.directory).card.step == 24
    assert train(run).state == "finished"
    assert_equal_runs(run, uninterrupted)


def test_a_second_ctrl_c_interrupts_at_once_and_the_run_resumes_from_what_is_saved(run, uninterrupted):
    with pytest.raises(KeyboardInterrupt):
        train_with(run, loss_fn=ctrl_c_in(24, times=2))
    assert run.status().state == "interrupted"
    assert run.saved_steps()[-1].name == "step-000020"
    assert train(run).state == "finished"
    assert_equal_runs(run, uninterrupted)


def test_in_the_background_of_a_shell_ctrl_c_is_ignored_and_the_control_file_obeyed(run):
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def change(loss_fn):
        calls = itertools.count(1)

        def changed(model, batch):
            if (call := next(calls)) == 24:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            if call == 31:
                run.request("stop")
            return loss_fn(model, batch)

        return changed

    status = train_with(run, loss_fn=change)
    assert (status.state, status.step) == ("stopped", 31)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_loss_that_is_not_a_number_fails_with_its_step_and_the_last_good_checkpoint(run):
    def nan_at_37(loss_fn):
        calls = iter(STEPS)
        return lambda model, batch: loss_fn(model, batch) * (math.nan if next(calls) == 37 else 1)

    status = train_with(run, loss_fn=nan_at_37)
    assert (status.state, status.step) == ("failed", 36)
    assert "the loss became nan at step 37" in status.message
    assert "step-000030" in status.message
    assert run.status().message == status.message
    written = json.loads((run.directory / "status.json").read_text())
    assert written["failure"] == {"kind": "not finite", "step": 37, "value": "nan", "what": "loss/train"}
    assert written["message"] == "", "the sentence is made by whoever reads the facts"
    assert [path.name for path in run.saved_steps()] == ["step-000020", "step-000030"]  # two are kept
    saved = checkpoint.load(run.saved_steps()[-1])
    assert saved.card.step == 30
    assert all(parameter.isfinite().all() for parameter in saved.model.parameters())
    with pytest.raises(ValueError, match="there is already something called run"):  # it is worth something
        Run.create(run.directory, "pretrain", {})


@contextmanager
def disk_full_at(*names: str) -> Iterator[None]:
    """No tensors can be written whose file's name and directory contain `names`."""
    write = checkpoint.write_tensors

    def write_tensors(path, tensors):
        if all(name in str(path.relative_to(path.parents[1])) for name in names):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, tensors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "write_tensors", write_tensors)
        yield


@pytest.mark.fault(
    "the disk is full, or cannot be written",
    "the training fails with a sentence, its last saved step is whole, and it can be resumed",
)
@pytest.mark.parametrize(
    ("names", "good"),
    [
        (("step-000020", "optimizer"), "step-000010"),
        (("step-000035", "model"), "step-000030"),  # a snapshot
        ((".run.", "model"), "step-000090"),
    ],
)
def test_a_full_disk_fails_in_words_and_the_run_goes_on_when_there_is_room(run, uninterrupted, names, good):
    with disk_full_at(*names):
        status = train(run)
    assert status.state == run.status().state == "failed"
    assert "No space left on device" in status.message
    assert good in status.message
    assert leftovers(run) == []
    assert run.saved_steps()[-1].name == good
    checkpoint.load(run.saved_steps()[-1])
    assert train(run).state == "finished"
    assert_equal_runs(run, uninterrupted)


def test_a_damaged_saved_step_is_named_and_not_called_good(run):
    train_with(run, loss_fn=ctrl_c_in(24))
    for step in run.saved_steps():
        state = step / "optimizer.safetensors"
        state.write_bytes(state.read_bytes()[:-10])
    status = train(run)
    assert status.state == "failed"
    assert f"{run.step_directory(24) / 'optimizer.safetensors'} is truncated or damaged" in status.message
    assert "last good checkpoint is step-000024" not in status.message


def test_an_optimizer_state_that_lacks_a_tensor_is_refused(run):
    train_with(run, loss_fn=ctrl_c_in(24))
    path = run.step_directory(24) / "optimizer.safetensors"
    tensors = checkpoint.read_tensors(path)
    del tensors["transformer.wpe.weight.exp_avg"]
    checkpoint.write_tensors(path, tensors)
    assert "holds no exp_avg of transformer.wpe.weight" in train(run).message


def test_an_unexpected_error_fails_with_the_place_of_its_traceback(run):
    def defect(model, batch):
        raise RuntimeError("a defect of ours")

    status = train_with(run, loss_fn=lambda original: defect)
    assert status.state == "failed"
    assert str(run.log) in status.message
    assert "a defect of ours" not in status.message
    log = run.log.read_text(encoding="utf-8")
    assert "Traceback" in log and "RuntimeError: a defect of ours" in log


# --- one process a device -------------------------------------------------------------------------------------

HOLDER = """
import sys
from core.training.run_directory import Run, Status
run = Run(sys.argv[1])
with run.hold("cpu"):
    run.write_status(Status("running", device="cpu"))
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_second_process_on_a_device_or_on_a_run_is_refused_in_words(run, corpus_file, capfd):
    busy = new_run(run.directory.with_name("busy"), corpus_file)
    command = [sys.executable, "-c", HOLDER, str(busy.directory)]
    with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            assert busy.status().state == "running"
            assert main(["run", str(run.directory)]) == 1
            assert capfd.readouterr().err == (
                "error: another training (busy) has the cpu: stop it first, or wait until it ends, or let this one "
                f"wait: python -m core run {run.directory} --queue\n"
            )
            assert main(["run", str(busy.directory)]) == 1
            assert capfd.readouterr().err == "error: busy is being trained already\n"
        finally:
            process.kill()
    assert busy.status().state == "interrupted"
    with busy.hold("cpu"):
        pass


@pytest.mark.parametrize("state", ["starting", "running", "paused"])
def test_a_run_that_says_it_is_active_without_a_process_is_interrupted(run, state):
    run.write_status(Status(state, step=3))
    assert run.status().state == "interrupted"
    with run.hold("cpu"):
        assert run.status().state == state
    assert run.status().step == 3


@pytest.mark.parametrize("state", ["stopped", "finished", "failed"])
def test_a_run_that_has_ended_needs_no_process(run, state):
    run.write_status(Status(state))
    assert run.status().state == state


# --- the directory --------------------------------------------------------------------------------------------


UNFIT = ["a b", ".hidden", "-x", "Käfer", "a" * 65, "x;rm", "new\n", "CON", "nul.txt", "lpt1", "x."]


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of a run"):
        Run.create(tmp_path / name, "pretrain", {})
    assert os.listdir(tmp_path) == []


def test_a_taken_name_is_refused_and_what_has_it_stays(tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for name in ("directory", "file"):
        with pytest.raises(ValueError, match=f"there is already something called {name}: choose another name"):
            Run.create(tmp_path / name, "pretrain", {})
    assert os.listdir(tmp_path / "directory") == ["mine.txt"]
    Run.create(tmp_path / "a-1_b.C", "pretrain", {"x": 1})
    assert Run(tmp_path / "a-1_b.C").read() == ("pretrain", {"x": 1})


def test_what_is_no_run_is_refused_with_its_path(tmp_path):
    with pytest.raises(ValueError, match=r"run\.json: No such file or directory"):
        Run(tmp_path).read()


def test_runs_come_latest_first_and_other_directories_are_passed_over(tmp_path):
    for age, name in enumerate(["new", "old"]):
        created = Run.create(tmp_path / name, "pretrain", {})
        os.utime(created.directory / "run.json", (1e9 - age, 1e9 - age))
    (tmp_path / "a-plain-checkpoint").mkdir()
    assert [run.name for run in runs(tmp_path)] == ["new", "old"]


def test_a_growing_file_is_read_line_by_line_and_an_incomplete_line_waits(tmp_path):
    path = tmp_path / "samples.jsonl"
    assert read_lines(path) == ([], 0)
    append_line(path, {"step": 1})
    with path.open("ab") as file:
        file.write(b'{"step": 2, "te')
    lines, offset = read_lines(path)
    assert lines == [{"step": 1}]
    assert read_lines(path, offset) == ([], offset)
    with path.open("ab") as file:
        file.write('xt": "ä"}\n'.encode())
    lines, end = read_lines(path, offset)
    assert lines == [{"step": 2, "text": "ä"}]
    assert end == path.stat().st_size


def test_rewinding_forgets_later_steps_and_a_line_that_was_cut_off(run):
    for path in (run.metrics, run.samples):
        for step in (10, 20, 30):
            append_line(path, {"step": step})
        with path.open("ab") as file:
            file.write(b'{"step": 4')
    run.rewind(20)
    for path in (run.metrics, run.samples):
        assert [json.loads(line)["step"] for line in path.read_text(encoding="utf-8").splitlines()] == [10, 20]


def test_rewinding_forgets_later_snapshots(run):
    for step in (0, 20, 21, 1_000_000):
        run.snapshot_directory(step).mkdir(parents=True)
    run.rewind(20)
    assert [path.name for path in run.snapshots()] == ["step-000000", "step-000020"]


def test_a_snapshot_that_was_being_written_when_its_process_was_killed_is_tidied_up(run):
    half = run.directory / "snapshots" / ".step-000020.7.tmp"
    half.mkdir(parents=True)
    run.clear_leftovers()
    assert not half.exists()


def test_saved_steps_come_in_the_order_of_their_numbers(run):
    for name in ("step-200000", "step-1000000", "step-000020", "step-12", ".step-000030.7.tmp", "step-000040x"):
        (run.directory / name).mkdir()
    assert [path.name for path in run.saved_steps()] == ["step-000020", "step-200000", "step-1000000"]


@pytest.mark.fault(
    "the GPU's memory does not suffice",
    "the training takes smaller micro-batches, says so, and goes on",
)
def test_a_micro_batch_that_had_to_shrink_is_told_in_the_log_and_in_the_status(run, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(runner, "STATUS_INTERVAL", 0)
    told = []

    def too_much(loss_fn):
        def limited(model, batch):
            if len(batch.inputs) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return loss_fn(model, batch)

        return limited

    def noting(evaluate):
        def noted(model):
            told.append(run.read_status().message)
            return evaluate(model)

        return noted

    assert train_with(run, loss_fn=too_much, evaluate=noting).state == "finished"
    assert all("training, in micro-batches of 1 instead of 4" in message for message in told)
    assert "out of memory: micro-batches of 1 from here on" in run.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "gigabytes", "planned"),
    [(0, 64.0, 8), (0, 3.0, 4), (0, 0.001, 1), (3, 0.001, 3), (0, None, 0)],
)
def test_a_micro_batch_size_of_0_is_the_largest_that_is_planned_to_fit(
    make_model, monkeypatch, asked, gigabytes, planned
):
    room = None if gigabytes is None else gigabytes * memory.GIB
    monkeypatch.setattr(runner, "free_memory", lambda device, ours: room)
    model = make_model(n_embd=512, n_layer=16, block_size=512)  # 4 rows need 2.5 GiB, 8 need 3.8
    config = runner.fill_memory(model, FitConfig(batch_size=8, micro_batch_size=asked), torch.device("cpu"))
    assert config.micro_batch_size == planned


# --- forks ----------------------------------------------------------------------------------------------------


def test_saved_steps_stay_if_asked_for_and_a_fork_from_one_goes_on_as_the_run_did(tmp_path, corpus_file, uninterrupted):
    run = new_run(tmp_path / "run", corpus_file, keep_steps=4)
    assert train(run).state == "finished"
    assert [step_number(path) for path in run.saved_steps()] == [70, 80, 90, 100]
    fork = run.fork(tmp_path / "fork", 80, run.read()[1])
    assert train(fork).state == "finished"
    assert_equal_runs(fork, uninterrupted)
    assert checkpoint.load(fork.directory).card.data["forked_from"] == {"run": "run", "step": 80}


def test_a_fork_goes_on_longer_or_with_other_settings(tmp_path, corpus_file):
    run = new_run(tmp_path / "run", corpus_file, keep_steps=1)
    train(run)
    longer = run.fork(
        tmp_path / "longer", 100, run.read()[1] | {"max_steps": 120, "learning_rate": 1e-4, "dropout": 0.0}
    )
    assert train(longer).step == 120
    lines, _ = read_lines(longer.metrics)
    assert [line["step"] for line in lines] == list(range(1, 121))
    assert lines[100]["lr"] <= 1e-4
    assert checkpoint.load(longer.directory).model.config.dropout == 0.0


def test_a_fork_from_the_beginning_has_no_past_and_one_from_an_unsaved_step_is_refused(tmp_path, uninterrupted):
    fork = uninterrupted.fork(tmp_path / "again", 0, uninterrupted.read()[1])
    assert not fork.metrics.exists() and fork.saved_steps() == [] and fork.snapshots() == []
    with pytest.raises(ValueError, match="whole has not kept step 42: kept are none; 0 is the beginning"):
        uninterrupted.fork(tmp_path / "other", 42, uninterrupted.read()[1])
    assert not (tmp_path / "other").exists()


def test_a_failure_is_facts_and_a_run_that_goes_on_has_none(run):
    failure = Failure("unwritable", 12, "No space left on device")
    run.write_status(Status("failed", failure=failure))
    assert run.status().failure == failure
    assert run.status().message == "could not write: No space left on device. Make room, then resume"
    run.step_directory(10).mkdir()
    assert "; the last good checkpoint is step-000010. Make room" in run.status().message
    run.write_status(replace(run.status(), state="created", message="waiting for its process"))
    assert (run.read_status().failure, run.read_status().message) == (None, "waiting for its process")


def test_a_status_of_an_older_version_is_read_with_the_sentence_that_it_holds(run):
    said = "the loss became nan at step 3; it was not learned from. Try a lower learning rate"
    old = dict(state="failed", message=said, step=2, max_steps=9, device="cpu", waits_for="", pid=1, heartbeat=1.0)
    (run.directory / "status.json").write_text(json.dumps(old))
    assert (run.status().message, run.status().failure, run.status().processes) == (said, None, 1)
