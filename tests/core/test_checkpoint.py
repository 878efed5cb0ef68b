"""Checkpoints: Hugging Face opens ours and we theirs, damage is told in words, and a failing write harms nothing."""

import errno
import json
import os
from pathlib import Path

import pytest
import safetensors
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from core import checkpoint
from core.atomic_files import write_text
from core.checkpoint import Card
from core.tokenizer import Tokenizer

CARD = Card("pretrain", "parent", 7, {"n_layer": 2}, {"corpus": "Käfer"}, {"bpb/val": 2.5})


@pytest.fixture
def saved(tmp_path, model, tokenizer):
    """A directory with a checkpoint of `model`."""
    checkpoint.save(tmp_path / "saved", model, tokenizer, CARD)
    return tmp_path / "saved"


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- there and back -------------------------------------------------------------------------------------------


def test_what_was_saved_comes_back_exactly(saved, model, tokenizer):
    loaded = checkpoint.load(saved)
    assert loaded.card == CARD
    assert loaded.model.config == model.config
    assert loaded.tokenizer.digest == tokenizer.digest
    assert not loaded.model.training
    before, after = model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_setting_of_the_model_comes_back(tmp_path, make_model, tokenizer):
    model = make_model(dropout=0.25, activation_function="gelu", layer_norm_epsilon=1e-3, attn_scale=0.5)
    checkpoint.save(tmp_path / "new", model, tokenizer, CARD)
    assert checkpoint.load(tmp_path / "new").model.config == model.config


def test_float16_halves_the_file_and_keeps_three_digits(saved, tmp_path, model, tokenizer):
    checkpoint.save(tmp_path / "half", model, tokenizer, CARD, torch.float16)
    loaded = checkpoint.load(tmp_path / "half").model
    sizes = [(directory / "model.safetensors").stat().st_size for directory in (tmp_path / "half", saved)]
    assert sizes[0] < 0.6 * sizes[1]
    for name, weight in loaded.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, model.state_dict()[name].half().float())


def test_saving_anew_replaces_the_old(saved, make_model, tokenizer):
    other = make_model(std=0.1)
    checkpoint.save(saved, other, tokenizer, Card(step=8))
    loaded = checkpoint.load(saved)
    assert loaded.card.step == 8
    assert torch.equal(loaded.model.transformer.wpe.weight, other.transformer.wpe.weight)


def test_a_checkpoint_without_a_card_is_an_imported_one(saved):
    (saved / "card.json").unlink()
    assert checkpoint.load(saved).card.stage == "imported"


# --- Hugging Face ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"activation_function": "gelu", "attn_scale": 1.0, "layer_norm_epsilon": 0.1}])
@torch.inference_mode()
def test_hugging_face_opens_ours_with_the_same_logits(changes, tmp_path, make_model, tokenizer):
    model = make_model(**changes)
    checkpoint.save(tmp_path / "new", model, tokenizer, CARD)
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not any(report.values())  # nothing missing, unexpected or of another shape
    idx = torch.arange(16)[None] * 18
    assert (theirs(idx).logits - model(idx)[0]).abs().max() < 1e-4


def test_hugging_face_opens_our_vocabulary_with_the_same_ids(saved, tokenizer):
    theirs = AutoTokenizer.from_pretrained(saved)
    text = "To be, Käfer 漢字 🙂\n  that's  the question "
    assert theirs(text).input_ids == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert len(theirs) == tokenizer.vocab_size
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.eot


def test_hugging_face_splits_what_looks_like_a_special_token_only_if_it_is_told_to(saved, tokenizer):
    text = "a<|endoftext|>b"  # typed by a person: here ordinary text
    assert AutoTokenizer.from_pretrained(saved)(text).input_ids.count(tokenizer.eot) == 1
    assert AutoTokenizer.from_pretrained(saved, split_special_tokens=True)(text).input_ids == tokenizer.encode(text)


@pytest.mark.parametrize("changes", [{}, {"activation_function": "gelu"}, {"scale_attn_weights": False}], ids=str)
@torch.inference_mode()
def test_we_open_what_hugging_face_saved_with_the_same_logits(changes, tmp_path, tokenizer):
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(foreign_config(**changes)).eval()
    theirs.save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    idx = torch.arange(16)[None] * 18
    assert (theirs(idx).logits - checkpoint.load(tmp_path).model(idx)[0]).abs().max() < 1e-4


@pytest.mark.parametrize("changes", [{"add_cross_attention": True}, {"n_inner": 64}], ids=str)
def test_a_variant_of_gpt2_that_we_cannot_compute_is_refused(changes, tmp_path, tokenizer):
    GPT2LMHeadModel(foreign_config(**changes)).save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    with pytest.raises(ValueError, match=r"safetensors|config.json"):
        checkpoint.load(tmp_path)


