"""Answers in the background: what the page is told, and that none is lost or goes on for ever."""

import time

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.conversation import Conversation, Message, generate_reply
from core.generate import Sampling
from playground.services import answer_stream
from playground.services.answer_stream import AnswerStream, GenerationRequest
from playground.services.checkpoints import Checkpoints

ASKED = Conversation((Message("user", "To be, or not"),), answers=False)


@pytest.fixture
def answers(tmp_path, make_model, tokenizer) -> AnswerStream:
    checkpoint.save(tmp_path / "one", make_model(block_size=64), tokenizer, Card())
    return AnswerStream(Checkpoints(tmp_path, torch.device("cpu")))


def request(tokens: int, **changes) -> GenerationRequest:
    return GenerationRequest("one", ASKED, Sampling(max_new_tokens=tokens, seed=3), **changes)


def until_ended(answers: AnswerStream, name: str) -> tuple[list, dict]:
    """All tokens, asked for bit by bit, and the last that was told."""
    tokens: list = []
    for _ in range(100):
        news = answers.more({name: len(tokens)})[name]
        assert news is not None
        tokens += news["tokens"]
        if news["state"] != "writing":
            return tokens, news
    raise AssertionError("it does not end")


def test_the_page_gets_each_token_of_the_answer_once(answers: AnswerStream) -> None:
    tokens, last = until_ended(answers, answers.begin(request(30)))
    loaded = answers.checkpoints.load("one")
    expected = list(generate_reply(loaded.model, loaded.tokenizer, ASKED, Sampling(max_new_tokens=30, seed=3)))
    assert [id for id, _, _ in tokens] == [step.id for step in expected]
    assert [p for _, p, _ in tokens] == pytest.approx([step.probability for step in expected], abs=1e-4)
    assert bytes.fromhex(tokens[0][2]) == loaded.tokenizer.token_bytes(tokens[0][0])
    assert last["state"] == "finished" and last["note"].startswith("30 tokens · ")
    assert last["note"].endswith(" · cut off at the limit of 30 tokens") and last["cut"] is True
    begun = answers.begin(request(2, written=tuple(step.id for step in expected[:3])))
    assert until_ended(answers, begun)[1]["note"].startswith("5 tokens · "), "with those it was begun with"


def test_it_can_be_stopped_and_what_was_written_stays(answers: AnswerStream) -> None:
    name = answers.begin(request(100_000))
    while not answers.more({name: 0})[name]["tokens"]:
        pass
    answers.stop([name])
    tokens, last = until_ended(answers, name)
    assert last["state"] == "stopped" and 0 < len(tokens) < 100_000 and last["cut"] is False


def test_an_answer_that_nobody_asks_about_is_given_up(answers: AnswerStream, monkeypatch) -> None:
    monkeypatch.setattr(answer_stream, "ALONE_SECONDS", 0.2)
    name = answers.begin(request(100_000))
    time.sleep(0.5)
    assert until_ended(answers, name)[1]["state"] == "stopped"


def test_what_is_not_there_is_none_and_what_cannot_be_begun_is_a_sentence(answers: AnswerStream, monkeypatch) -> None:
    assert answers.more({"gone": 0}) == {"gone": None}
    with pytest.raises(ValueError, match="is not there any more"):
        answers.begin(GenerationRequest("two", ASKED, Sampling()))
    monkeypatch.setattr(answer_stream, "AT_ONCE", 0)
    with pytest.raises(ValueError, match="0 answers are being written already"):
        answers.begin(request(1))


def test_what_goes_wrong_on_the_way_is_told(answers: AnswerStream) -> None:
    name = answers.begin(GenerationRequest("one", ASKED, Sampling(top_k=10_000)))
    assert "top_k must be at most the vocabulary's 300 tokens" in until_ended(answers, name)[1]["error"]
