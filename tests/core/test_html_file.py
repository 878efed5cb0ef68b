"""A model as one HTML file: what it holds, what rounding costs, its dial, and which models it refuses."""

import base64
import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core import checkpoint, html_file
from core.added_words import AddedWord
from core.chat_template import encode_prompt, turn_ends
from core.checkpoint import Card, weights_digest
from core.datasets.prompts import held_out_prompts
from core.export import export
from core.generate import Sampling, batch
from core.html_weights import packed, packed_difference
from core.model import GPT
from core.tokenizer import Tokenizer
from tests.helpers.rounding import rounded

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
BITS = {"sign": 1, "int8": 8, "float16": 16, "float32": 32}  # of a number
SAME = 0.85  # of the answers, letter by letter


@pytest.fixture
def save(tmp_path, tokenizer):
    def save(model, tokenizer=tokenizer, name="a<b>", parent=None, **data) -> Path:
        checkpoint.save(tmp_path / name, model, tokenizer, Card("dpo" if parent else "pretrain", parent, 3, data=data))
        return tmp_path / name

    return save


@pytest.fixture
def child(make_model) -> GPT:
    """One that has learned something everywhere, but in one matrix and in one vector."""
    model = make_model()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("transformer.h.1.mlp.c_fc"):
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return model


def read_page(path: Path) -> tuple[dict[str, Any], bytes]:
    """What a page says, and its weights as bytes."""
    page = path.read_text()
    data = json.loads(re.search(r'id="data">(.*)</script>', page)[1])
    text = re.search(r'id="weights">(.*)</script>', page)[1]
    return data, zlib.decompress(base64.b85decode(text.replace(",", "<")))


