"""Two playgrounds on one workspace, a store that is locked or damaged: defined, and nothing lost."""

import sqlite3
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.atomic_files import remove
from core.checkpoint import Card
from core.preferences import sqlite
from core.preferences.vote_store import Answer, NewPair, Votes
from core.stages.pretrain import PretrainConfig
from core.training.run_directory import Run
from playground.services.services import Services

PAIR = NewPair("To be?", Answer("Ay."), Answer("No."), {}, "label")


@pytest.fixture
def workspace(tmp_path: Path, model, tokenizer) -> Path:
    checkpoint.save(tmp_path / "checkpoints" / "one", model, tokenizer, Card())
    return tmp_path / "checkpoints"


def opened(workspace: Path) -> Services:
    return Services.open(workspace, torch.device("cpu"))


@pytest.mark.fault(
    "two playgrounds share a directory",
    "both show the same, the queue too; one training at a time has a device; votes of both count",
)
def test_two_playgrounds_see_the_same_runs_and_one_of_them_has_the_device(workspace: Path) -> None:
    one, other = opened(workspace), opened(workspace)
    run = Run.create(workspace / "mine", "pretrain", PretrainConfig().to_dict())
    with run.hold("cpu"):
        run.write_status(run.read_status().__class__("running", device="cpu"))
        for services in (one, other):
            active = services.jobs.active()
            assert active is not None and active.name == "mine"
        one.jobs.start("second", "pretrain", PretrainConfig.from_dict({"device": "cpu"}))
        assert other.jobs.status("second").message == "waits: the cpu is held by mine" and not one.jobs.begun
        other.jobs.change_queue("second", "remove")
        assert one.jobs.queue() == []
    assert one.jobs.run("mine").status().state == other.jobs.run("mine").status().state == "interrupted"


def test_votes_of_two_playgrounds_land_in_one_store(workspace: Path) -> None:
    one, other = opened(workspace).preferences, opened(workspace).preferences
    (pair,) = one.add_pairs([PAIR])
    one.cast("a", pair, "ann", "left", 1)
    other.cast("b", pair, "bob", "right", 1)
    assert (
        [vote.annotator for vote in one.standing()] == [vote.annotator for vote in other.standing()] == ["ann", "bob"]
    )


def test_a_model_made_or_removed_by_another_playground_is_noticed(workspace: Path, model, tokenizer) -> None:
    one, other = opened(workspace), opened(workspace)
    checkpoint.save(workspace / "two", model, tokenizer, Card())
    assert set(one.checkpoints.names()) == {"one", "two"}
    one.checkpoints.load("two")
    remove(workspace / "two")
    for services in (one, other):
        with pytest.raises(ValueError, match="two is not there any more"):
            services.checkpoints.load("two")


@pytest.mark.fault(
    "the votes' database is locked",
    "the vote is kept in the page and sent again",
)
def test_a_locked_store_is_a_sentence_and_the_vote_can_be_sent_again(workspace: Path, monkeypatch) -> None:
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 0.2)
    votes = opened(workspace).preferences
    (pair,) = votes.add_pairs([PAIR])
    locker = sqlite3.connect(workspace / "preferences.db", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ValueError, match=r"preferences\.db cannot be written: database is locked"):
        votes.cast("key", pair, "me", "left", 1)
    locker.execute("ROLLBACK")
    votes.cast("key", pair, "me", "left", 1)
    assert len(votes.standing()) == 1


@pytest.mark.fault(
    "the votes' database is damaged",
    "it is kept beside as `preferences.db.damaged-1`, a new one is begun, and the page says so",
)
def test_a_damaged_store_is_kept_aside_and_the_page_is_told(workspace: Path) -> None:
    (workspace / "preferences.db").write_bytes(b"this is no database" * 100)
    services = opened(workspace)
    assert "it is kept as preferences.db.damaged-1, and a new one was begun" in services.preferences.trouble
    assert (workspace / "preferences.db.damaged-1").read_bytes().startswith(b"this is no database")
    services.preferences.add_pairs([PAIR])
    assert not Votes(workspace / "preferences.db").trouble, "it is said once"


@pytest.mark.fault(
    "the directory of models is read-only",
    "it opens; votes are kept in this user's own data directory, and the page says where",
)
def test_a_workspace_that_may_not_be_written_opens_and_votes_are_kept_elsewhere(
    workspace: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != workspace)  # root may write everywhere
    monkeypatch.setattr("playground.services.services.user_data_path", lambda *_, **__: tmp_path / "own")
    before = files(workspace)
    services = opened(workspace)
    services.preferences.add_voted([PAIR], ["left"], "me")
    assert services.checkpoints.names() == ["one"] and services.jobs.active() is None and services.jobs.queue() == []
    assert [entry.name for entry in services.workspace.entries()] == ["one"]
    assert files(workspace) == before and len(opened(workspace).preferences.standing()) == 1
    assert services.preferences.trouble.startswith(f"{workspace} is read-only, so votes are kept in {tmp_path / 'own'}")


HOSTILE = ("../one", "/etc/passwd", "..", "one/../../x", "", "one\0", "ONE:stream", "a" * 300)


def files(directory: Path) -> list[Path]:
    """All but those that SQLite keeps beside its own while it is open."""
    return sorted(path for path in directory.rglob("*") if not path.name.endswith(("-wal", "-shm")))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_that_a_person_or_a_program_gives_leads_out_of_the_workspace(workspace: Path, name: str) -> None:
    services = opened(workspace)
    before = files(workspace.parent)
    config = PretrainConfig.from_dict({"device": "cpu"})
    for act in (
        lambda: services.checkpoints.load(name),
        lambda: services.checkpoints.load_classifier(name),
        lambda: services.checkpoints.writer(name, "float32"),
        lambda: services.checkpoints.load_snapshot(name, 1),
        lambda: services.jobs.run(name),
        lambda: services.jobs.start(name, "pretrain", config),
        lambda: services.jobs.fork(name, "one", 0, config),
        lambda: services.jobs.follow(name, {}),
        lambda: services.jobs.export(name, "csv", workspace),
        lambda: services.vocabularies.load(name),
        lambda: services.vocabularies.start(name, "shakespeare-1mb", 300),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            act()
    assert files(workspace.parent) == before
