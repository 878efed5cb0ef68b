"""Measuring and importing in the background: what is kept, what is refused, what is shown of it."""

import threading
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card, read_card
from core.evaluation import report_card
from core.preferences.vote_store import Answer, NewPair, Votes
from core.workspace import Workspace
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs
from playground.tabs.models.cards import ModelCards
from playground.tabs.models.tasks import ModelTasks


@pytest.fixture
def chores(tmp_path: Path, model, tokenizer) -> ModelTasks:
    checkpoint.save(tmp_path / "base", model, tokenizer, Card("pretrain", report={"bpb/val": 9.0}))
    checkpoint.save(tmp_path / "chat", model, tokenizer, Card("sft", "base"))
    return ModelTasks(Checkpoints(tmp_path, torch.device("cpu")), Jobs(tmp_path))


def ended(chores: ModelTasks) -> dict:
    chores.task.join(60)
    return chores.status()


@pytest.fixture
def quick(monkeypatch) -> list[str]:
    """Measures that take no time; what was measured is noted."""
    noted: list[str] = []

    def measure(what: str, value: float) -> dict[str, float]:
        noted.append(what)
        return {what: value}

    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: measure("bpb/plays", 2.5)["bpb/plays"])
    monkeypatch.setattr(report_card, "evaluate_instructions", lambda *_: measure("follow/all", 0.5))
    return noted


def test_what_was_measured_is_on_the_card_and_not_measured_again(chores: ModelTasks, quick: list[str]) -> None:
    path = chores.checkpoints.directory / "chat" / "card.json"
    chores.measure("chat", anew=False)
    assert ended(chores)["message"] == "2 figures measured"
    card = read_card(path)
    assert card.report == {"bpb/plays": 2.5, "follow/all": 0.5} and card.parent == "base" and len(card.measured) == 2
    chores.measure("chat", anew=False)
    assert "measured already" in ended(chores)["message"] and quick == ["bpb/plays", "follow/all"]
    chores.measure("chat", anew=True)
    ended(chores)
    assert quick == ["bpb/plays", "follow/all"] * 2


def test_who_stops_keeps_what_is_there_and_goes_on_with_the_rest(chores: ModelTasks, quick, monkeypatch) -> None:
    def slow(*_: object) -> dict[str, float]:
        chores.stop()
        return {"follow/all": 0.25}

    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: (chores.stop(), 2.5)[1])
    chores.measure("chat", anew=False)
    assert ended(chores)["message"].startswith("stopped")
    path = chores.checkpoints.directory / "chat" / "card.json"
    assert read_card(path).report == {"bpb/plays": 2.5}
    chores.measure("chat", anew=False)
    ended(chores)
    assert read_card(path).report == {"bpb/plays": 2.5, "follow/all": 0.5}


def test_what_training_measured_on_its_own_text_stays_beside_the_plays(chores: ModelTasks, quick: list[str]) -> None:
    chores.measure("base", anew=False)
    ended(chores)
    assert read_card(chores.checkpoints.directory / "base" / "card.json").report == {"bpb/val": 9.0, "bpb/plays": 2.5}


def test_what_is_being_measured_stays_where_it_is(chores: ModelTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: go_on.wait(30) and 2.5)
    chores.measure("base", anew=False)
    with pytest.raises(ValueError, match="base cannot be moved"):
        chores.refuse_if_on("base")
    chores.refuse_if_on("chat")
    go_on.set()
    ended(chores)
    chores.refuse_if_on("base")


def test_what_cannot_be_done_is_a_sentence(chores: ModelTasks, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not there any more"):
        chores.measure("gone", anew=False)
    with pytest.raises(ValueError, match="cannot be the name"):
        chores.import_model("gpt2", "../gpt2")
    with pytest.raises(ValueError, match="already something called"):
        chores.import_model("gpt2", "base")
    chores.import_model(str(tmp_path / "nothing here"), "new")
    assert "neither a directory nor a model's id" in ended(chores)["error"]


def test_a_directory_of_hugging_faces_becomes_a_model_here(chores: ModelTasks, tmp_path: Path) -> None:
    chores.import_model(str(tmp_path / "base"), "copy")
    assert "was imported as copy" in ended(chores)["message"]
    assert read_card(tmp_path / "copy" / "card.json").stage == "imported"


def test_the_shelf_tells_of_the_family_and_who_won(chores: ModelTasks, tmp_path: Path) -> None:
    votes = Votes(tmp_path / "preferences.db")
    (pair,) = votes.add_pairs([NewPair("p", Answer("x", "base"), Answer("y", "chat"), {}, "arena")])
    votes.cast("key", pair, "me", "right", 1)
    shelf = ModelCards(Workspace(tmp_path), votes)
    (won,) = shelf.details("chat")["wins"]
    assert (won["name"], won["share"], won["count"]) == ("against base", 1.0, 1)
    assert [one["model"] for one in shelf.arena()] == ["chat", "base"]
    edges = {(edge["from"], edge["to"]) for edge in shelf.overview()["tree"]["edges"]}
    assert ("base", "chat") in edges and len(edges) == 2
    rows = {key: (a, b) for key, a, b in shelf.compared("base", "chat")}
    assert rows["stage"] == ("pretrain", "sft") and "n_layer" not in rows
    with pytest.raises(ValueError, match="choose two different models"):
        shelf.compared("base", "base")
