"""A rule that votes in the background says how far it is, and what went wrong."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.model import GPT
from core.preferences.rule_annotators import RULES, prefer
from core.preferences.vote_store import Votes
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.label.rule_annotator import RuleVoting


@pytest.fixture
def voting(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> RuleVoting:
    for name, block_size in (("roomy", 512), ("narrow", 16)):
        model = make_model(block_size=block_size, std=0.02)
        checkpoint.save(tmp_path / name, model, tokenizer, Card(stage="sft"))
    return RuleVoting(Checkpoints(tmp_path, torch.device("cpu")), Votes(tmp_path / "preferences.db"))


def ended(voting: RuleVoting) -> dict[str, Any]:
    voting.task.join(60)
    return voting.status()


def test_a_rule_gives_as_many_votes_as_asked_for_and_each_as_it_prefers(voting: RuleVoting):
    voting.start("roomy", "shorter", 30)
    status = ended(voting)
    assert (status["running"], status["message"]) == (False, "30 of 30 votes given")
    votes = voting.votes.standing()
    assert len(votes) == 30 and {vote.pair.source for vote in votes} == {"rule"}
    assert all(vote.choice == prefer(RULES["shorter"], vote.pair.left.text, vote.pair.right.text) for vote in votes)
    assert {vote.choice for vote in votes} == {"left", "right"}


def test_a_rule_can_be_stopped_and_only_one_votes_at_a_time(voting: RuleVoting):
    voting.start("roomy", "shorter", 5000)
    with pytest.raises(ValueError, match="a rule is voting already"):
        voting.start("roomy", "shorter", 10)
    end = time.monotonic() + 60
    while not voting.status()["done"] and time.monotonic() < end:
        time.sleep(0.02)
    voting.stop()
    status = ended(voting)
    assert not status["error"], status
    assert status["message"] == f"stopped after {status['done']:,} votes, which are kept"
    assert 0 < len(voting.votes.standing()) == status["done"] < 5000


@pytest.mark.parametrize(
    ("model", "rule", "count", "sentence"),
    [
        (None, "shorter", 10, "no model here answers yet"),
        ("gone", "shorter", 10, "the model gone is not there any more"),
        ("roomy", "taller", 10, "rule must be one of"),
        ("roomy", "shorter", 0, "votes must be between 1 and 5,000, got 0"),
    ],
)
def test_what_cannot_be_begun_is_refused(voting: RuleVoting, model: str | None, rule: str, count: int, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        voting.start(model, rule, count)


def test_what_goes_wrong_later_is_said(voting: RuleVoting):
    voting.start("narrow", "shorter", 10)
    assert "leaves no room for an answer" in ended(voting)["error"]
