"""Checkpoints tended: what is there, renamed, thrown away and brought back, and never outside their directory."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from core import checkpoint
from core.atomic_files import size_of
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.huggingface import REWARD
from core.preferences.arena import results
from core.preferences.vote_store import Answer, NewPair, Votes
from core.training.run_directory import QUEUED, Run, Status
from core.workspace import Workspace, differences

HOSTILE = ("../escape", "a/b", "..", "", ".hidden", "a" * 65, "CON~1", "a\0b")


@pytest.fixture
def library(tmp_path, model, tokenizer) -> Workspace:
    """A family: a vocabulary, base, its child chat, a reward model, and a checkpoint that is broken."""
    tokenizer.save(tmp_path / "words")
    checkpoint.save(tmp_path / "base", model, tokenizer, Card("pretrain"))
    settings = {"parent": str(tmp_path / "base"), "max_steps": 3}
    checkpoint.save(tmp_path / "chat", model, tokenizer, Card("sft", "base", config=settings))
    judge = SequenceClassifier(model.config, [REWARD])
    checkpoint.save(tmp_path / "judge", judge, tokenizer, Card("reward", "chat", config={"parent": "elsewhere/base"}))
    checkpoint.save(tmp_path / "bent", model, tokenizer, Card("ppo", "chat", data={"reward_model": "judge"}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    return Workspace(tmp_path)


def names(library: Workspace) -> list[str]:
    return sorted(entry.name for entry in library.entries())


def test_each_directory_is_shown_for_what_it_is(library, model):
    found = {entry.name: entry for entry in library.entries()}
    kinds = {name: entry.kind for name, entry in found.items()}
    assert kinds == {
        **{"words": "vocabulary", "base": "language model", "chat": "chat model"},
        **{"judge": "reward model", "bent": "chat model", "broken": "broken"},
    }
    assert "missing" in found["broken"].trouble
    # one file holds what the model has, but for the rows that only pad the vocabulary
    padding = (model.config.padded_vocab_size - model.config.vocab_size) * model.config.n_embd
    assert found["base"].weights == sum(p.numel() for p in model.parameters()) - padding
    size = sum(file.stat().st_size for file in (library.directory / "base").iterdir())
    assert found["base"].size == size
    assert found["bent"].parents == {"parent": "chat", "reward model": "judge"}


def test_a_new_name_is_known_to_the_children(library):
    library.rename("base", "bard")
    assert checkpoint.load(library.directory / "bard")
    card = checkpoint.read_card(library.directory / "chat" / "card.json")
    assert card.parent == "bard" and card.config["parent"] == str(library.directory / "bard")
    assert checkpoint.read_card(library.directory / "judge" / "card.json").config["parent"] == "elsewhere/base"
    library.rename("judge", "Judge")  # only the case
    assert checkpoint.read_card(library.directory / "bent" / "card.json").data["reward_model"] == "Judge"


def test_votes_on_its_answers_follow_a_model_to_its_new_name(library):
    votes = Votes(library.directory / "preferences.db")
    votes.add_voted([NewPair("p", Answer("x", "base"), Answer("y", "chat"), {}, "arena")], ["left"], "me")
    library.rename("base", "bard")
    assert results(votes.standing()) == [("bard", "chat", 1.0)]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_directory(library, name):
    before = names(library)
    for act in (lambda: library.rename("base", name), lambda: library.throw_away(name), lambda: library.path(name)):
        with pytest.raises(ValueError, match=r"cannot be the name|has that name|give the run a name"):
            act()
    with pytest.raises(ValueError, match="not in the trash"):
        library.restore(name)
    assert names(library) == before


def test_a_taken_name_is_refused_whatever_its_case(library):
    for new in ("chat", "CHAT"):
        with pytest.raises(ValueError, match="there is already something called"):
            library.rename("base", new)


def test_what_is_thrown_away_can_be_brought_back_until_the_trash_is_emptied(library):
    whole = library.disk()["used"]
    thrown = library.throw_away("base")
    assert "base" not in names(library) and [(one.id, one.name) for one in library.thrown_away()] == [(thrown, "base")]
    assert library.thrown_away()[0].size == library.disk()["trash"] > 0
    assert sum(list(library.disk().values())[:2]) == pytest.approx(whole, rel=0.1)
    (library.directory / "base").mkdir()
    with pytest.raises(ValueError, match="there is already something called base: rename that first"):
        library.restore(thrown)
    (library.directory / "base").rmdir()
    assert library.restore(thrown) == "base" and checkpoint.load(library.directory / "base")
    library.throw_away("base")
    assert library.empty_trash() > 0 and library.thrown_away() == [] and library.disk()["trash"] == 0


def test_name_and_time_in_the_trash_are_data(library):
    """And what an older version threw away, which wrote them into the directory's name alone, can be brought back."""
    before = time.time()
    first = library.throw_away("base")
    (library.trash / first).rename(library.trash / "renamed-by-hand")
    (old,) = library.thrown_away()
    assert (old.id, old.name) == ("renamed-by-hand", "base") and before <= old.time <= time.time()
    shutil.copytree(library.directory / "chat", library.trash / "of-old~20250101-120000")
    assert {one.name for one in library.thrown_away()} == {"base", "of-old"}
    assert library.restore("of-old~20250101-120000") == "of-old" and library.restore(old.id) == "base"
    assert not (library.directory / "base" / "thrown.json").exists()


