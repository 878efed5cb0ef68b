"""Which models learned from votes that are gone, and the same trainings without these."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from core import checkpoint
from core.checkpoint import Card, read_card
from core.datasets.preference_files import Preference, read_preferences
from core.learned_votes import LearnedVotes
from core.preferences.vote_store import Answer, NewPair, Vote, Votes, as_preferences
from core.stages.registry import REWARD, STAGES, train
from core.training.run_directory import Run
from playground.panels.stage_form.vote_files import EVERYONE, write_votes
from playground.services.training_jobs import Jobs
from playground.services.vote_learners import Learner, learners, train_without_votes
from tests.helpers.planted_vote import FIT, planted_run

QUICK = dict(max_steps=1, eval_interval=1, save_interval=1)


@pytest.fixture
def place(tmp_path: Path, make_model, tokenizer) -> Path:
    checkpoint.save(tmp_path / "parent", make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    return tmp_path


def given_votes(place: Path) -> tuple[Votes, str]:
    """Votes as they are given, of which two say the same, and the file that a training reads of them."""
    votes = Votes(place / "votes.db")
    for number in (*range(15), 14):
        left, right = Answer("  He said.\n", "parent", 1), Answer("To be.", "parent", 2)
        (pair,) = votes.add_pairs([NewPair(f"Who, {number}?", left, right, {}, "label")])
        votes.cast(f"{number}-{pair}", pair, "you", "tie" if number == 3 else ("left", "right")[number % 2], 1)
    return votes, write_votes(votes, EVERYONE, place / "files")


def delete(votes: Votes, some: Sequence[Vote]) -> list[Preference]:
    for vote in some:
        votes.withdraw(f"d{vote.id}", vote.id, "delete")
    return as_preferences(votes.deleted({vote.id for vote in some}))


def learned(place: Path, name: str) -> tuple[list[int], list[int]]:
    """Numbers of the votes that the model learned from, and of those that were held out."""
    found = LearnedVotes(place / name)
    return found.numbers, [number for number in found.texts if number not in found.numbers]


def test_a_model_that_learned_from_a_deleted_vote_is_trained_again_without_it(place, monkeypatch):
    votes, file = given_votes(place)
    run = planted_run(place, "bent", 9, data=file, **QUICK)
    jobs, all_votes = Jobs(place), votes.standing()
    monkeypatch.setattr("core.queue.start_next", lambda directory: [])
    numbers, held_out = learned(place, "bent")
    assert learners(jobs, delete(votes, [all_votes[held_out[0] - 1]])) == []
    gone = delete(votes, [all_votes[numbers[2] - 1], all_votes[numbers[0] - 1]])
    assert learners(jobs, gone) == [Learner("bent", 2, "")]
    assert train_without_votes(jobs, "bent", gone) == "bent-without-1"
    again = Run(place / "bent-without-1")
    assert again.read() == ("dpo", run.read()[1] | {"leave_out": f"{numbers[0]},{numbers[2]}"})
    assert train(again).state == "finished"
    card = read_card(again.directory / "card.json")
    assert (card.parent, card.data["votes left out"]) == ("parent", f"{numbers[0]},{numbers[2]}")
    assert learners(jobs, gone) == [Learner("bent", 2, "")]  # the new one never saw them
    assert train_without_votes(jobs, "bent-without-1", delete(votes, [all_votes[numbers[4] - 1]])) == (
        "bent-without-1-without-1"
    )
    with pytest.raises(ValueError, match="bent-without-1 learned from none of these votes"):
        train_without_votes(jobs, "bent-without-1", gone)


def test_of_votes_that_say_the_same_as_many_are_left_out_as_were_deleted(place):
    votes, file = given_votes(place)
    planted_run(place, "bent", 9, data=file, val_share=0.05, **QUICK)
    *_, first, second = votes.standing()
    found = LearnedVotes(place / "bent")
    assert found.numbers_of(delete(votes, [first])) == [15]
    assert found.numbers_of(delete(votes, [first, second])) == [15, 16]


def test_why_a_model_cannot_be_trained_again_is_told_in_words(place):
    planted_run(place, "bent", 9, **QUICK)
    all_votes = read_preferences(place / "bent.jsonl").pairs
    settings = STAGES[REWARD].config().to_dict() | FIT | QUICK
    settings |= {"parent": str(place / "parent"), "data": str(place / "bent.jsonl")}
    judge = Run.create(place / "judge", REWARD, STAGES[REWARD].config.from_dict(settings).to_dict())
    assert train(judge).state == "finished"
    jobs, one = Jobs(place), all_votes[LearnedVotes(place / "bent").numbers[0] - 1 :][:1]
    assert [(found.name, found.trouble) for found in learners(jobs, one)] == [
        ("judge", "judge was not made by DPO, which alone can leave votes out: train a new one"),
        ("bent", ""),
    ]
    assert "learned from no other votes" in learners(jobs, all_votes)[1].trouble
    (place / "parent").rename(place / "elsewhere")
    assert "bent was made from parent, which is not there any more" in learners(jobs, one)[1].trouble
    with pytest.raises(ValueError, match="is not there any more: restore it from the trash"):
        train_without_votes(jobs, "bent", one)
    (place / "elsewhere").rename(place / "parent")


def test_a_training_on_another_parent_or_on_votes_that_are_not_known_any_more_is_not_the_same(
    place, make_model, tokenizer
):
    planted_run(place, "bent", 9, **QUICK)
    file = place / "bent.jsonl"
    one = read_preferences(file).pairs[LearnedVotes(place / "bent").numbers[0] - 1 :][:1]
    checkpoint.save(place / "other", make_model(std=0.2, block_size=64), tokenizer, Card("sft"))
    (place / "parent" / "model.safetensors").write_bytes((place / "other" / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="parent has changed since bent was made from it"):
        train_without_votes(Jobs(place), "bent", one)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text("\n".join(map(json.dumps, reversed(lines))), encoding="utf-8")
    assert learners(Jobs(place), one) == []
    with pytest.raises(ValueError, match="has changed since"):
        train_without_votes(Jobs(place), "bent", one)
