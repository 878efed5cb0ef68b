"""The terms of a logit add up to it, and each is what transformers' own parts add with the same weights."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.interpretability.attribution import attribute

IDS = [5, 290, 17, 17, 3, 101, 42, 200, 9]
SHAPES = [
    dict(n_layer=3),  # tanh GELU, biases, tied, as GPT-2 is
    dict(n_layer=2, activation_function="gelu", qkv_bias=False, tie_word_embeddings=False),
    dict(n_layer=1, n_head=4, attn_scale=1.0, layer_norm_epsilon=0.1),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_terms_add_up_to_the_logit(make_model, shape):
    model = make_model(**shape)
    logits = model(torch.tensor([IDS]))[0][0].detach()
    seen = activations.trace(model, IDS)
    for position, token in ((0, 7), (4, 299), (-1, 0)):
        found = attribute(model, seen, position, token)
        assert found.logit == pytest.approx(float(logits[position, token]), abs=1e-4)
        assert found.total == pytest.approx(found.logit, rel=1e-5, abs=1e-4)
    found = attribute(model, seen, -1, 7, against=8)
    assert found.total == pytest.approx(float(logits[-1, 7] - logits[-1, 8]), rel=1e-5, abs=1e-4)


@torch.inference_mode()
def test_each_term_is_what_the_part_adds_in_transformers(make_model, tokenizer, tmp_path):
    checkpoint.save(tmp_path / "model", make_model(n_layer=3), tokenizer, Card())
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    ours = checkpoint.load(tmp_path / "model").model
    transformer, heads, mlps = theirs.transformer, [], []
    for block in transformer.h:
        block.attn.c_proj.register_forward_pre_hook(lambda module, args: heads.append((module, args[0][0, -1])))
        block.mlp.c_proj.register_forward_hook(lambda module, args, out: mlps.append(out[0, -1] - module.bias))
    last = []
    transformer.ln_f.register_forward_pre_hook(lambda module, args: last.append(args[0][0, -1]))
    logit = theirs(torch.tensor([IDS])).logits[0, -1, 42]

    def read(vector):
        """The last layer norm with its scale held, without its bias, and the head."""
        normal = (vector - vector.mean()) / (last[0].var(correction=0) + transformer.ln_f.eps).sqrt()
        return float(theirs.lm_head.weight[42] @ (normal * transformer.ln_f.weight))

    expected = [[read(x[h : h + 16] @ module.weight[h : h + 16]) for h in (0, 16)] for module, x in heads]
    found = attribute(ours, activations.trace(ours, IDS), -1, 42)
    torch.testing.assert_close(found.heads, torch.tensor(expected), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.mlps, torch.tensor([read(x) for x in mlps]), rtol=1e-3, atol=1e-4)
    assert found.token_embedding == pytest.approx(read(transformer.wte.weight[IDS[-1]]), rel=1e-3, abs=1e-4)
    assert found.position_embedding == pytest.approx(read(transformer.wpe.weight[len(IDS) - 1]), rel=1e-3, abs=1e-4)
    biases = [block.attn.c_proj.bias for block in transformer.h] + [block.mlp.c_proj.bias for block in transformer.h]
    assert found.n_biases == len(biases) + 1
    of_norm = float(theirs.lm_head.weight[42] @ transformer.ln_f.bias)
    assert found.biases == pytest.approx(sum(map(read, biases)) + of_norm, rel=1e-3, abs=1e-4)
    assert found.total == pytest.approx(float(logit), rel=1e-4, abs=1e-4)


def test_a_token_that_there_is_not_is_refused(model):
    seen = activations.trace(model, IDS)
    for token, against in ((300, None), (-1, None), (0, 300)):  # 300 to 319 are padding
        with pytest.raises(ValueError, match="token must be from 0 to 299"):
            attribute(model, seen, 0, token, against)
