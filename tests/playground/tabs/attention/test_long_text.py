"""The picture of a long text holds the attention of transformers, and says what it leaves out."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core import checkpoint
from core.checkpoint import Card
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.attention import long_text
from playground.tabs.attention.activation_cache import encoded
from playground.tabs.attention.long_text import LongPasses

TEXT = "To be, or not to be: that is the question. " * 40


@pytest.fixture(scope="module")
def directory(make_model: Callable[..., GPT], tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("long")
    checkpoint.save(directory / "one", make_model(std=0.15, block_size=300), tokenizer, Card())
    return directory


def test_the_bytes_of_a_picture_are_the_attention_of_transformers(directory: Path, tokenizer: Tokenizer) -> None:
    passes = LongPasses(Checkpoints(directory, torch.device("cpu")))
    read = passes.at("one", TEXT)
    ids = tokenizer.encode(TEXT)
    assert len(read.tokens) == 300 < len(ids) == read.total
    assert read.cut == f"Only the first 300 tokens are shown, of {len(ids):,}: the model's context holds 300."
    theirs = AutoModelForCausalLM.from_pretrained(directory / "one", attn_implementation="eager").eval()
    with torch.inference_mode():
        expected = theirs(torch.tensor([ids[:300]]), output_attentions=True).attentions
    rows, columns = torch.tril_indices(300, 300)
    for layer, head in ((0, 1), (1, 0)):
        sent = np.frombuffer(base64.b64decode(encoded(read.weights(layer, head) * 255, torch.uint8)), np.uint8)
        exact = expected[layer][0, head, rows, columns].numpy()
        assert np.abs(sent / 255 - exact).max() < 1 / 255
    assert passes.at("one", TEXT) is read, "there is one forward pass for all heads"


def test_a_text_that_fits_is_whole_and_a_longer_one_than_a_picture_holds_is_cut(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = LongPasses(Checkpoints(directory, torch.device("cpu")))
    assert passes.at("one", "To be").cut == ""
    monkeypatch.setattr(long_text, "MOST_TOKENS", 20)
    read = passes.at("one", TEXT + "!")
    assert len(read.tokens) == 20 and read.cut.endswith("a picture holds 20.")
    with pytest.raises(ValueError, match="at least one token"):
        passes.at("one", "")
