"""Heads are recognised: patterns worked out by hand, and a head built by hand to do induction."""

import math

import pytest
import torch

from core.interpretability import activations
from core.interpretability.head_patterns import (
    PATTERNS,
    Recognised,
    entropy,
    patterns,
    recognise,
    repeated_tokens,
    sharpest,
)
from core.model import GPT, GPTConfig

A, B, C = 7, 8, 9


def test_the_patterns_of_a_text_worked_out_by_hand():
    found = patterns([A, B, C, A, B])
    cells = {name: [tuple(cell) for cell in pattern.nonzero().tolist()] for name, pattern in found.items()}
    assert cells == {
        "previous": [(1, 0), (2, 1), (3, 2), (4, 3)],
        "first": [(1, 0), (2, 0), (3, 0), (4, 0)],
        "duplicate": [(3, 0), (4, 1)],
        "induction": [(3, 1), (4, 2)],  # what followed the earlier A was B, what followed the earlier B was C
    }


def test_scores_are_the_share_of_attention_on_the_pattern():
    weights = torch.tensor([[1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0.0]])
    scores = recognise(weights[None, None], [A, B, C, A, B]).scores
    assert {name: round(float(score), 4) for name, score in scores.items()} == {
        "previous": 0.3,  # (0.5 + 1) of 5
        "first": 0.1,
        "duplicate": 0.0,
        "induction": 0.4,
    }


@pytest.mark.parametrize("name", ["previous", "first", "duplicate", "induction"])
def test_a_head_that_follows_a_pattern_gets_its_name_and_an_even_one_gets_none(name):
    ids = [3, 1, 4, 1, 5, 9, 3, 1, 4, 1, 5, 9]
    pattern = patterns(ids)[name]
    even = torch.ones(12, 12).tril() / torch.arange(1, 13)[:, None]
    perfect = torch.where(pattern.any(-1, keepdim=True), pattern / pattern.sum(-1, keepdim=True).clamp(min=1), even)
    found = recognise(torch.stack([perfect, even])[None], ids)
    assert found.names == [[name, ""]]
    assert found.entropy[0, 0] < found.entropy[0, 1]


def test_of_several_patterns_the_most_telling_one_names_the_head():
    ids = [3] * 8  # the token just before is a copy too, and followed one
    even = torch.ones(8, 8).tril() / torch.arange(1, 9)[:, None]
    weights = torch.stack([patterns(ids)["previous"], even])
    weights[0, 0, 0] = 1
    assert recognise(weights[None], ids).names == [["induction", ""]]
    assert sorted(PATTERNS, key=lambda name: PATTERNS[name].rank) == ["induction", "duplicate", "previous", "first"]


def test_one_repeated_token_in_a_text_names_no_head():
    ids = [1, 2, 3, 4, 5, 6, 7, 1]
    weights = torch.eye(8)
    weights[7] = patterns(ids)["induction"][7]
    assert recognise(weights[None, None], ids).names == [[""]]


def test_entropy_counts_the_tokens_that_a_head_looks_at():
    rows = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    torch.testing.assert_close(entropy(rows), torch.tensor([0.0, 1.0, 2.0]))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([["", "previous"], ["induction", "first"]], (1, 0)),  # the lower entropy of the two that do something
        ([["", ""], ["", "first"]], (1, 1)),  # nothing else has a name
        ([["", ""], ["", ""]], (0, 0)),
    ],
)
def test_the_sharpest_head_is_the_recognised_one_with_the_lowest_entropy(names, expected):
    found = Recognised({}, names, torch.tensor([[0.1, 3.0], [2.0, 0.2]]))
    assert sharpest(found) == expected


def test_the_test_sequence_repeats_different_tokens_and_fits():
    ids = repeated_tokens(300, 64)
    assert ids == ids[:32] * 2 and len(set(ids)) == 32 and max(ids) < 300
    assert len(repeated_tokens(300, 16)) == 16
    assert len(repeated_tokens(5, 64)) == 10


def test_an_induction_head_built_by_hand_is_recognised():
    """Layer 1 copies each token's predecessor beside it; layer 2 looks where the predecessor is the present token."""
    V, T = 12, 16
    model = GPT(GPTConfig(n_layer=2, n_head=1, n_embd=2 * V + T, block_size=T, vocab_size=V)).eval()
    token, position, before = slice(0, V), slice(V, V + T), slice(V + T, 2 * V + T)  # parts of the residual stream
    width = 2 * V + T
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
        model.transformer.wte.weight[:V, token] = torch.eye(V)
        model.transformer.wpe.weight[:, position] = torch.eye(T)
        first, second = (block.attn for block in model.blocks)
        q, k, v = (first.c_attn.weight[i * width : (i + 1) * width] for i in range(3))
        q[:T, position] = 10 * torch.eye(T).roll(-1, 0)  # the query asks for the position before
        k[:T, position] = 10 * torch.eye(T)
        v[:V, token] = torch.eye(V)
        q, k, _ = (second.c_attn.weight[i * width : (i + 1) * width] for i in range(3))
        q[:V, token] = 10 * torch.eye(V)
        k[:V, before] = 10 * torch.eye(V)
        for attn, ones in (
            (first, 2),
            (second, 3),
        ):  # layer norm makes 1 and 0 into values of one spread: undo its mean
            mean = ones / width
            spread = math.sqrt(mean * (1 - mean))
            attn.c_attn.bias.copy_(attn.c_attn.weight.sum(1) * mean / spread)
        mean = 2 / width
        first.c_proj.weight[before, :V] = torch.eye(V) * math.sqrt(mean * (1 - mean))
    ids = repeated_tokens(V, T)
    found = recognise(activations.attention(model, ids), ids)
    assert found.names == [["previous"], ["induction"]]
    assert found.scores["previous"][0, 0] > 0.9
    assert found.scores["induction"][1, 0] > 0.4  # only the second half of the queries has something to find
