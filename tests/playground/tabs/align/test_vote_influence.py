"""Most decisive votes on the page: named, proved, stopped, found again; models without some; what cannot be is told."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.decisive_votes import FILE
from playground.services.checkpoints import Checkpoints
from playground.services.training_jobs import Jobs
from playground.tabs.align.vote_influence import PROOF, VoteInfluence
from tests.helpers.planted_vote import planted_run


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    place = tmp_path_factory.mktemp("influence")
    checkpoint.save(place / "parent", make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    planted_run(place, "bent", 15)
    planted_run(place, "gone", 15, max_steps=1, eval_interval=1, save_interval=1)
    (place / "gone.jsonl").unlink()
    planted_run(place, "few", 9, max_steps=1, eval_interval=1, save_interval=1)
    planted_run(place, "many", 80, max_steps=1, eval_interval=1, save_interval=1)
    return place


def service(place: Path) -> VoteInfluence:
    return VoteInfluence(Checkpoints(place, torch.device("cpu")), Jobs(place))


def ended(influence: VoteInfluence, name: str) -> dict[str, Any]:
    influence.task.join(60)
    return influence.status(name)


def test_votes_are_asked_the_proof_is_made_and_both_are_found_again(place: Path) -> None:
    influence = service(place)
    (place / "bent" / FILE).unlink(missing_ok=True)
    assert influence.about("bent")["votes"] == 12
    with pytest.raises(ValueError, match="there is no estimate to prove yet"):
        influence.prove("bent")
    influence.estimate("bent", "Who, 90?")
    with pytest.raises(ValueError, match="the votes of bent are being asked"):
        influence.estimate("bent", "Who, 91?")
    status = ended(influence, "bent")
    assert not status["running"] and not status["error"]
    found = status["found"]
    scores = [one["score"] for one in found["influences"]]
    assert found["prompt"] == "Who, 90?" and scores == sorted(scores, reverse=True) and not found["measured"]
    influence.prove("bent")
    assert influence.status("bent")["what"] == PROOF and not influence.status("few")["running"]
    proved = ended(influence, "bent")
    assert not proved["error"]
    assert [one["name"] for one in proved["found"]["measured"]] == [
        *("parent", "all votes", "without the decisive", "without others")
    ]
    assert proved["found"]["measured"][2]["left_out"] == found["decisive"]
    assert service(place).status("bent")["found"] == proved["found"]


def test_a_proof_is_stopped_and_says_so(place: Path) -> None:
    influence = service(place)
    influence.estimate("bent", "Who, 90?")
    ended(influence, "bent")
    influence.prove("bent")
    influence.stop()
    status = ended(influence, "bent")
    assert status["message"] == "stopped" and len(status["found"]["measured"]) < 4


def test_a_proof_says_how_far_it_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    influence = service(place)
    monkeypatch.setattr(influence.work("bent"), "step", lambda: (3, 10))
    said = influence.progress({"running": True, "message": "training again"})
    assert said == "training again: step 3 of 10"


def test_a_model_that_never_saw_some_votes_is_trained(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    influence, begun = service(place), []
    monkeypatch.setattr(influence.jobs, "start", lambda *args: begun.append(args))
    known = [pair.number for pair in influence.work("bent").pairs]
    assert influence.train_without("bent", [known[3], known[1], known[3]]) == "bent-without-1"
    ((name, stage, config),) = begun
    assert (name, stage, config.leave_out) == ("bent-without-1", "dpo", f"{known[1]},{known[3]}")
    before = influence.work("bent").config.to_dict()
    assert config.to_dict() | {"leave_out": ""} == before
    for numbers, sentence in (([], "at least one vote"), (known, "leave some"), ([999], "did not learn from vote 999")):
        with pytest.raises(ValueError, match=sentence):
            influence.train_without("bent", numbers)
    assert len(begun) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "choose a model"),
        ("nobody", "is not there any more"),
        ("parent", "parent was not made by DPO"),
        ("few", "few learned from 7 votes: this is for 10 to 60"),
        ("many", "many learned from 64 votes: this is for 10 to 60"),
        ("gone", "which is not there"),
    ],
)
def test_what_cannot_be_said_is_told(name: str, sentence: str, place: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        service(place).about(name)


def test_votes_that_went_meanwhile_and_prompts_that_are_none_are_told(place: Path) -> None:
    influence, file = service(place), place / "bent.jsonl"
    for prompt, sentence in ((" ", "the prompt is empty"), ("Who? " * 90, "longer than the context of 64 tokens")):
        with pytest.raises(ValueError, match=sentence):
            influence.estimate("bent", prompt)
    kept = file.read_bytes()
    file.unlink()
    try:
        with pytest.raises(ValueError, match="which is not there"):
            influence.estimate("bent", "Who?")
    finally:
        file.write_bytes(kept)


def test_a_model_that_lies_where_nothing_can_be_written_is_refused(place: Path, tmp_path: Path) -> None:
    elsewhere = VoteInfluence(Checkpoints(tmp_path, torch.device("cpu"), [place]), Jobs(tmp_path, [place]))
    with pytest.raises(ValueError, match="bent lies where nothing can be written"):
        elsewhere.about("bent")