def test_what_a_training_uses_stays_where_it_is(library):
    run = Run.create(library.directory / "learner", "sft", {"parent": str(library.directory / "base")})
    run.reserve()
    try:
        for act in (lambda: library.throw_away("base"), lambda: library.rename("base", "other")):
            with pytest.raises(ValueError, match="learner is learning from it"):
                act()
        with pytest.raises(ValueError, match="it is being trained"):
            library.throw_away("learner")
        library.throw_away("judge")
    finally:
        run.release()
    run.write_status(Status(QUEUED))
    for name, why in (("base", "learner waits in the queue to learn from it"), ("learner", "it waits in the queue")):
        with pytest.raises(ValueError, match=f"{why}: take that out of the queue first"):
            library.throw_away(name)


def test_differences_are_what_differs():
    assert differences({"a": 1, "b": 2, "d": 4}, {"a": 1, "b": 3, "c": 4}) == [
        ("b", 2, 3),
        ("d", 4, None),
        ("c", None, 4),
    ]


WRONG = {"evil": 1, "stage": 7, "parent": ["a"], "step": "many", "config": [1], "data": "x", "report": [], "created": 5}


@pytest.mark.parametrize("name", WRONG)
def test_a_hostile_card_is_a_reason_and_hides_no_other(library, name):
    there = names(library)
    (library.directory / "base" / "card.json").write_text(json.dumps({"stage": "<b>"} | {name: WRONG[name]}))
    assert names(library) == there
    assert "no card of ours" in library.entry("base").trouble


def test_what_is_left_half_written_is_counted_apart(library):
    before = library.disk()
    path = library.directory / ".half.1-0.tmp"
    path.write_bytes(b"x" * 5000)
    assert library.disk()["left_over"] == 0, "it may be being written just now"
    os.utime(path, (1e9, 1e9))
    assert library.disk()["left_over"] == 5000 and library.disk()["used"] == before["used"]
    library.tidy()
    assert library.disk()["left_over"] == 0 and not path.exists()


def test_what_vanishes_while_it_is_counted_counts_nothing(library, monkeypatch):
    gone = library.directory / "base"
    whole, listed = size_of(library.directory), Path.iterdir

    def iterdir(path: Path):
        if path == gone:
            raise FileNotFoundError(path)
        return listed(path)

    size = size_of(gone)
    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert size_of(library.directory) == whole - size and "base" not in [entry.name for entry in library.entries()]
