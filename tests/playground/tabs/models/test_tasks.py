"""Measuring and importing in the background: what is kept, what is refused, what is shown of it."""

import json
import threading
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card, read_card
from core.evaluation import report_card
from core.model_card import model_card
from core.preferences.agreement import wilson
from core.preferences.vote_store import Answer, NewPair, Votes
from core.workspace import Workspace
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs
from playground.tabs.models.cards import ModelCards
from playground.tabs.models.tasks import ModelTasks
from tests.helpers.gpt2 import change_tensors


@pytest.fixture
def tasks(tmp_path: Path, model, tokenizer) -> ModelTasks:
    checkpoint.save(tmp_path / "base", model, tokenizer, Card("pretrain", report={"bpb/val": 9.0}))
    checkpoint.save(tmp_path / "chat", model, tokenizer, Card("sft", "base"))
    return ModelTasks(Checkpoints(tmp_path, torch.device("cpu")), Jobs(tmp_path))


def ended(tasks: ModelTasks) -> dict:
    tasks.task.join(60)
    return tasks.status()


@pytest.fixture
def quick(monkeypatch) -> list[str]:
    """Measures that take no time; what was measured is noted."""
    noted: list[str] = []

    def measure(what: str, value: float) -> dict[str, float]:
        noted.append(what)
        return {what: value}

    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: measure("bpb/plays", 2.5)["bpb/plays"])
    monkeypatch.setattr(report_card, "evaluate_instructions", lambda *_: measure("follow/all", 0.5))
    monkeypatch.setattr(report_card, "copied", lambda *_: measure("copied/1", 0.25))
    return noted


def test_what_was_measured_is_on_the_card_and_not_measured_again(tasks: ModelTasks, quick: list[str]) -> None:
    path = tasks.checkpoints.directory / "chat" / "card.json"
    tasks.measure("chat", anew=False)
    assert ended(tasks)["message"] == "3 figures measured"
    card = read_card(path)
    assert card.report == {"bpb/plays": 2.5, "follow/all": 0.5, "copied/1": 0.25}
    assert card.parent == "base" and len(card.measured) == 3
    tasks.measure("chat", anew=False)
    all_of_it = ["bpb/plays", "follow/all", "copied/1"]
    assert "everything has been measured already" in ended(tasks)["message"] and quick == all_of_it
    tasks.measure("chat", anew=True)
    ended(tasks)
    assert quick == all_of_it * 2


def test_who_stops_keeps_what_is_there_and_goes_on_with_the_rest(tasks: ModelTasks, quick, monkeypatch) -> None:
    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: (tasks.stop(), 2.5)[1])
    tasks.measure("chat", anew=False)
    assert ended(tasks)["message"].startswith("stopped")
    path = tasks.checkpoints.directory / "chat" / "card.json"
    assert read_card(path).report == {"bpb/plays": 2.5}
    tasks.measure("chat", anew=False)
    ended(tasks)
    assert read_card(path).report == {"bpb/plays": 2.5, "follow/all": 0.5, "copied/1": 0.25}


def test_what_training_measured_on_its_own_text_stays_beside_the_plays(tasks: ModelTasks, quick: list[str]) -> None:
    tasks.measure("base", anew=False)
    ended(tasks)
    report = read_card(tasks.checkpoints.directory / "base" / "card.json").report
    assert report == {"bpb/val": 9.0, "bpb/plays": 2.5, "copied/1": 0.25}


