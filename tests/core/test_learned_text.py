"""The text that a model learned from: found through its lineage, indexed once, and what is missing is said."""

import io
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.__main__ import main
from core.checkpoint import MIXED, Card, read_card, weights_digest
from core.datasets import shakespeare as corpora
from core.datasets.shakespeare import Corpus, Play, Speech
from core.evaluation import memorization_rate, report_card
from core.evaluation.memorization import find_copies
from core.evaluation.memorization_rate import held_out_stretches, memorization_rates
from core.learned_text import KEPT, index_directory, learned_text, lineage, open_index, origin
from core.model import GPT, GPTConfig
from core.roots import Roots
from core.stages.pretrain import PretrainConfig
from core.stages.sft import SFTConfig
from core.tokenizer import Tokenizer
from tests.conftest import SENTENCES

QUOTE = "whether 'tis nobler in the mind to suffer."
ANSWER = "I never read a word of it in all my life, said the old king."


@pytest.fixture
def place(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """`base` learned from a file, `chat` from it and from answers in another one."""
    (tmp_path / "book.txt").write_text(SENTENCES * 5, encoding="utf-8")
    said = [
        [
            {"role": "user", "content": f"Question {n}, and a long one at that?"},
            {"role": "assistant", "content": ANSWER},
        ]
        for n in range(40)
    ]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps({"messages": m}) + "\n" for m in said), encoding="utf-8")
    corpus = corpora.load(str(tmp_path / "book.txt"))
    config = PretrainConfig().to_dict() | {"corpus": str(tmp_path / "book.txt")}
    save(tmp_path / "base", tokenizer, Card("pretrain", config=config, data={"sha256": corpus.digest}))
    make_child(tmp_path, tokenizer)
    return tmp_path


def save(directory: Path, tokenizer: Tokenizer, card: Card) -> None:
    torch.manual_seed(0)
    shape = GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=64, vocab_size=tokenizer.vocab_size)
    checkpoint.save(directory, GPT(shape), tokenizer, card)


def make_child(place: Path, tokenizer: Tokenizer) -> None:
    config = SFTConfig().to_dict() | {"data": str(place / "said.jsonl"), "parent": str(place / "base")}
    data = {"parent_sha256": weights_digest(place / "base")}
    save(place / "chat", tokenizer, Card("sft", "base", config=config, data=data))


def search(place: Path, name: str):
    return learned_text(place / name, Tokenizer.load(place / name), Roots(place))


def test_a_chat_model_learned_from_its_answers_and_from_the_text_of_its_base(place):
    text = f"He asked {QUOTE}\n{ANSWER}"
    learned = search(place, "chat")
    assert learned.corpora == ["said.jsonl", "book.txt"] and learned.gaps == ()
    found = [(text[q.start : q.end].strip(), str(origin(q))) for q in learned.find(text).quotations]
    assert found == [(QUOTE, "book.txt, line 2"), (ANSWER, "said.jsonl, document 1, line 1")]
    assert search(place, "base").find(ANSWER).copied == 0
    assert learned.find("Question 12, and a long one at that?").copied == 0  # what people asked, it did not learn


def test_an_index_is_made_once_and_outlives_the_text(place):
    search(place, "base")
    (place / "book.txt").unlink()
    assert search(place, "base").find(QUOTE).copied > 8
    assert len(list(index_directory(place).iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda book: book.unlink(), "No such file or directory"),
        (lambda book: book.write_text("another text " * 50), r"no longer the text that base learned from \(sha256"),
    ],
)
def test_a_text_that_has_gone_or_changed_is_not_searched_and_that_is_said(place, change, sentence):
    change(place / "book.txt")
    with pytest.raises(ValueError, match=sentence):
        search(place, "base")
    learned = search(place, "chat")  # of what is left, its own answers
    assert learned.corpora == ["said.jsonl"] and sentence[:10] in str(learned.gaps[0])


def test_what_came_from_elsewhere_learned_from_nobody_knows_what(place, tokenizer):
    save(place / "base", tokenizer, Card("imported", data={}))
    with pytest.raises(ValueError, match="base was not trained here, so the text it learned from is not known"):
        search(place, "base")


def test_a_parent_that_has_gone_or_was_made_anew_is_a_gap(place, tokenizer):
    card = read_card(place / "chat" / "card.json")
    save(place / "orphan", tokenizer, replace(card, parent="nobody", config=card.config | {"parent": "nobody"}))
    assert str(search(place, "orphan").gaps[0]).startswith("nobody is not there any more")
    save(place / "other", tokenizer, replace(card, data={"parent_sha256": "0" * 64}))
    assert str(search(place, "other").gaps[0]).startswith("base has been made anew since")
    looped = replace(read_card(place / "base" / "card.json"), parent="base")
    save(place / "base", tokenizer, looped)
    assert [source.model for source in lineage(place / "base", Roots(place)).sources] == ["base"]  # it comes to an end


def test_a_mixture_learned_from_all_that_is_mixed(place, tokenizer):
    save(place / "mixed", tokenizer, Card("mix", "base", data={MIXED: {"chat": 0.5, "nobody": 0.5}}))
    learned = search(place, "mixed")
    assert learned.corpora == ["book.txt", "said.jsonl"]
    assert [str(gap) for gap in learned.gaps] == ["nobody is not there any more, so what it learned from is not known"]


