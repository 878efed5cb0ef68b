"""The queue: its order, true reasons, nothing begun twice, and one bad entry is one bad entry."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import queue
from core.atomic_files import write_json
from core.queue_file import FILE
from core.stages.memory_fit import MemoryNeed
from core.stages.ppo import PPOConfig
from core.stages.pretrain import PretrainConfig
from core.stages.reward_model import RewardConfig
from core.training import run_directory
from core.training.run_directory import Run, Status, hold_device

GIB = 2**30
SMALL = dict(n_layer=1, n_head=2, n_embd=16, block_size=16, vocab_size=300, device="cpu")
TOO_MUCH = MemoryNeed(242 * GIB, 24 * GIB, "cpu")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of the processes that would have been started."""
    started: list[list[str]] = []

    def start(arguments: list[str], directory: Path | None, log: Path) -> Any:
        started.append([Path(arguments[1]).name, *arguments[3:]])

    monkeypatch.setattr(queue, "start_detached", start)
    return started


def new_run(place: Path, name: str, **changes: Any) -> Run:
    return Run.create(place / name, "pretrain", PretrainConfig.from_dict(SMALL | changes).to_dict())


def add(place: Path, *names: str) -> list[Run]:
    runs = [new_run(place, name) for name in names]
    for run in runs:
        queue.add(run)
    return runs


@contextmanager
def training(place: Path, name: str, device: str = "cpu") -> Iterator[Run]:
    """A run that has a device."""
    run = new_run(place, name)
    with run.hold(device):
        run.write_status(Status("running", device=device))
        yield run
    run.write_status(Status("finished", device=device))


def told(place: Path) -> list[tuple[str, str]]:
    return [(entry.name, reason.sentence()) for entry, reason in queue.waiting(place)]


def order(place: Path) -> list[str]:
    return [name for name, _ in told(place)]


def damage(checkpoints: Path, at: int, **values: Any) -> None:
    """Write other values into an entry of the file."""
    content = json.loads((checkpoints / FILE).read_text(encoding="utf-8"))
    content["entries"][at] |= values
    write_json(checkpoints / FILE, content)


# --- the order ------------------------------------------------------------------------------------------------


def test_who_waits_says_for_what_and_the_first_is_begun_when_the_device_is_free(tmp_path: Path, begun: list) -> None:
    with training(tmp_path, "first"):
        add(tmp_path, "a", "b")
        assert told(tmp_path) == [("a", "the cpu is held by first"), ("b", "after a, which comes before it")]
        assert queue.start_next(tmp_path) == [] == begun
    assert [found.run.name for found in queue.start_next(tmp_path)] == ["a"]
    assert Run(tmp_path / "a").status().state == "created" and Run(tmp_path / "a").status().device == "cpu"
    assert told(tmp_path) == [("b", "the cpu is held by a")]
    assert queue.start_next(tmp_path) == [] and begun == [
        ["a", "--anyway"]
    ]  # it was counted when it was added: it fits


def test_who_waits_is_not_begun_beside_a_comparison_of_methods(tmp_path: Path, begun: list) -> None:
    with hold_device(tmp_path, "cpu"):
        add(tmp_path, "a")
        assert told(tmp_path) == [("a", "the cpu is held by a comparison of methods")]
        assert queue.start_next(tmp_path) == [] == begun
    assert [found.run.name for found in queue.start_next(tmp_path)] == ["a"]


def test_the_order_is_changed_and_what_cannot_move_further_stays(tmp_path: Path) -> None:
    with training(tmp_path, "first"):
        add(tmp_path, "a", "b", "c")
        queue.move(tmp_path, "c", -1)
        assert order(tmp_path) == ["a", "c", "b"]
        queue.move(tmp_path, "a", 1)
        assert order(tmp_path) == ["c", "a", "b"]
        for name, by in (("c", -1), ("b", 1)):
            queue.move(tmp_path, name, by)
        assert order(tmp_path) == ["c", "a", "b"]
        with pytest.raises(ValueError, match="first is not in the queue"):
            queue.move(tmp_path, "first", 1)


def test_what_is_removed_is_stopped_and_its_name_is_free_again(tmp_path: Path, begun: list) -> None:
    a, b = add(tmp_path, "a", "b")
    queue.remove(tmp_path, "a")
    assert (a.status().state, a.status().message) == ("stopped", "taken out of the queue; it can be resumed")
    queue.start_next(tmp_path)
    assert begun == [["b", "--anyway"]] and not queue.waiting(tmp_path)
    new_run(tmp_path, "a")
    with pytest.raises(ValueError, match="b is not in the queue"):
        queue.remove(tmp_path, "b")
    assert b.status().state == "created"