def test_what_is_being_measured_stays_where_it_is(tasks: ModelTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(report_card, "bits_per_byte", lambda *_: go_on.wait(30) and 2.5)
    tasks.measure("base", anew=False)
    with pytest.raises(ValueError, match="base cannot be moved"):
        tasks.refuse_if_on("base")
    tasks.refuse_if_on("chat")
    go_on.set()
    ended(tasks)
    tasks.refuse_if_on("base")


def test_what_cannot_be_done_is_a_sentence(tasks: ModelTasks, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not there any more"):
        tasks.measure("gone", anew=False)
    with pytest.raises(ValueError, match="cannot be the name"):
        tasks.import_model("gpt2", "../gpt2")
    with pytest.raises(ValueError, match="already something called"):
        tasks.import_model("gpt2", "base")
    for source, name, wrong in ((" ", "new", "the source is empty"), ("gpt2", "", "the name is empty")):
        with pytest.raises(ValueError, match=wrong):
            tasks.import_model(source, name)
    tasks.import_model(str(tmp_path / "nothing here"), "new")
    assert "neither a path here nor a model's id" in ended(tasks)["error"]


def test_a_directory_of_hugging_faces_becomes_a_model_here(tasks: ModelTasks, tmp_path: Path) -> None:
    change_tensors(
        tmp_path / "base" / "model.safetensors", lambda tensors: tensors.update({"v_head.bias": torch.ones(1)})
    )
    tasks.import_model(str(tmp_path / "base"), "copy")
    assert (
        "imported; it is under All models. left out: 1 tensor of another head (v_head.bias)" in ended(tasks)["message"]
    )
    assert (tasks.status()["what"], tasks.status()["name"]) == ("import", "copy")
    family = ModelCards(Workspace(tmp_path), Votes(tmp_path / "preferences.db")).overview()["tree"]
    (source,) = [node for node in family["nodes"] if node["kind"] == "elsewhere"]
    assert source["name"] == "base" and {"from": source["id"], "to": "copy", "role": "parent"} in family["edges"]
    assert read_card(tmp_path / "copy" / "card.json").stage == "imported"


def test_the_cards_tell_of_the_family_and_who_won(tasks: ModelTasks, tmp_path: Path) -> None:
    votes = Votes(tmp_path / "preferences.db")
    (pair,) = votes.add_pairs([NewPair("p", Answer("x", "base"), Answer("y", "chat"), {}, "arena")])
    votes.cast("key", pair, "me", "right", 1)
    cards = ModelCards(Workspace(tmp_path), votes)
    (won,) = cards.details("chat")["wins"]
    assert (won["name"], won["share"], won["count"], won["of"]) == ("against base", 1.0, 1, "votes")
    ranking = cards.arena()
    assert [one["model"] for one in ranking["standings"]] == ["chat", "base"]
    assert ranking["matrix"] == [[(0, 0), (1, 0)], [(0, 0), (0, 0)]]
    edges = {(edge["from"], edge["to"]) for edge in cards.overview()["tree"]["edges"]}
    assert ("base", "chat") in edges and len(edges) == 2
    rows = {key: (a, b) for key, a, b in cards.compare("base", "chat")}
    assert rows["stage"] == ("pretrain", "sft") and "n_layer" not in rows
    with pytest.raises(ValueError, match="choose two different models"):
        cards.compare("base", "base")


def test_models_of_a_kind_are_compared_by_one_figure_and_what_cannot_be_read_says_nothing_of_its_making(
    tasks: ModelTasks, tmp_path: Path, model, tokenizer
) -> None:
    measured = {"loss/val": 3.2, "accuracy/val": 0.9, "follow/all": 0.77, "calibration/val": 0.1}
    checkpoint.save(tmp_path / "chat", model, tokenizer, Card("sft", "base", report=measured))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    cards = ModelCards(Workspace(tmp_path), Votes(tmp_path / "preferences.db"))
    figures = {card["name"]: card["figure"] for card in cards.overview()["cards"]}
    assert (figures["chat"]["value"], figures["chat"]["name"]) == (0.77, "instructions followed")
    assert (figures["base"]["value"], figures["base"]["name"]) == (9.0, "bits per byte (own text)")
    assert figures["broken"] is None and not dict(cards.details("broken")["facts"])
    assert "calibration error on held-out votes" in [one["name"] for one in cards.details("chat")["report"]]


def test_a_share_on_a_card_comes_with_its_interval_and_on_how_many_cases_it_was_counted(
    tasks: ModelTasks, tmp_path: Path, model, tokenizer
) -> None:
    report = {"follow/all": 0.61, "n/instructions": 574, "follow/lines": 0.5, "n/instructions/lines": 8, "context": 0.7}
    report |= {"loss/val": 3.25, "n/conversations": 60}
    checkpoint.save(tmp_path / "chat", model, tokenizer, Card("sft", "base", report=report))
    plays = {"accuracy/val": 0.625, "n/plays": 6, "accuracy/test": 0.5, "n/texts/test": 20}
    checkpoint.save(tmp_path / "genres", model, tokenizer, Card("classify", "base", report=plays))
    votes = {"accuracy/val": 0.75, "n/votes": 90, "n/prompts": 40}
    checkpoint.save(tmp_path / "bent", model, tokenizer, Card("dpo", "chat", report=votes))
    cards = ModelCards(Workspace(tmp_path), Votes(tmp_path / "preferences.db"))
    shown = {one["key"]: one for one in cards.details("chat")["report"]}
    assert shown.keys() == {"follow/all", "follow/lines", "context", "loss/val", "n/conversations"}
    low, high = wilson(0.61 * 574, 574)
    assert shown["follow/all"].items() >= {"count": 574, "of": "instructions", "low": low, "high": high}.items()
    assert shown["follow/lines"]["count"] == 8 and (shown["context"]["count"], shown["loss/val"]["count"]) == (0, 0)
    told = {name: model_card(tmp_path / name) for name in ("chat", "genres", "bent")}
    assert "| 61 % (95 % interval 57 to 65 %, n = 574 instructions) |" in told["chat"]
    assert "| 70 % (n not noted) |" in told["chat"] and "| 3.25 |" in told["chat"]
    assert "| 62 % (n = 6 plays) |" in told["genres"], "the texts of a play are alike, and plays are too few"
    assert "| 50 % (95 % interval 30 to 70 %, n = 20 texts) |" in told["genres"]
    assert "n = 40 prompts) |" in told["bent"] and "| measured on so many votes | 90 |" in told["bent"]


def test_a_note_is_kept_on_the_card_and_what_it_wrote_last_is_shown(tasks: ModelTasks, tmp_path: Path) -> None:
    lines = [{"step": n, "prompt": "Who? ", "text": text} for n, text in enumerate(("I.", "Thou.", "Thou."))]
    (tmp_path / "chat" / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    library = Workspace(tmp_path)
    cards = ModelCards(library, Votes(tmp_path / "preferences.db"))
    library.write_note("chat", "Asks *questions*.")
    found = cards.details("chat")
    assert (found["note"], found["samples"]) == ("Asks *questions*.", ["Who? Thou.", "Who? I."])
    assert read_card(tmp_path / "chat" / "card.json").parent == "base"
    assert "## Notes\n\nAsks *questions*." in model_card(tmp_path / "chat")
    with pytest.raises(ValueError, match="read-only"):
        Workspace(tmp_path / "own", (tmp_path,)).write_note("chat", "no")


def test_an_upload_that_cannot_be_leaves_a_sentence_and_the_token_nowhere(tasks: ModelTasks, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    tasks.upload("chat", "me/chat", "", "mit", private=True)
    assert ended(tasks)["error"].startswith("no token: set HF_TOKEN")
    tasks.upload("chat", "chat", "hf_secret", "mit", private=True)
    assert "is no model's id" in ended(tasks)["error"] and "hf_secret" not in str(tasks.status())
    with pytest.raises(ValueError, match="is not there any more"):
        tasks.upload("gone", "me/gone", "hf_secret", "mit", private=True)
