"""What a form holds as a configuration, and errors made into sentences."""

from typing import Any

import pytest

from core.stages.pretrain import PretrainConfig
from playground.ui.errors import explain
from playground.ui.form_values import parse, shown
from playground.ui.text import page_text, visible_token

CONFIG = PretrainConfig.preset("micro", attn_scale=0.5)


def filled(**typed: Any) -> dict[str, Any]:
    return {name: shown(value) for name, value in CONFIG.to_dict().items()} | typed


def test_what_is_shown_is_read_back() -> None:
    assert parse(PretrainConfig, filled()) == CONFIG
    assert parse(PretrainConfig, filled(attn_scale="none")).to_dict()["attn_scale"] is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"max_steps": None}, "max_steps is empty"),
        ({"max_steps": 0}, "max_steps must be between 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be between"),
        ({"attn_scale": "big"}, "attn_scale must be a number or none, got 'big'"),
        ({"n_head": 3}, "n_embd must be a multiple of n_head"),
    ],
)
def test_what_cannot_be_is_named_with_its_value(typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(PretrainConfig, filled(**typed))


def test_errors_become_sentences() -> None:
    assert explain(ValueError("top_k must be at least 0, got -1")) == "top_k must be at least 0, got -1."
    assert explain(FileNotFoundError(2, "No such file", "plays.txt")) == "plays.txt: No such file."
    assert explain(ValueError("nothing to do")) == "Nothing to do."
    assert "terminal" in explain(RuntimeError("shapes of tensors and other internals"))


def test_text_for_the_page_can_always_be_sent() -> None:
    assert page_text("a\ud800b") == "a\ufffdb"
    assert page_text("naïve 🙂") == "naïve 🙂"


def test_a_part_of_a_character_is_shown_as_its_bytes() -> None:
    assert visible_token(b" the") == " the"
    assert visible_token("🙂".encode()[:2]) == "\\xf0\\x9f"
