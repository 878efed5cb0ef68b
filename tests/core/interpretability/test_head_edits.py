"""An edited head does what is said of it, and the model that others use stays as it is."""

import threading

import pytest
import torch

from core.generate import Sampling, batch
from core.interpretability import activations
from core.interpretability.head_edits import HeadEdit, edited_copy
from core.model import GPT

IDS = [5, 290, 17, 17, 3, 101, 42, 200, 9]
SAMPLING = Sampling(max_new_tokens=7, temperature=0.8, seed=3)


def written(model: GPT) -> list[int]:
    return batch(model, [IDS], SAMPLING)[0]


@torch.inference_mode()
def logits(model: GPT) -> torch.Tensor:
    return model(torch.tensor([IDS]))[0]


def test_a_scale_of_1_writes_exactly_the_untouched_text(model):
    same = edited_copy(model, HeadEdit(1, 0))
    assert torch.equal(logits(same), logits(model))
    assert written(same) == written(model)


def test_a_scale_of_0_is_the_head_switched_off(model):
    silent = edited_copy(model, HeadEdit(1, 0, scale=0))
    with activations.ablate_heads(model, [(1, 0)]):
        torch.testing.assert_close(logits(silent), logits(model))
        expected = written(model)
    assert written(silent) == expected


def test_a_scale_of_2_is_a_head_with_values_twice_as_large(make_model):
    doubled, model = make_model(), make_model()
    values = slice(2 * 32 + 16, 3 * 32)  # of head 1 in c_attn's output: queries, keys, values of two heads of 16
    with torch.no_grad():
        for part in (doubled.blocks[0].attn.c_attn.weight, doubled.blocks[0].attn.c_attn.bias):
            part[values] *= 2
    torch.testing.assert_close(logits(edited_copy(model, HeadEdit(0, 1, scale=2))), logits(doubled))


@pytest.mark.parametrize("token", [0, 3, len(IDS) - 1])
@torch.inference_mode()
def test_a_head_fixed_on_one_token_equals_a_forward_by_hand(model, token):
    layer, head, hs = 1, 1, 16
    block = model.blocks[layer]
    x = activations.trace(model, IDS).residual[layer][None]
    q, k, v = block.attn.qkv(block.ln_1(x))
    weights = activations.apply_causal_mask(q @ k.transpose(-2, -1) / hs**0.5).softmax(-1)
    weights[0, head, token:] = torch.eye(len(IDS))[token]  # those before it cannot see it
    x = x + block.attn.c_proj((weights @ v).transpose(1, 2).flatten(2))
    x = x + block.mlp(block.ln_2(x))
    expected = model.lm_head(model.transformer.ln_f(x))[..., :300]
    torch.testing.assert_close(logits(edited_copy(model, HeadEdit(layer, head, token=token))), expected)


@pytest.mark.parametrize("edit", [HeadEdit(0, 1, scale=1.5), HeadEdit(0, 1, token=4), HeadEdit(1, 0, 0.5, 8)])
def test_what_is_written_token_by_token_is_what_the_whole_text_gives(model, edit):
    edited, ids = edited_copy(model, edit), list(IDS)
    for _ in range(7):
        with torch.inference_mode():
            ids.append(int(edited(torch.tensor([ids]))[0][0, -1].argmax()))
    greedy = Sampling(max_new_tokens=7, temperature=0)
    assert batch(edited, [IDS], greedy)[0] == ids[len(IDS) :]


def test_the_model_that_others_use_is_neither_changed_nor_copied(model):
    expected, before = written(model), {name: p.clone() for name, p in model.named_parameters()}
    edited, others = edited_copy(model, HeadEdit(0, 0, scale=0)), []
    thread = threading.Thread(target=lambda: others.append(written(model)))
    thread.start()
    assert written(edited) != expected
    thread.join()
    assert others == [expected] and written(model) == expected
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    ours, theirs = (dict(one.named_parameters()) for one in (edited, model))
    assert all(ours[name].data_ptr() == theirs[name].data_ptr() for name in theirs), "a copy takes no memory"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (dict(layer=0, head=2), "there is no head 3 in layer 1"),
        (dict(layer=-1, head=0), "2 layers of 2 heads"),
        (dict(layer=0, head=0, scale=-1.0), "a number from 0 on, got -1.0"),
        (dict(layer=0, head=0, scale=float("nan")), "a number from 0 on, got nan"),
        (dict(layer=0, head=0, token=-2), "a position from 0 on, got -2"),
    ],
)
def test_what_cannot_be_edited_is_refused(model, edit, sentence):
    with pytest.raises(ValueError, match=sentence):
        edited_copy(model, HeadEdit(**edit))
