"""What the attention tab sends to the page."""

import base64

import numpy as np
import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.interpretability.head_patterns import PATTERNS
from playground.services.checkpoints import Checkpoints
from playground.tabs.attention.activation_cache import (
    KEPT_PASSES,
    ActivationCache,
    encoded,
    head_grid,
    patterns,
    rounded,
)


@pytest.fixture
def looks(tmp_path, model, tokenizer) -> ActivationCache:
    checkpoint.save(tmp_path / "one", model, tokenizer, Card())
    return ActivationCache(Checkpoints(tmp_path, torch.device("cpu")))


def test_triangles_are_sent_row_after_row() -> None:
    weights = torch.arange(9.0).view(1, 3, 3)
    sent = np.frombuffer(base64.b64decode(encoded(weights, torch.uint8)), np.uint8)
    assert sent.tolist() == [0, 3, 4, 6, 7, 8]


def test_numbers_are_rounded_and_what_json_lacks_is_none() -> None:
    assert rounded(torch.tensor([[1.23456, -torch.inf]])) == [[1.2346, None]]


def test_a_grid_holds_every_heads_weights_name_and_scores(looks: ActivationCache, model, tokenizer) -> None:
    look = looks.at({"model": "one", "text": "To be, or"})
    grid = head_grid(look)
    ids = tokenizer.encode("To be, or")[:16]
    assert "".join(grid["tokens"]) == tokenizer.decode(ids)
    sent = np.frombuffer(base64.b64decode(grid["weights"]), np.uint8).reshape(4, -1)
    exact = activations.attention(model, ids)[1, 0]
    T = len(ids)
    assert np.abs(sent[2] / 255 - exact[tuple(torch.tril_indices(T, T))].numpy()).max() < 0.003
    assert len(grid["heads"]["text"]["names"]) == 4 == len(grid["heads"]["test"]["numbers"]["induction"])


def test_a_look_is_taken_once_and_the_oldest_is_forgotten(looks: ActivationCache) -> None:
    first = looks.at({"model": "one", "text": "a"})
    assert looks.at({"model": "one", "text": "a"}) is first
    for letter in "bcdefghij"[: KEPT_PASSES + 1]:
        looks.at({"model": "one", "text": letter})
    assert len(looks.passes) == KEPT_PASSES
    assert looks.at({"model": "one", "text": "a"}) is not first


def test_a_text_longer_than_the_context_is_cut_and_an_unknown_model_refused(looks: ActivationCache) -> None:
    assert len(looks.at({"model": "one", "text": "to be or not " * 50}).ids) == 16
    with pytest.raises(ValueError, match="is not there any more"):
        looks.at({"model": "two", "text": "a"})


def test_the_page_is_told_every_pattern_with_a_colour_of_its_own() -> None:
    sent = patterns()
    assert [(one["name"], one["title"]) for one in sent] == [(name, about.title) for name, about in PATTERNS.items()]
    assert len({one["color"] for one in sent}) == len(sent)
    assert all(contrast(one["color"], one["ink"]) >= 4.5 for one in sent)


def contrast(color: str, other: str) -> float:
    """WCAG 2.1, contrast ratio."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, (color, other)))
    return (light + 0.05) / (dark + 0.05)
