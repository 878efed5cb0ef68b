"""The vocabularies that one can pick, and how a new one comes about."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import checkpoint
from core.checkpoint import Card
from core.datasets import shakespeare
from core.hub import import_model
from core.model import GPT
from core.tokenizer import Tokenizer
from core.training.run_directory import Run
from core.workspace import Workspace
from playground.services import vocabularies as module
from playground.services.vocabularies import BYTES, GPT2, OWN, Vocabularies, passages
from tests.conftest import SENTENCES


@pytest.fixture
def vocabularies(tmp_path: Path, model: GPT, tokenizer: Tokenizer) -> Vocabularies:
    directory = tmp_path / "checkpoints"
    checkpoint.save(directory / "one", model, tokenizer, Card())
    return Vocabularies(directory)


def finished(vocabularies: Vocabularies) -> str:
    vocabularies.training.join(20)
    return vocabularies.status()["state"]


def test_a_trained_vocabulary_is_in_the_pickers_and_is_what_the_text_gives(
    vocabularies: Vocabularies, text_file: Path
) -> None:
    assert vocabularies.choices() == [OWN, "one", GPT2, BYTES] and vocabularies.paths() == []
    vocabularies.start("mine", str(text_file), 300)
    assert finished(vocabularies) == "finished"
    assert vocabularies.status() | {"message": ""} == {
        "name": "mine",
        "state": "finished",
        "message": "",
        "done": 41,
        "wanted": 41,
    }
    assert vocabularies.names() == ["mine", "one", GPT2, BYTES]
    assert vocabularies.paths() == [str(vocabularies.directory / "mine")]
    expected = Tokenizer.train(shakespeare.load(str(text_file)).train, 300)
    assert vocabularies.load("mine").digest == expected.digest


def test_a_vocabulary_is_loaded_once_and_anew_when_its_file_changes(vocabularies: Vocabularies) -> None:
    before = vocabularies.load("one")
    assert vocabularies.load("one") is before
    Tokenizer.train(SENTENCES, 280).save(vocabularies.directory / "one")
    os.utime(vocabularies.directory / "one" / "tokenizer.json", ns=(1, 1))  # where clocks are coarse
    assert vocabularies.load("one").vocab_size == 280
    assert (vocabularies.load(GPT2).vocab_size, vocabularies.load(BYTES).vocab_size) == (50257, 259)


def test_frequencies_count_the_corpus(vocabularies: Vocabularies) -> None:
    counts = vocabularies.frequencies(vocabularies.load("one"))
    text = "".join(shakespeare.load("shakespeare-1mb").train)
    lengths = [len(vocabularies.load("one").token_bytes(id)) for id in range(300)]
    assert counts.shape == (300,) and (counts * lengths).sum() == len(text.encode())
    assert vocabularies.frequencies(Tokenizer.load(vocabularies.directory / "one")) is counts


def test_a_choice_means_the_models_own_or_itself(vocabularies: Vocabularies) -> None:
    assert vocabularies.resolve(OWN, "one") == "one"
    assert vocabularies.resolve(GPT2, None) == GPT2
    with pytest.raises(ValueError, match="there is no model yet"):
        vocabularies.resolve(OWN, None)
    with pytest.raises(ValueError, match="the vocabulary gone is not there any more"):
        vocabularies.load("gone")


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("one", 300, "there is already something called one"),
        ("../out", 300, "cannot be the name"),
        ("", 300, "the name is empty"),
        ("new", 258, "size must be between 259 and 100,000, got 258"),
        ("new", 10**6, "size must be between 259 and 100,000, got 1,000,000"),
    ],
)
def test_what_cannot_begin_is_refused_at_once(
    name: str, size: int, sentence: str, vocabularies: Vocabularies, text_file: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        vocabularies.start(name, str(text_file), size)
    assert vocabularies.status()["state"] == "none"


@pytest.mark.parametrize(
    ("content", "size", "sentence"),
    [
        (b" \n", 300, "the text is empty"),
        (b"to be or not to be", 5000, "give more text or a smaller vocab_size"),
        (b"\xff\xfe\x00", 300, "begins as utf-16, but byte 2 is no part of that"),
        (None, 300, "No such file"),
    ],
)
def test_a_text_that_gives_no_vocabulary_leaves_a_sentence_and_nothing_else(
    content: bytes | None, size: int, sentence: str, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    vocabularies.start("new", str(path), size)
    assert finished(vocabularies) == "failed"
    assert sentence in vocabularies.status()["message"]
    assert [entry.name for entry in vocabularies.directory.iterdir()] == ["one"]
    vocabularies.start("new", "shakespeare-1mb", 259)  # the name is still free
    assert finished(vocabularies) == "finished"


def test_one_is_trained_at_a_time_and_a_stopped_one_leaves_nothing(
    vocabularies: Vocabularies, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(documents: Iterator[str], size: int, progress: object) -> Tokenizer:
        list(documents)
        while True:
            time.sleep(0.01)
            progress(1, 2)  # type: ignore[operator]

    monkeypatch.setattr(module.Tokenizer, "train", endless)
    vocabularies.start("first", "shakespeare-1mb", 300)
    with pytest.raises(ValueError, match="first is being trained"):
        vocabularies.start("second", "shakespeare-1mb", 300)
    vocabularies.stop()
    assert finished(vocabularies) == "stopped"
    assert [entry.name for entry in vocabularies.directory.iterdir()] == ["one"]
    with pytest.raises(ValueError, match="no vocabulary is being trained"):
        vocabularies.stop()


def test_passages_give_the_vocabulary_of_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PASSAGE", 7)
    text = (SENTENCES + "\n\n  indented\n \n\tx '\n'll\n3\n") * 2
    assert "".join(passages(text)) == text and len(list(passages(text))) > 10
    assert Tokenizer.train(passages(text), 330).digest == Tokenizer.train(text, 330).digest
    assert list(passages("")) == [""]


def test_a_file_of_others_is_offered_under_its_name_but_never_trained_on(
    vocabularies: Vocabularies, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    first, second = tmp_path / "a" / "qwen.json", tmp_path / "b" / "qwen.json"
    for path, content in ((first, tokenizer.to_json()), (second, Tokenizer.gpt2().to_json())):
        path.parent.mkdir()
        path.write_text(json.dumps(content | {"normalizer": {"type": "NFC"}}), encoding="utf-8")
    name = vocabularies.open(first)
    assert name.startswith("file qwen.json (") and vocabularies.open(first) == name
    assert "NFC" in vocabularies.left_out(name)[0] and vocabularies.left_out("one") == ()
    other = vocabularies.open(second)  # the same file name, another content: both are there, each by its own name
    assert vocabularies.load(other).vocab_size == 50257 and len(vocabularies.files()) == 2
    assert vocabularies.load(name).digest == tokenizer.digest
    assert vocabularies.names() == ["one", *vocabularies.files(), GPT2, BYTES] and vocabularies.paths() == []


@pytest.mark.parametrize(("name", "sentence"), [("bert.json", "not a JSON object"), ("spiece.model", "must end in")])
def test_a_file_that_cannot_be_opened_is_not_kept(
    name: str, sentence: str, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("no vocabulary")
    with pytest.raises(ValueError, match=sentence):
        vocabularies.open(tmp_path / name)
    assert vocabularies.files() == {}


def test_a_name_that_is_being_made_is_taken_for_everybody(
    vocabularies: Vocabularies, monkeypatch: pytest.MonkeyPatch, text_file: Path
) -> None:
    refusals: list[str] = []
    directory = vocabularies.directory

    def meanwhile(documents: Iterator[str], size: int, progress: object) -> Tokenizer:
        for take in (
            lambda: Workspace(directory).rename("one", "new"),
            lambda: Run.create(directory / "new", "pretrain", {}),
            lambda: import_model(str(directory / "one"), directory / "new"),
            lambda: Workspace(directory).throw_away("new"),
        ):
            with pytest.raises(ValueError, match=r"\w") as refused:
                take()
            refusals.append(str(refused.value))
        return Tokenizer.plain_bytes()

    monkeypatch.setattr(module.Tokenizer, "train", meanwhile)
    vocabularies.start("new", str(text_file), 300)
    assert finished(vocabularies) == "finished", vocabularies.status()
    assert ["already something" in said or "being made" in said for said in refusals] == [True] * 4
    assert sorted(path.name for path in (directory / "new").iterdir()) == ["tokenizer.json"]