def test_nothing_waits_twice_nor_while_it_is_trained_nor_when_it_is_finished(tmp_path: Path) -> None:
    (a,) = add(tmp_path, "a")
    with pytest.raises(ValueError, match="a is in the queue already"):
        queue.add(a)
    with training(tmp_path, "b") as b, pytest.raises(ValueError, match="b is being trained already"):
        queue.add(b)
    with pytest.raises(ValueError, match="b is finished: there is nothing left to train"):
        queue.add(b)
    assert order(tmp_path) == ["a"]


def test_what_waits_for_another_device_is_begun_beside_the_first(tmp_path: Path, begun: list, monkeypatch) -> None:
    monkeypatch.setattr(queue, "device_of", lambda run: run.name.split("-")[0])
    with training(tmp_path, "first", "cuda"):
        add(tmp_path, "cuda-1", "cpu-1", "cpu-2")
        queue.start_next(tmp_path)
        assert begun == [["cpu-1", "--anyway"]]
        assert told(tmp_path) == [("cuda-1", "the cuda is held by first"), ("cpu-2", "the cpu is held by cpu-1")]


# --- models that are still to be made -------------------------------------------------------------------------


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """PPO with the model of a reward training that has not begun; what they need is not known before."""
    monkeypatch.setattr(queue, "known_need", lambda stage, config: None)
    reward = Run.create(tmp_path / "reward-1", "reward", RewardConfig.from_dict({"device": "cpu"}).to_dict())
    queue.add(reward)
    config = PPOConfig.from_dict({"reward_model": str(reward.directory), "device": "cpu"})
    policy = Run.create(tmp_path / "ppo-1", "ppo", config.to_dict())
    queue.add(policy)
    return reward, policy


def test_ppo_waits_for_its_reward_model_and_begins_when_that_is_finished(tmp_path, chain, begun) -> None:
    reward, _ = chain
    queue.move(tmp_path, "ppo-1", -1)  # the order does not undo what it needs
    assert told(tmp_path) == [("ppo-1", "after reward-1, whose model it needs"), ("reward-1", "it begins now")]
    queue.start_next(tmp_path)
    assert told(tmp_path) == [("ppo-1", "after reward-1, whose model it needs")]
    reward.write_status(Status("finished"))
    queue.start_next(tmp_path)
    assert begun == [["reward-1"], ["ppo-1"]]  # the memory is counted by the process, which finds the models


@pytest.mark.parametrize(
    ("state", "how"), [("failed", "failed"), ("stopped", "was stopped"), ("interrupted", "was interrupted")]
)
def test_if_the_model_is_not_finished_who_needs_it_asks_and_the_others_go_on(tmp_path, chain, begun, state, how):
    reward, policy = chain
    queue.start_next(tmp_path)
    reward.write_status(Status("running" if state == "interrupted" else state))
    add(tmp_path, "other")
    begun.clear()
    queue.start_next(tmp_path)
    assert begun == [["other"]]
    (waits,) = queue.waiting(tmp_path)
    sentence = f"reward-1, whose model it needs, {how}: resume that one, or start this one anyway"
    assert (waits.entry.name, waits.reason.sentence(), waits.reason.asks) == ("ppo-1", sentence, True)
    Run(tmp_path / "other").write_status(Status("finished"))
    queue.start_anyway(tmp_path, "ppo-1")
    queue.start_next(tmp_path)
    assert begun[1:] == [["ppo-1", "--anyway"]] and policy.status().state == "created"


def test_a_model_that_is_gone_is_asked_about_and_one_that_is_resumed_is_waited_for(tmp_path, chain) -> None:
    reward, _ = chain
    queue.remove(tmp_path, "reward-1")
    assert "was stopped" in told(tmp_path)[0][1]
    queue.add(reward)
    assert told(tmp_path)[0] == ("ppo-1", "after reward-1, whose model it needs")
    reward.directory.rename(tmp_path / "elsewhere")
    assert told(tmp_path)[0][1].startswith("reward-1, whose model it needs, is not there any more: ")


