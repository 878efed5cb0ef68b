"""What the page is told of copied text: made in the background, stopped, refused in words, and silent about a writer
who is hidden."""

import threading
from pathlib import Path

import pytest
import torch

from core import checkpoint, learned_text
from core.checkpoint import Card
from core.datasets import shakespeare as corpora
from core.model import GPT, GPTConfig
from core.preferences.vote_store import Answer, NewPair, Votes
from core.stages.pretrain import PretrainConfig
from playground.panels.copied_text.panel import HIDDEN, answer
from playground.services.checkpoints import Checkpoints
from playground.services.learned_texts import LearnedTexts
from tests.conftest import SENTENCES

QUOTE = "whether 'tis nobler in the mind to suffer."


@pytest.fixture
def place(tmp_path: Path, tokenizer) -> Path:
    """`base` learned from a file; of `stranger` nobody knows what it learned from."""
    (tmp_path / "book.txt").write_text(SENTENCES * 5, encoding="utf-8")
    digest = corpora.load(str(tmp_path / "book.txt")).digest
    config = PretrainConfig().to_dict() | {"corpus": str(tmp_path / "book.txt")}
    model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=16, block_size=16, vocab_size=tokenizer.vocab_size))
    checkpoint.save(tmp_path / "base", model, tokenizer, Card("pretrain", config=config, data={"sha256": digest}))
    checkpoint.save(tmp_path / "stranger", model, tokenizer, Card("imported"))
    return tmp_path


@pytest.fixture
def texts(place: Path) -> LearnedTexts:
    return LearnedTexts(Checkpoints(place, torch.device("cpu")))


@pytest.fixture
def votes(place: Path) -> Votes:
    return Votes(place / "preferences.db")


def ask(texts: LearnedTexts, votes: Votes, again: bool = False, **asked):
    """As the page does, until the index is made."""
    first = answer(texts, votes, {"text": f"Ay: {QUOTE} No.", **asked}, again)
    texts.task.join(60)
    return answer(texts, votes, {"text": f"Ay: {QUOTE} No.", **asked}, False) if "making" in first else first


def test_a_text_comes_back_in_pieces_with_where_they_stand(texts, votes):
    assert answer(texts, votes, {"model": "base", "text": ""}, False)["making"]["model"] == "base"
    found = ask(texts, votes, model="base")
    assert "".join(text for text, _ in found["pieces"]) == f"Ay: {QUOTE} No."
    (quoted,) = [(text.strip(": "), origin) for text, origin in found["pieces"] if origin]
    assert quoted[0] == QUOTE
    told = {key: quoted[1][key] for key in ("corpus", "line", "document", "documents", "title", "times")}
    assert told == {"corpus": "book.txt", "line": 2, "document": 1, "documents": 1, "title": "", "times": 5}
    assert found["copied"] == quoted[1]["tokens"] < found["tokens"] and found["gaps"] == []


def test_of_a_model_from_elsewhere_it_is_said_that_nobody_knows(texts, votes):
    assert ask(texts, votes, model="stranger")["error"].startswith("Stranger was not trained here, so the text it")


def test_an_index_that_is_stopped_is_made_when_it_is_asked_for_again(texts, votes, monkeypatch):
    begun, go_on, build = threading.Event(), threading.Event(), learned_text.build

    def slow(*given):
        begun.set()
        go_on.wait(30)
        build(*given)

    monkeypatch.setattr(learned_text, "build", slow)
    texts.get("base")
    assert begun.wait(30)
    texts.stop()
    go_on.set()
    texts.task.join(30)
    assert "was stopped" in ask(texts, votes, model="base")["error"]
    assert ask(texts, votes, again=True, model="base")["copied"] > 8
    assert not list(learned_text.index_directory(texts.checkpoints.directory).glob(".*"))  # nothing half made is left


def test_a_text_that_comes_back_is_searched_when_it_is_asked_for_again(texts, votes, place):
    content = (place / "book.txt").read_bytes()
    (place / "book.txt").unlink()
    assert "No such file" in ask(texts, votes, model="base")["error"]
    (place / "book.txt").write_bytes(content)
    assert "No such file" in ask(texts, votes, model="base")["error"]
    assert ask(texts, votes, again=True, model="base")["copied"] > 8


def test_a_side_of_a_pair_does_not_give_away_who_wrote_it(texts, votes):
    sides = Answer("a", "base"), Answer("b", "stranger")
    of_nobody = NewPair("Who?", Answer("a"), Answer("b"), {}, "import")
    pair, no_pair = votes.add_pairs([NewPair("Who?", *sides, {}, "label"), of_nobody])
    making = answer(texts, votes, {"pair": pair, "side": "left", "text": "a"}, False)["making"]
    assert making["model"] == ""
    assert ask(texts, votes, pair=pair, side="left")["copied"] > 8
    assert ask(texts, votes, pair=pair, side="right")["error"] == HIDDEN
    assert ask(texts, votes, pair=no_pair, side="left")["error"] == HIDDEN