def read_tensor(content: bytes, entry: dict[str, Any]) -> np.ndarray:
    """One tensor in the bytes, as float64."""
    start, kind, rows, size = (entry[key] for key in ("start", "kind", "rows", "size"))

    def numbers(count: int, bits: int) -> np.ndarray:
        planes = np.frombuffer(content, np.uint8, count * bits // 8, start).reshape(bits // 8, count)
        return np.frombuffer(planes.T.tobytes(), f"<f{bits // 8}").astype(float)

    if kind in ("float16", "float32"):
        return numbers(size, BITS[kind])
    scales, start = numbers(rows, 32), start + 4 * rows
    if kind == "int8":
        steps = np.frombuffer(content, np.int8, size, start).astype(float)
    else:
        bits = np.unpackbits(np.frombuffer(content, np.uint8, math.ceil(size / 8), start), bitorder="little")
        steps = 2.0 * bits[:size] - 1
    return (steps.reshape(rows, -1) * scales[:, None]).ravel()


def test_rounding_leaves_the_likeliest_answers_of_the_chat_model_as_they_are():
    loaded = checkpoint.load(CHECKPOINTS / "bard-chat")
    model, tokenizer = loaded.model.eval(), loaded.tokenizer
    page = rounded(model)
    prompts = [encode_prompt(tokenizer, [{"role": "user", "content": line}]) for line in held_out_prompts(40)]
    sampling = Sampling(max_new_tokens=50, temperature=0)
    answers, theirs = (batch(one, prompts, sampling, turn_ends(tokenizer)) for one in (model, page))
    assert sum(a == b for a, b in zip(answers, theirs, strict=True)) >= SAME * len(prompts)
    ids = torch.tensor([prompts[0]])
    before, after = (one(ids)[0][0].log_softmax(-1) for one in (model, page))
    assert F.kl_div(after, before, reduction="batchmean", log_target=True) < 1e-3  # nats a token


def test_every_tensor_is_held_once_and_ends_where_the_next_begins(model, child):
    content = bytearray()
    entries = packed(child, content)
    learned = packed_difference(child, model, content)
    for some in (entries, learned):
        assert sum(entry["size"] for entry in some) == model.config.n_params  # a tied head once, no padding rows
    ends = [
        entry["start"] + math.ceil(entry["size"] * BITS[entry["kind"]] / 8) + 4 * entry["rows"]
        for entry in entries + learned
    ]
    assert [entry["start"] for entry in entries + learned] == [0, *ends[:-1]] and ends[-1] == len(content)


# --- the dial -------------------------------------------------------------------------------------------------


def test_the_dial_in_a_page_goes_through_the_child_to_its_parent_in_steps_of_one_bit(save, model, child, tmp_path):
    digest = weights_digest(save(model, name="parent"))
    said = export(save(child, name="child", parent="parent", parent_sha256=digest), tmp_path / "page.html")
    assert said[1] == "it has a dial: 1 is child, 0 nearly parent"
    data, content = read_page(tmp_path / "page.html")
    assert (data["dial"]["parent"], data["dial"]["least"], data["dial"]["most"]) == ("parent", -1, 2)
    both = (data[of]["entries"] for of in ("model", "dial"))
    held, learned = ({one["name"]: read_tensor(content, one) for one in entries} for entries in both)
    start, page = dict(model.named_parameters()), dict(rounded(child).named_parameters())
    assert held.keys() == learned.keys() == start.keys()
    for name, end in child.named_parameters():
        rows = slice(300 if name == "transformer.wte.weight" else None)  # those behind only pad the vocabulary
        as_held = page[name][rows].detach().double().numpy()
        np.testing.assert_allclose(held[name], as_held.ravel(), rtol=1e-6)  # what is there without a dial
        change = (end - start[name])[rows].detach().double().numpy()
        if end.dim() == 2:
            sizes = np.abs(change).sum(1, keepdims=True)
            change = np.where(change > 0, 1, -1) * (change**2).sum(1, keepdims=True) / np.maximum(sizes, 1e-30)
        for a in (-1, 0, 0.5, 2):
            mixed = held[name] + (a - 1) * learned[name]
            np.testing.assert_allclose(mixed, (as_held + (a - 1) * change).ravel(), atol=1e-6)


def test_a_change_of_one_bit_is_as_long_in_its_own_direction_as_the_change_itself(model, child):
    content = bytearray()
    for entry, (name, start) in zip(packed_difference(child, model, content), model.named_parameters(), strict=True):
        change = (dict(child.named_parameters())[name] - start).detach().double().numpy().ravel()[: entry["size"]]
        assert read_tensor(content, entry) @ change == pytest.approx(change @ change, rel=1e-5)


def test_a_page_comes_without_a_dial_and_says_why_where_there_is_no_parent(save, model, child, tmp_path):
    save(model, name="parent")
    reasons = {
        "gone": "the parent of a<b>, gone, is not there any more",
        "parent": "parent has changed since a<b> was made from it",
        None: "a<b> was not made from another model here",
    }
    for parent, reason in reasons.items():
        (_, said) = export(save(child, parent=parent, parent_sha256="0"), tmp_path / "page.html", force=True)
        assert said.startswith(f"it has no dial: {reason}")
        data, content = read_page(tmp_path / "page.html")
        assert data["dial"] is None
    whole = bytearray()
    assert packed(child, whole) == data["model"]["entries"] and whole == content


# --- what it says and refuses ---------------------------------------------------------------------------------


def test_what_a_model_is_called_cannot_become_markup(save, model, tmp_path):
    export(save(model), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "a<b>" not in page
    assert page.count("<script") == page.count("</script>") == 4
    data = json.loads(re.search(r'id="data">(.*)</script>', page)[1])
    assert (data["name"], data["template"]) == ("a<b>", None)


def test_a_model_that_is_too_large_is_refused_in_words(save, model, tmp_path, monkeypatch):
    monkeypatch.setattr(html_file, "MOST_WEIGHTS", 1000)
    with pytest.raises(ValueError, match="export it as GGUF"):
        export(save(model), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_vocabulary_with_words_of_its_own_is_refused_in_words(save, make_model, tokenizer, tmp_path):
    with_words = Tokenizer(tokenizer.ranks, words={AddedWord("<fin>"): tokenizer.vocab_size})
    model = make_model(vocab_size=with_words.vocab_size)
    with pytest.raises(ValueError, match="words or a pattern of its own"):
        export(save(model, with_words), tmp_path / "page.html")