def foreign_config(**changes) -> GPT2Config:
    shape = dict(n_layer=2, n_head=2, n_embd=32, n_positions=16, vocab_size=300, bos_token_id=297, eos_token_id=297)
    return GPT2Config(**shape, initializer_range=0.3, **changes)


# --- damage ---------------------------------------------------------------------------------------------------


def change_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = {
    "no_config": (lambda d: (d / "config.json").unlink(), "not a complete checkpoint: config.json missing"),
    "no_weights": (lambda d: (d / "model.safetensors").unlink(), "complete checkpoint: model.safetensors missing"),
    "no_vocabulary": (lambda d: (d / "tokenizer.json").unlink(), "complete checkpoint: tokenizer.json missing"),
    "truncated_weights": (lambda d: truncate(d / "model.safetensors"), "model.safetensors is truncated or damaged"),
    "truncated_config": (lambda d: truncate(d / "config.json"), "config.json is damaged"),
    "truncated_card": (lambda d: truncate(d / "card.json"), "card.json is damaged"),
    "empty_weights": (lambda d: (d / "model.safetensors").write_bytes(b""), "safetensors is truncated or damaged"),
    "a_list_for_a_config": (lambda d: (d / "config.json").write_text("[]"), "config.json"),
    "a_list_for_a_card": (lambda d: (d / "card.json").write_text("[]"), "card.json is damaged"),
    "a_foreign_card": (lambda d: (d / "card.json").write_text('{"model": "x"}'), "card.json is no card of ours"),
    "another_architecture": (
        lambda d: change_json(d / "config.json", model_type="llama"),
        "describes a model of type 'llama'; only gpt2",
    ),
    "an_unknown_activation": (
        lambda d: change_json(d / "config.json", activation_function="relu"),
        "config.json: activation_function must be one of gelu, gelu_new, got 'relu'",
    ),
    "another_width": (
        lambda d: change_json(d / "config.json", n_embd=64),
        r"wte.weight is \(300, 32\), but .*config.json makes it \(300, 64\)",
    ),
    "another_context": (
        lambda d: change_json(d / "config.json", n_positions=8),
        r"wpe.weight is \(16, 32\), but .*config.json makes it \(8, 32\)",
    ),
    "one_layer_more": (
        lambda d: change_json(d / "config.json", n_layer=3),
        r"model.safetensors lacks transformer.h.2.* and 9 more, which .*config.json calls for",
    ),
    "another_vocabulary": (
        lambda d: Tokenizer.train("", 259).save(d),
        "the vocabulary has 259 tokens, but .*config.json says 300",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_sentence(name, saved):
    damage, sentence = DAMAGES[name]
    damage(saved)
    with pytest.raises(ValueError, match=sentence) as error:
        checkpoint.load(saved)
    assert "\n" not in str(error.value)
    assert str(saved) in str(error.value)


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no checkpoint directory .*absent"):
        checkpoint.load(tmp_path / "absent")


# --- writes that fail -----------------------------------------------------------------------------------------


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_a_file(tensors, path, metadata):
    Path(path).write_bytes(b"half")
    raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")


FAILURES = [("core.checkpoint.safetensors.torch.save_file", half_a_file), ("core.atomic_files.os.fsync", full_disk)]


@pytest.mark.parametrize(("call", "failure"), FAILURES)
def test_a_failing_write_leaves_the_old_checkpoint_untouched(call, failure, saved, make_model, tokenizer, monkeypatch):
    before = contents(saved)
    monkeypatch.setattr(call, failure)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(saved, make_model(std=0.1), tokenizer, Card(step=8))
    assert contents(saved) == before
    assert os.listdir(saved.parent) == ["saved"]


@pytest.mark.parametrize(("call", "failure"), FAILURES)
def test_a_failing_write_leaves_nothing_where_nothing_was(call, failure, tmp_path, model, tokenizer, monkeypatch):
    monkeypatch.setattr(call, failure)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(tmp_path / "new", model, tokenizer, CARD)
    assert os.listdir(tmp_path) == []


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_text(path, "old")
    monkeypatch.setattr("core.atomic_files.os.fsync", full_disk)
    with pytest.raises(OSError):
        write_text(path, "new")
    assert contents(tmp_path) == {"status.json": b"old"}


def test_a_checkpoint_is_on_disk_before_it_gets_its_name(tmp_path, model, tokenizer, monkeypatch):
    synced = []
    monkeypatch.setattr("core.atomic_files.sync", lambda path: synced.append(path.name))
    monkeypatch.setattr("core.atomic_files.os.replace", lambda source, target: synced.append(Path(target).name))
    checkpoint.save(tmp_path / "new", model, tokenizer, CARD)
    assert synced[-1] == "new"
    assert {*checkpoint.FILES, "card.json"} <= set(synced[:-1])
