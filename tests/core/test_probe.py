"""What the probe shows is what the model does."""

import threading
from contextlib import ExitStack

import pytest
import torch

from core import probe

IDS = [5, 290, 17, 17, 3, 101, 42, 200, 9]


@pytest.mark.parametrize("attn_scale", [None, 1.0, 0.05])
def test_weights_are_a_causal_distribution_a_query(make_model, attn_scale):
    weights = probe.attention(make_model(attn_scale=attn_scale), IDS)
    assert weights.shape == (2, 2, len(IDS), len(IDS))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, len(IDS)))
    assert not weights.triu(1).any()
    assert (weights.tril()[..., torch.tril(torch.ones(len(IDS), len(IDS))).bool()] > 0).all()


@pytest.mark.parametrize("attn_scale", [None, 1.0, 0.05])
@torch.inference_mode()
def test_each_layer_returned_what_its_weights_and_values_give(make_model, attn_scale):
    model = make_model(attn_scale=attn_scale)
    seen = {}

    def keep(attn, args, output):
        seen[attn.layer] = (args[0], output)

    with ExitStack() as hooks:
        for block in model.blocks:
            hooks.enter_context(block.attn.register_forward_hook(keep))
        model(torch.tensor([IDS]))
    weights = probe.attention(model, IDS)
    for block in model.blocks:
        x, returned = seen[block.attn.layer]
        _, _, v = block.attn.qkv(x)
        heads = weights[block.attn.layer] @ v[0]  # (nh, T, hs)
        torch.testing.assert_close(block.attn.c_proj(heads.transpose(0, 1).flatten(1)), returned[0])


def test_a_scale_of_almost_zero_looks_at_all_tokens_so_far_alike(make_model):
    weights = probe.attention(make_model(attn_scale=1e-6), IDS)
    expected = torch.tril(torch.ones(len(IDS), len(IDS))) / torch.arange(1, len(IDS) + 1)[:, None]
    torch.testing.assert_close(weights, expected.expand(2, 2, -1, -1), atol=1e-4, rtol=0)


def test_looking_leaves_no_hook_behind(model):
    probe.attention(model, IDS)
    with pytest.raises(ValueError):
        probe.attention(model, list(range(17)))
    assert not any(block.attn._forward_pre_hooks for block in model.blocks)


def test_what_another_thread_does_with_the_model_is_not_noted(model):
    idx = torch.tensor([IDS])
    with probe.attention_inputs(model) as inputs:
        other = threading.Thread(target=model, args=(idx,))
        other.start()
        other.join()
        assert inputs == []
        model(idx)
    assert len(inputs) == 2


@pytest.mark.parametrize(
    ("ids", "sentence"), [([], "give at least one token"), (list(range(17)), "17 tokens do not fit into the context")]
)
def test_nothing_and_too_much_are_refused(model, ids, sentence):
    with pytest.raises(ValueError, match=sentence):
        probe.attention(model, ids)
