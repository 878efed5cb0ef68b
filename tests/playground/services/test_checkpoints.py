"""Models in memory: each is made once, made anew when its file changes, and forgotten when there are too many."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.model import GPT
from core.packed_model import PackedGPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import KEPT_IN_MEMORY, Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path, model: GPT, tokenizer: Tokenizer) -> Checkpoints:
    checkpoint.save(tmp_path / "one", model, tokenizer, Card())
    return Checkpoints(tmp_path, torch.device("cpu"))


def test_a_writer_is_made_once_for_a_checkpoint_and_a_precision(checkpoints: Checkpoints) -> None:
    exact, tokenizer = checkpoints.writer("one", "float32")
    assert isinstance(exact, PackedGPT) and tokenizer is checkpoints.load("one").tokenizer
    assert checkpoints.writer("one", "float32")[0] is exact
    assert checkpoints.writer("one", "int8")[0] is not exact


def test_of_many_who_ask_at_once_only_the_first_packs(checkpoints: Checkpoints) -> None:
    with ThreadPoolExecutor(8) as people:
        writers = list(people.map(lambda _: checkpoints.writer("one", "float32")[0], range(8)))
    assert len({id(writer) for writer in writers}) == 1


def test_a_changed_checkpoint_is_packed_anew(
    checkpoints: Checkpoints, make_model: Callable[..., GPT], tokenizer: Tokenizer
) -> None:
    before, idx = checkpoints.writer("one", "float32")[0], torch.tensor([[5, 17]])
    new = make_model(n_layer=1)
    checkpoint.save(checkpoints.directory / "one", new, tokenizer, Card())
    weights = checkpoints.directory / "one" / "model.safetensors"
    os.utime(weights, ns=(1, 1 + weights.stat().st_mtime_ns))  # where clocks are coarse
    after = checkpoints.writer("one", "float32")[0]
    assert after is not before
    torch.testing.assert_close(after(idx)[0], new(idx)[0], rtol=1e-4, atol=1e-4, check_device=False)


def test_only_a_few_stay_in_memory(checkpoints: Checkpoints, model: GPT, tokenizer: Tokenizer) -> None:
    names = [f"model-{i}" for i in range(KEPT_IN_MEMORY + 1)]
    for name in names:
        checkpoint.save(checkpoints.directory / name, model, tokenizer, Card())
    first, *_, last = [checkpoints.writer(name, "float32")[0] for name in names]
    assert len(checkpoints.writers) == len(checkpoints.loaded) == KEPT_IN_MEMORY
    assert checkpoints.writer(names[-1], "float32")[0] is last
    assert checkpoints.writer(names[0], "float32")[0] is not first


def test_elsewhere_than_on_a_cpu_the_model_writes_as_it_is(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = checkpoints.load("one")
    monkeypatch.setattr(checkpoint, "load", lambda directory, device: loaded)
    elsewhere = Checkpoints(checkpoints.directory, torch.device("cuda"))
    assert elsewhere.writer("one", "int8") == (loaded.model, loaded.tokenizer)


def test_what_cannot_be_written_with_is_refused(checkpoints: Checkpoints) -> None:
    with pytest.raises(ValueError, match="the model gone is not there any more"):
        checkpoints.writer("gone", "float32")
    with pytest.raises(ValueError, match="precision must be one of"):
        checkpoints.writer("one", "int4")
    assert not checkpoints.writers


def test_snapshots_of_a_run_are_loaded_by_their_step(
    checkpoints: Checkpoints, make_model, tokenizer: Tokenizer
) -> None:
    checkpoint.save(checkpoints.run("one").snapshot_directory(7), make_model(std=0.1), tokenizer, Card(step=7))
    early, late = checkpoints.load_snapshot("one", 7), checkpoints.load("one")
    assert early.card.step == 7
    assert early.model.transformer.wte.weight.std() < late.model.transformer.wte.weight.std() / 2
    with pytest.raises(ValueError, match="one kept no snapshot of step 8"):
        checkpoints.load_snapshot("one", 8)
    assert len(checkpoints.loaded) == 1, "a snapshot takes no model's place"


def test_a_classifier_is_offered_where_texts_are_classified_and_nowhere_else(
    checkpoints: Checkpoints, model: GPT, tokenizer: Tokenizer
) -> None:
    made = SequenceClassifier.from_language_model(model, ("comedy", "tragedy"), seed=1)
    checkpoint.save(checkpoints.directory / "genres", made, tokenizer, Card("classify"))
    assert (checkpoints.names(), checkpoints.classifiers()) == (["one"], ["genres"])
    loaded = checkpoints.load_classifier("genres")
    assert loaded.model.labels == ("comedy", "tragedy") and checkpoints.load_classifier("genres") is loaded
    with pytest.raises(ValueError, match="genres is a classifier: it writes no text"):
        checkpoints.load("genres")
    with pytest.raises(ValueError, match="one is a language model: it names no class"):
        checkpoints.load_classifier("one")
    with pytest.raises(ValueError, match="there is no classifier yet"):
        checkpoints.load_classifier(None)


def test_shipped_is_what_its_card_says_and_not_what_its_name_begins_with(
    tmp_path: Path, model: GPT, tokenizer: Tokenizer
) -> None:
    for number, name in enumerate(("given", "bard-chat", "bard-base", "bard-mine", "own")):
        checkpoint.save(tmp_path / name, model, tokenizer, Card(shipped=name == "given"))
        os.utime(tmp_path / name, (number, number))
    found = Checkpoints(tmp_path, torch.device("cpu")).names()
    assert found == ["bard-base", "bard-chat", "given", "own", "bard-mine"]  # its own first, then shipped


def test_the_page_begins_with_a_model_that_can_be_read(
    checkpoints: Checkpoints, model: GPT, tokenizer: Tokenizer
) -> None:
    checkpoint.save(checkpoints.directory / "newest", model, tokenizer, Card())
    weights = checkpoints.directory / "newest" / "model.safetensors"
    later = checkpoints.directory / "one" / "model.safetensors"
    os.utime(weights, ns=(1, 10**9 + later.stat().st_mtime_ns))
    assert checkpoints.names() == ["newest", "one"] and checkpoints.first() == "newest"
    weights.write_bytes(weights.read_bytes()[:5000])
    os.utime(weights, ns=(1, 10**9 + later.stat().st_mtime_ns))
    assert checkpoints.names() == ["newest", "one"] and checkpoints.first() == "one"
    later.write_bytes(b"")
    assert checkpoints.first() == "newest"  # which says what is wrong with it
    assert Checkpoints(checkpoints.directory / "none", torch.device("cpu")).first() is None
