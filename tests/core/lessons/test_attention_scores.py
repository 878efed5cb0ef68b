"""What the lesson on the square root of d_k measures: spreads beside theory and a loop, and a fair pair."""

import math
from dataclasses import replace

import pytest
import torch

from core.datasets.pretraining import HeldOut
from core.interpretability import activations
from core.lessons.attention_scores import (
    Recipe,
    head_spreads,
    random_softmax,
    random_spread,
    texts,
    train_with_scale,
)
from core.model import GPT
from tests.conftest import SENTENCES

TINY = Recipe(n_layer=1, n_embd=32, block_size=16, vocab_size=300, max_steps=4, batch_size=2)


@pytest.mark.parametrize("d_k", [4, 16, 64, 256])
def test_the_spread_of_random_scores_is_the_root_of_the_width(d_k: int) -> None:
    assert random_spread(d_k) == pytest.approx(math.sqrt(d_k), rel=0.05)


def test_the_spread_of_a_head_is_that_of_all_pairs_that_see_each_other(model: GPT) -> None:
    ids = [5, 17, 80, 121, 9]
    found = head_spreads(model, ids)
    assert found.shape == (2, 2)
    q, k, _ = activations.qkv(model, activations.trace(model, ids), 1)
    scores = [float(q[1, i] @ k[1, j]) for i in range(5) for j in range(i + 1)]
    assert float(found[1, 1]) == pytest.approx(float(torch.tensor(scores).std()), rel=1e-4)


def test_the_undivided_softmax_decides_and_lets_no_gradient_pass() -> None:
    undivided, divided = random_softmax(256, 1.0), random_softmax(256, 1 / 16)
    assert undivided.largest > 0.9 > 0.5 > divided.largest
    assert undivided.gradient < 0.5 * divided.gradient


def test_two_trainings_differ_in_the_factor_alone() -> None:
    data = texts([SENTENCES * 20], [SENTENCES], TINY)
    usual = list(train_with_scale(data, TINY, 2, None))
    assert len(usual) == TINY.max_steps + 1  # a loss a step, and one on the held-out text
    assert usual == list(train_with_scale(data, TINY, 2, 0.25))  # 1 / sqrt(16), by number
    other = list(train_with_scale(data, TINY, 2, 1.0))
    assert other[0] == pytest.approx(usual[0], rel=1e-2) and other[-1] != usual[-1]
    short = replace(data, held_out=HeldOut([SENTENCES[:80]], data.tokenizer, TINY.block_size, TINY.batch_size))
    elsewhere = list(train_with_scale(short, TINY, 2, None))
    assert elsewhere[:-1] == usual[:-1] and elsewhere[-1] != usual[-1]