# --- memory ---------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_asked_about_and_an_answer_lets_it_begin(tmp_path: Path, begun: list, monkeypatch) -> None:
    run = new_run(tmp_path, "large")
    monkeypatch.setattr(queue, "known_need", lambda stage, config: TOO_MUCH)
    queue.add(run)
    add(tmp_path, "larger")
    assert told(tmp_path)[0] == ("large", "it needs 242 GB of 24 GB on the cpu: fit it, or start it anyway")
    assert queue.waiting(tmp_path)[0].reason.asks and queue.start_next(tmp_path) == []
    queue.start_anyway(tmp_path, "large")
    queue.start_next(tmp_path)
    assert begun == [["large", "--anyway"]]

    def fits(stage: Any, config: Any) -> MemoryNeed:
        return replace(TOO_MUCH, needs=GIB if config.fit.micro_batch_size == 1 else 242 * GIB)

    monkeypatch.setattr(queue, "known_need", fits)
    monkeypatch.setattr(queue, "fitted_here", lambda stage, config: replace(config.fit, micro_batch_size=1))
    queue.fit(tmp_path, "larger")
    assert Run(tmp_path / "larger").read()[1]["micro_batch_size"] == 1
    assert told(tmp_path) == [("larger", "the cpu is held by large")]


# --- whatever happens -----------------------------------------------------------------------------------------


def test_of_many_that_begin_what_waits_at_once_each_run_is_begun_by_one(tmp_path: Path, begun: list) -> None:
    add(tmp_path, "a", "b")
    together = threading.Barrier(8)

    def go_on() -> None:
        together.wait()
        queue.start_next(tmp_path)

    threads = [threading.Thread(target=go_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == [["a", "--anyway"]]
    assert not queue.claim(Run(tmp_path / "a")) and queue.claim(Run(tmp_path / "b"))
    assert Run(tmp_path / "b").status().state == "created" and not queue.waiting(tmp_path)


@pytest.mark.fault(
    "the machine is restarted",
    "what waits in the queue still waits, and begins when the playground or `python -m core queue` is "
    "started; what trained can be resumed",
)
def test_the_queue_is_there_after_the_machine_was_started_again(tmp_path: Path, begun: list, monkeypatch) -> None:
    with training(tmp_path, "first") as first:
        add(tmp_path, "a", "b")
        queue.move(tmp_path, "b", -1)
    first.write_status(Status("running", device="cpu"))  # its process is gone
    real = run_directory.time.time
    monkeypatch.setattr(run_directory.time, "time", lambda: real() + 86_400)
    assert first.status().state == "interrupted"
    queue.start_next(tmp_path)
    assert begun == [["b", "--anyway"]] and order(tmp_path) == ["a"]


@pytest.mark.fault(
    "an entry of the queue is damaged",
    "its run asks what to do with it, and the others go on",
)
@pytest.mark.parametrize("values", [{"after": 7}, {"after": [7]}, {"place": 3}, {"need": {"needs": "much"}}])
def test_a_bad_entry_asks_and_the_others_go_on(tmp_path: Path, begun: list, values: dict[str, Any]) -> None:
    add(tmp_path, "a", "b", "c")
    damage(tmp_path, 0, **values)
    (tmp_path / "b" / "run.json").write_text("{", encoding="utf-8")
    found = queue.waiting(tmp_path)
    assert [(entry.name, reason.kind) for entry, reason in found] == [
        ("a", "damaged"),
        ("b", "damaged"),
        ("c", "begins"),
    ]
    assert found[0].reason.sentence() == "its entry in the queue is damaged: start it anyway, or remove it"
    queue.start_next(tmp_path)
    assert begun == [["c", "--anyway"]] and order(tmp_path) == ["a", "b"]
    queue.remove(tmp_path, "b")
    Run(tmp_path / "c").write_status(Status("finished"))
    queue.start_anyway(tmp_path, "a")
    queue.start_next(tmp_path)
    assert begun[1:] == [["a", "--anyway"]]


@pytest.mark.fault(
    "the queue's file is lost",
    "the runs are there, and each asks before it begins",
)
@pytest.mark.parametrize("content", ["", "{", "[]", '{"entries": 3}', '{"entries": [3, {}, {"name": 3}]}', "[" * 9999])
def test_if_the_file_is_lost_the_runs_are_not_but_nobody_begins_them_unasked(tmp_path, begun, content) -> None:
    add(tmp_path, "b", "a")
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    assert order(tmp_path) == ["b", "a"]
    assert {why for _, why in told(tmp_path)} == {"its place in the queue was lost: start it anyway, or remove it"}
    assert queue.start_next(tmp_path) == []
    queue.move(tmp_path, "a", -1)
    queue.start_anyway(tmp_path, "a")
    queue.start_next(tmp_path)
    assert begun == [["a", "--anyway"]] and order(tmp_path) == ["b"]


def test_a_process_that_cannot_be_started_is_taken_out_and_says_so(tmp_path: Path, monkeypatch) -> None:
    (a,) = add(tmp_path, "a")
    damage(tmp_path, 0, place=str(tmp_path / "absent"))
    assert queue.start_next(tmp_path) == [] == queue.waiting(tmp_path)
    assert a.status().state == "stopped" and "could not be started" in a.status().message
