"""Before and after: the same prompts and seeds for both, wins counted by hand, one at a time, stoppable."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.preference_files import prompt_messages
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import replies
from core.evaluation.preferences import response_kl, reward_scores
from core.generate import Sampling
from core.model import GPT
from core.preferences.agreement import wilson
from core.preferences.vote_store import Answer, NewPair, Votes
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.align import comparison as module
from playground.tabs.align.comparison import AT_ONCE, MOST_TOKENS, Comparison, Question

COUNT = AT_ONCE + 3  # more than are answered at once


@pytest.fixture
def comparison(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Comparison:
    """Of three models that answer, the third of another vocabulary, and of a reward model of the first two."""
    for name, width, stage in (("parent", 32, "sft"), ("child", 16, "dpo")):
        model = make_model(block_size=256, n_embd=width, std=0.05)
        checkpoint.save(tmp_path / name, model, tokenizer, Card(stage, parent="parent"))
    rater = SequenceClassifier.from_language_model(make_model(block_size=256, std=0.2), ["reward"], seed=1)
    checkpoint.save(tmp_path / "rater", rater, tokenizer, Card("reward"))
    other = Tokenizer.train("another text altogether, with other tokens", 270)
    checkpoint.save(tmp_path / "stranger", make_model(block_size=256, vocab_size=270), other, Card("sft"))
    return Comparison(Checkpoints(tmp_path, torch.device("cpu")), Votes(tmp_path / "preferences.db"))


def finished(comparison: Comparison) -> dict:
    comparison.task.join(120)
    return comparison.status(0, 0)


def test_both_answer_the_same_prompts_with_the_same_seeds_and_wins_are_counted(comparison: Comparison) -> None:
    question = Question("parent", "child", "shorter", "rater", COUNT, temperature=1.0, seed=7)
    comparison.start(question)
    status = finished(comparison)
    assert not status["error"] and not status["running"] and status["total"] == COUNT
    prompts = held_out_prompts(COUNT)
    assert [row["prompt"] for row in status["rows"]] == prompts
    sampling = Sampling(max_new_tokens=MOST_TOKENS, temperature=1.0, seed=7)
    models = {side: comparison.checkpoints.load(name) for side, name in (("before", "parent"), ("after", "child"))}
    rater = comparison.checkpoints.load_classifier("rater")
    for side, loaded in models.items():
        expected = [text.strip() for text in replies(loaded.model, loaded.tokenizer, prompts, sampling)]
        assert [row[side] for row in status["rows"]] == expected
        scores = reward_scores(rater.model, loaded.tokenizer, prompts, expected)
        index = ("before", "after").index(side)
        assert [row["scores"][index] for row in status["rows"]] == pytest.approx(scores, abs=1e-4)

    lengths = [(len(row["before"].split()), len(row["after"].split())) for row in status["rows"]]
    assert len(set(lengths)) > 1
    better = sum(row["scores"][1] > row["scores"][0] for row in status["rows"])
    by_reward = status["rates"][1]
    assert by_reward["share"] == pytest.approx(better / COUNT)
    assert (by_reward["low"], by_reward["high"]) == pytest.approx(wilson(better, COUNT))
    verdicts = [row["verdicts"]["rule"] for row in status["rows"]]
    by_rule = status["rates"][0]
    assert by_rule["share"] * COUNT == pytest.approx(verdicts.count("after") + verdicts.count("tie") / 2)
    measured = {name: (before, after) for name, before, after in status["table"]}
    kl = response_kl(
        models["after"].model, models["before"].model, rater.tokenizer, list(map(prompt_messages, prompts)), seed=7
    )
    assert measured["KL from the model before (nats a response)"] == ("0", f"{kl:.1f}")
    assert set(measured) == {
        "mean length (words)",
        "share of answers: is shorter",
        "mean reward score",
        "KL from the model before (nats a response)",
    }


def test_a_model_and_its_copy_tie_everywhere_and_have_not_moved(comparison: Comparison, tmp_path: Path) -> None:
    loaded = comparison.checkpoints.load("parent")
    checkpoint.save(tmp_path / "copy", loaded.model, loaded.tokenizer, Card("dpo"))
    comparison.start(Question("parent", "copy", "question", "rater", 4))
    status = finished(comparison)
    assert all(set(row["verdicts"].values()) == {"tie"} for row in status["rows"])
    assert [rate["share"] for rate in status["rates"][:2]] == [0.5, 0.5]
    assert comparison.task.status()["result"].kl == pytest.approx(0, abs=1e-4)


def test_blind_votes_count_where_they_are_on_these_two(comparison: Comparison) -> None:
    def vote(left: str, right: str, source: str, choice: str) -> None:
        pair = NewPair("Who?", Answer("I.", left), Answer("Thou.", right), {}, source)
        (id,) = comparison.votes.add_pairs([pair])
        comparison.votes.cast(f"{id}", id, "me", choice, 1000)

    vote("parent", "child", "compare", "right")
    vote("child", "parent", "compare", "left")
    vote("child", "parent", "compare", "tie")
    vote("child", "parent", "label", "right")  # not blind
    vote("child", "stranger", "compare", "right")  # not these two
    comparison.start(Question("parent", "child", count=1))
    (voted,) = finished(comparison)["rates"]
    assert (voted["name"], voted["count"], voted["share"]) == ("By blind votes", 3, pytest.approx(2.5 / 3))


def test_only_what_is_new_is_sent(comparison: Comparison) -> None:
    assert comparison.status(0, 0) == {"number": 0, "running": False}
    comparison.start(Question("parent", "child", count=3))
    first = finished(comparison)
    assert [first["number"], first["first"], len(first["rows"])] == [1, 0, 3]
    assert len(comparison.status(1, 2)["rows"]) == 1
    comparison.start(Question("parent", "child", count=2))
    again = finished(comparison)
    assert [again["number"], len(again["rows"])] == [2, 2], "those of the comparison before are not counted on"


def test_one_at_a_time_and_stopped_when_asked(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = module.replies

    def slowly(*args: object) -> list[str]:
        time.sleep(0.3)
        return answered(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "replies", slowly)
    comparison.start(Question("parent", "child", count=200))
    with pytest.raises(ValueError, match="another comparison is going on: stop it first"):
        comparison.start(Question("parent", "child"))
    deadline = time.monotonic() + 60
    while not comparison.status(1, 0)["rows"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    comparison.stop()
    status = finished(comparison)
    assert status["message"] == "stopped" and AT_ONCE <= len(status["rows"]) < 200
    assert status["table"], "what was counted so far is there"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (Question("", "child"), "choose two models that answer"),
        (Question("child", "child"), "two different models"),
        (Question("parent", "child", count=0), "prompts must be between 1 and 500, got 0"),
        (Question("parent", "gone"), "the model gone is not there any more"),
        (Question("parent", "stranger", reward_model="rater"), "rater reads another vocabulary than the models write"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(comparison: Comparison, question: Question, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        comparison.start(question)
    assert not comparison.task.running


def test_models_of_two_vocabularies_are_compared_but_for_their_distance(comparison: Comparison) -> None:
    comparison.start(Question("parent", "stranger", "love", count=2))
    status = finished(comparison)
    assert not status["error"] and len(status["rows"]) == 2
    assert [name for name, *_ in status["table"]] == ["mean length (words)", "share of answers: mentions love"]