def test_a_child_with_another_vocabulary_has_an_index_of_its_own(place):
    other = Tokenizer.train(SENTENCES, 280)
    make_child(place, other)
    search(place, "base")
    assert search(place, "chat").find(QUOTE).copied > 8
    assert len(list(index_directory(place).iterdir())) == 3


def test_the_indexes_that_were_used_last_are_kept(tmp_path, tokenizer):
    for n in range(KEPT + 2):
        open_index(Corpus(f"text {n}", (f"{n} {SENTENCES}",), ()), tokenizer, tmp_path)
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_quotation_from_a_play_is_told_by_act_and_scene(tmp_path, tokenizer, monkeypatch):
    speeches = [Speech("ACT I", "SCENE II", "BEN", "Short."), Speech("ACT II", "SCENE I", "ANN", f"Ay,\n{QUOTE}")]
    play = Play("a-play", "A Play", "comedies", tuple(speeches))
    monkeypatch.setattr("core.learned_text.plays", lambda: [play])
    index = open_index(corpora.by_plays("shakespeare", [play], ()), tokenizer, tmp_path)
    monkeypatch.setattr("core.learned_text.AS_RENDERED", ("shakespeare",))
    (quotation,) = memorized(index, tokenizer)
    assert str(origin(quotation)) == "A Play, ACT II, SCENE I, ANN"
    assert [play.speech_at(line).speaker for line in range(1, 8)] == ["BEN"] * 3 + ["ANN"] * 4
    with pytest.raises(ValueError, match="7 lines"):
        play.speech_at(8)


def memorized(index, tokenizer):
    return find_copies(QUOTE, tokenizer, [index]).quotations


def test_the_command_says_what_is_copied_and_from_where(place, caplog, monkeypatch, tmp_path):
    (tmp_path / "answer.txt").write_text(f"He asked {QUOTE}", encoding="utf-8")
    with caplog.at_level(logging.INFO):
        assert main(["quotes", str(place / "base"), str(tmp_path / "answer.txt")]) == 0
    assert f"book.txt, line 2:  {QUOTE}".replace("  ", " ") in caplog.text
    assert "tokens stand in book.txt, 8 or more in a row" in caplog.text
    caplog.clear()
    monkeypatch.setattr("sys.stdin", io.StringIO(QUOTE))
    (tmp_path / "other.txt").write_text("Not a word of that. " * 20, encoding="utf-8")
    with caplog.at_level(logging.INFO):
        assert main(["quotes", str(place / "base"), "--corpus", str(tmp_path / "other.txt")]) == 0
    assert "0 of" in caplog.text and "tokens stand in other.txt" in caplog.text


# --- on the report card ---------------------------------------------------------------------------------------


def test_the_report_card_says_how_much_is_copied_beside_text_unseen(place, tokenizer, monkeypatch):
    monkeypatch.setattr(memorization_rate, "TEXTS", 4)
    monkeypatch.setattr(memorization_rate, "LENGTH", 16)
    (place / "book.txt").write_text(SENTENCES * 60, encoding="utf-8")
    corpus = corpora.load(str(place / "book.txt"))
    card = read_card(place / "base" / "card.json")
    save(place / "base", tokenizer, replace(card, data={"sha256": corpus.digest}))
    measured = report_card.measures(place / "base", torch.device("cpu"))[report_card.COPIED]()
    assert measured["copied/unseen"] > 0.9  # the file says the same again and again
    assert measured["copied/1"] == 0.0  # it has learned nothing
    assert measured["n/texts"] == measured["n/texts/unseen"] == 3  # as long a text was held out
    told = [f"{figure.metric.meaning}: {figure}" for figure in report_card.figures(measured)]
    assert told[0].startswith("tokens copied from its training text, at temperature 0.2: 0 % (95 % interval 0 to 56 %")
    assert "of text unseen: 92 % (95 %" in told[-1] and told[-1].endswith("n = 3 texts)") and len(told) == 4


def test_a_model_that_repeats_its_text_is_found_out(tokenizer, tmp_path, monkeypatch, model):
    index = open_index(Corpus("text", (SENTENCES,), ()), tokenizer, tmp_path)
    ids = tokenizer.encode(SENTENCES)
    monkeypatch.setattr(memorization_rate, "continuations", lambda *_: [ids[:20], ids[40:60]])
    rates = memorization_rates(model, tokenizer, False, Corpus("text", (), ()), [index])
    assert rates == {"copied/0.2": 1.0, "copied/0.6": 1.0, "copied/1": 1.0, "n/texts": 2}


def test_stretches_of_a_held_out_text_follow_each_other(tokenizer):
    corpus = Corpus("text", (), (SENTENCES * 40,))
    found = held_out_stretches(corpus, tokenizer, 5)
    assert len(found) == 5 and all(len(after) == memorization_rate.LENGTH for _, after in found)
    for before, after in found:
        assert tokenizer.decode([*before, *after]).strip() in SENTENCES * 40
    assert held_out_stretches(Corpus("text", (), ("short",)), tokenizer, 5) == []


def test_a_model_whose_text_nobody_knows_has_no_such_measure(place, tokenizer):
    save(place / "base", tokenizer, Card("imported", data={}))
    assert report_card.COPIED not in report_card.measures(place / "base", torch.device("cpu"))
