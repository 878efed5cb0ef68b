"""The search for what excites neurons: kept beside the model, made again when it is of no use, stopped when asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import neurons
from core.interpretability.neurons import text_blocks, top_places
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.attention import neuron_search
from playground.tabs.attention.activation_cache import ActivationCache
from playground.tabs.attention.neuron_search import FILE, PLACES, NeuronSearch, beginning
from playground.tabs.attention.neurons import AFTER, BEFORE, examples, raised_and_lowered
from tests.conftest import SENTENCES


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text(SENTENCES * 5, encoding="utf-8")
    return path


@pytest.fixture
def directory(tmp_path: Path, corpus: Path, model: GPT, tokenizer: Tokenizer) -> Path:
    save(tmp_path / "models" / "one", model, tokenizer, corpus)
    return tmp_path / "models"


def save(place: Path, model: GPT, tokenizer: Tokenizer, corpus: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    checkpoint.save(place, model, tokenizer, Card("pretrain", config={"corpus": str(corpus)}))


@pytest.fixture
def search(directory: Path) -> Iterator[NeuronSearch]:
    search = NeuronSearch(Checkpoints(directory, torch.device("cpu")))
    yield search
    search.stop()
    search.task.join(30)


def ended(search: NeuronSearch) -> dict[str, object]:
    search.task.join(60)
    return search.status("one")


def test_what_is_found_in_the_models_own_corpus_is_kept_on_disk(
    search: NeuronSearch, directory: Path, model: GPT, tokenizer: Tokenizer, corpus: Path
) -> None:
    assert search.status("one")["found"] is False
    search.start("one")
    status = ended(search)
    assert (status["found"], status["error"]) == (True, "")
    text = corpus.read_text(encoding="utf-8")
    ids = tokenizer.encode_documents([text[: int(len(text) * 0.9)]])
    blocks = text_blocks(ids, 16, neuron_search.MOST_READ)
    *_, expected = top_places(model, blocks, PLACES)
    assert status["message"] == "" and status["done"] == expected.tokens_read
    again = NeuronSearch(Checkpoints(directory, torch.device("cpu"))).find("one")  # another day
    assert again is not None and again.corpus == "lines.txt"
    torch.testing.assert_close(again.places.activations, expected.activations)


def test_a_file_of_other_weights_or_a_damaged_one_is_made_again_and_that_is_said(
    search: NeuronSearch, directory: Path, make_model, tokenizer: Tokenizer, corpus: Path
) -> None:
    search.start("one")
    ended(search)
    for n in range(2):
        if n:
            (directory / "one" / FILE).write_bytes(b"half a")
            reason = "is damaged"
        else:
            save(directory / "one", make_model(std=0.2), tokenizer, corpus)
            reason = "was made from other weights"
        later = NeuronSearch(Checkpoints(directory, torch.device("cpu")))
        status = later.status("one")
        assert status["running"] and reason in str(status["note"]) and str(status["note"]).endswith("It is made again.")
        assert ended(later)["found"] is True
        assert NeuronSearch(Checkpoints(directory, torch.device("cpu"))).find("one") is not None


def test_a_file_that_cannot_be_replaced_is_not_tried_for_ever(
    search: NeuronSearch, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "one" / FILE).write_bytes(b"half a")
    monkeypatch.setattr(neuron_search, "corpus_of", lambda _: (_ for _ in ()).throw(ValueError("there is no corpus")))
    search.status("one")
    assert ended(search)["error"] == "there is no corpus"
    assert search.status("one")["number"] == 1


def test_who_stops_keeps_what_was_found_and_where_nobody_may_write_it_is_said(
    search: NeuronSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neurons, "MOST_TOKENS", 16)

    def refuse(path: Path, *_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    def stop_at_once(*args: object) -> Iterator[object]:
        search.stop()
        yield from top_places(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(neurons, "save", refuse)
    monkeypatch.setattr(neuron_search, "top_places", stop_at_once)
    search.start("one")
    status = ended(search)
    assert status["found"] is True
    assert str(status["message"]).startswith("Stopped after 15 of ")
    assert "forgotten when the playground ends" in str(status["message"]) and "Read-only" in str(status["message"])


def test_a_model_whose_corpus_is_gone_reads_another_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch, corpus: Path
) -> None:
    monkeypatch.setattr(neuron_search, "CORPUS", str(corpus))
    found, said = neuron_search.corpus_of(Card("pretrain", config={"corpus": "/gone.txt"}))
    assert found.name == "lines.txt" and "cannot be read (corpus /gone.txt" in said
    assert neuron_search.corpus_of(Card("sft"))[1] == ""


def test_so_much_of_a_corpus_is_read() -> None:
    assert beginning(("abc", "def", "ghi"), 5) == ["abc", "de"]
    assert beginning(("abc", "def"), 3) == ["abc"]


def test_a_place_is_shown_with_what_the_model_read_around_it(
    search: NeuronSearch, model: GPT, tokenizer: Tokenizer
) -> None:
    search.start("one")
    ended(search)
    look = ActivationCache(search.checkpoints).at({"model": "one", "text": "To be"})
    found = search.find("one")
    assert found is not None
    shown = examples(look, found, 1, 3)
    assert len(shown) == PLACES
    place, blocks = int(found.places.places[1, 3, 0]), found.places.blocks
    row, column = divmod(place, 16)
    ids = blocks[row].tolist()
    assert shown[0]["token"] == look.token(ids[column])
    assert shown[0]["before"] == "".join(map(look.token, ids[max(0, column - BEFORE) : column]))
    assert shown[0]["after"] == "".join(map(look.token, ids[column + 1 : column + 1 + AFTER]))
    effect = neurons.logit_effect(model, 1, 3)
    tables = raised_and_lowered(look, effect)
    assert tables["raised"][0] == [look.token(int(effect.argmax())), pytest.approx(float(effect.max()), abs=1e-4)]
    assert tables["lowered"][0] == [look.token(int(effect.argmin())), pytest.approx(float(effect.min()), abs=1e-4)]
