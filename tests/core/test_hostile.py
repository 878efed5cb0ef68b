"""Checkpoints made to do harm: each is refused with a reason, soon, and without the memory that it asks for."""

import json
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import checkpoint
from core.checkpoint import Card
from core.tokenizer import Tokenizer

SECONDS, MEGABYTES = 20, 400  # that a refusal may take


@pytest.fixture
def directory(tmp_path, model, tokenizer) -> Path:
    checkpoint.save(tmp_path / "gift", model, tokenizer, Card("pretrain"))
    return tmp_path / "gift"


def change(name: str, **values: Any) -> Callable[[Path], None]:
    """A damage: other values in one of the JSON files."""

    def apply(directory: Path) -> None:
        content = json.loads((directory / name).read_text(encoding="utf-8"))
        (directory / name).write_text(json.dumps(content | values), encoding="utf-8")

    return apply


def weights(content: bytes) -> Callable[[Path], object]:
    return lambda directory: (directory / "model.safetensors").write_bytes(content)


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_text(content, encoding="utf-8")


def header(length: int, content: bytes = b"{}") -> bytes:
    return struct.pack("<Q", length) + content


def lie(directory: Path) -> None:
    """A header that promises far more numbers than there are bytes."""
    promised = {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    content = json.dumps(promised).encode()
    (directory / "model.safetensors").write_bytes(header(len(content), content) + b"\0" * 64)


def poison(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    save_file(tensors | {"transformer.ln_f.weight": torch.full((32,), torch.nan)}, directory / "model.safetensors")


DEEP = "[" * 100_000 + "]" * 100_000
SPLIT = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
SEVERAL = {"type": "Sequence", "pretokenizers": [SPLIT]}
BELOW = [{"id": -1, "content": "<|endoftext|>"}]
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a header of an exabyte": (weights(header(2**60)), "truncated or damaged"),
    "a header longer than the file": (weights(header(10_000)), "truncated or damaged"),
    "a header that is no JSON": (weights(header(4, b"\x80\x02x.")), "truncated or damaged"),
    "weights that are not there": (lie, "truncated or damaged"),
    "no number": (poison, "values that are not numbers"),
    "a billion layers": (change("config.json", n_layer=10**9), r"n_layer must be|describes .* weights"),
    "a vast embedding": (change("config.json", n_embd=2**20), r"n_embd must be|describes .* weights"),
    "a long context": (change("config.json", n_positions=10**12), r"block_size must be|describes .* weights"),
    "a negative shape": (change("config.json", n_embd=-32), "n_embd must be"),
    "a shape in words": (change("config.json", n_layer="many"), "n_layer"),
    "a shape that is not whole": (change("config.json", n_layer=1.5), "n_layer"),
    "deep JSON": (text("config.json", DEEP), "config.json is damaged"),
    "deep JSON on the card": (text("card.json", '{"config": ' + DEEP + "}"), "card.json is damaged"),
    "a deep vocabulary": (text("tokenizer.json", DEEP), "not a byte-level BPE vocabulary"),
    "unknown keys on the card": (change("card.json", __class__="os.system"), "no card of ours"),
    "a pattern that never ends": (change("tokenizer.json", pre_tokenizer=SPLIT), "pre_tokenizer is not ByteLevel"),
    "several pre-tokenizers": (change("tokenizer.json", pre_tokenizer=SEVERAL), "not ByteLevel"),
    "special tokens twice": (
        change("tokenizer.json", added_tokens=[{"id": 297, "content": "<|endoftext|>"}] * 2),
        "cannot be trusted|not a byte-level",
    ),
    "an empty special token": (
        change("tokenizer.json", added_tokens=[{"id": 297, "content": ""}, {"id": 298, "content": "<|endoftext|>"}]),
        "cannot be trusted|not a byte-level|vocabulary has",
    ),
    "negative ids": (change("tokenizer.json", added_tokens=BELOW), "cannot be trusted"),
}


@pytest.mark.fault(
    "a checkpoint is hostile or damaged",
    "it is refused with the reason, and shown as broken in *Models*",
)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_refused_with_a_reason(directory, name):
    damage, reason = HOSTILE[name]
    damage(directory)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=reason):
        checkpoint.load(directory)
    assert time.perf_counter() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


def test_texts_on_a_card_are_only_texts(directory):
    change("card.json", stage="<script>", parent="../../etc/passwd", data={"corpus": "\0"})(directory)
    assert checkpoint.load(directory).card.parent == "../../etc/passwd"


def test_a_long_text_of_one_letter_is_cut_in_linear_time():
    tokenizer = Tokenizer.plain_bytes()
    began = time.perf_counter()
    for content in ("a" * 1_000_000, " " * 1_000_000, "'" * 1_000_000):
        assert len(tokenizer.encode(content)) == 1_000_000
    assert time.perf_counter() - began < SECONDS
