"""What the probe shows is what the model does, and what Hugging Face's GPT-2 does with the same weights."""

import math
import threading

import pytest
import torch
from transformers import AutoModelForCausalLM

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.tokenizer import Tokenizer

IDS = [5, 290, 17, 17, 3, 101, 42, 200, 9]
T = len(IDS)


@pytest.fixture(scope="module")
def ours_and_theirs(make_model, tmp_path_factory, tokenizer: Tokenizer):
    """One model, opened by us and by transformers; tanh GELU, as GPT-2 has it."""
    directory = tmp_path_factory.mktemp("probe") / "model"
    checkpoint.save(directory, make_model(n_layer=3), tokenizer, Card())
    theirs = AutoModelForCausalLM.from_pretrained(directory, attn_implementation="eager").eval()
    return checkpoint.load(directory).model, theirs


@pytest.fixture(scope="module")
def their_pass(ours_and_theirs):
    with torch.inference_mode():
        return ours_and_theirs[1](torch.tensor([IDS]), output_attentions=True, output_hidden_states=True)


def test_attention_weights_are_those_of_transformers(ours_and_theirs, their_pass):
    weights = activations.attention(ours_and_theirs[0], IDS)
    torch.testing.assert_close(weights, torch.cat(their_pass.attentions), rtol=1e-4, atol=1e-5)


def test_one_head_alone_has_the_weights_of_transformers(ours_and_theirs, their_pass):
    seen = activations.trace(ours_and_theirs[0], IDS)
    for layer, head in ((0, 0), (2, 1)):
        weights = activations.head_attention(ours_and_theirs[0], seen, layer, head)
        torch.testing.assert_close(weights, their_pass.attentions[layer][0, head], rtol=1e-4, atol=1e-5)


def test_queries_keys_and_values_are_those_of_transformers(ours_and_theirs):
    ours, theirs = ours_and_theirs
    seen: list[torch.Tensor] = []
    handles = [
        block.attn.c_attn.register_forward_hook(lambda module, args, output: seen.append(output[0]))
        for block in theirs.transformer.h
    ]
    with torch.inference_mode():
        theirs(torch.tensor([IDS]))
    for handle in handles:
        handle.remove()
    trace = activations.trace(ours, IDS)
    for layer in range(3):
        for mine, their in zip(activations.qkv(ours, trace, layer), seen[layer].split(32, -1), strict=True):
            torch.testing.assert_close(mine, their.unflatten(-1, (2, 16)).transpose(0, 1), rtol=1e-4, atol=1e-4)


def test_the_logit_lens_reads_what_transformers_left_behind_every_layer(ours_and_theirs, their_pass):
    ours, theirs = ours_and_theirs
    lens = activations.logit_lens(ours, activations.trace(ours, IDS), k=4)
    with torch.inference_mode():
        # transformers' last hidden state has been through the last layer norm already
        *before, last = their_pass.hidden_states
        logits = [theirs.lm_head(theirs.transformer.ln_f(stream[0])) for stream in before] + [theirs.lm_head(last[0])]
    for layer, row in enumerate(logits):
        likely = row.softmax(-1)
        best = likely.topk(4)
        torch.testing.assert_close(lens.probabilities[layer], best.values, rtol=1e-3, atol=1e-5)
        assert lens.ids[layer, :, 0].tolist() == best.indices[:, 0].tolist()
        expected = likely[:-1].gather(1, torch.tensor(IDS[1:])[:, None])[:, 0]
        torch.testing.assert_close(lens.actual[layer], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("heads", [[(0, 1)], [(0, 0), (2, 1)], [(1, 0), (1, 1)]])
@torch.inference_mode()
def test_switching_heads_off_equals_zeroing_their_output_in_transformers(ours_and_theirs, heads):
    ours, theirs = ours_and_theirs

    def zero(layer):
        def hook(module, args):
            heads_side_by_side = args[0].clone()
            for off_layer, head in heads:
                if off_layer == layer:
                    heads_side_by_side[..., head * 16 : (head + 1) * 16] = 0
            return (heads_side_by_side,)

        return hook

    blocks = enumerate(theirs.transformer.h)
    handles = [block.attn.c_proj.register_forward_pre_hook(zero(layer)) for layer, block in blocks]
    expected = theirs(torch.tensor([IDS])).logits
    for handle in handles:
        handle.remove()
    with activations.ablate_heads(ours, heads):
        logits, _ = ours(torch.tensor([IDS]))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits, ours(torch.tensor([IDS]))[0], atol=1e-2), "the heads are on again afterwards"


def test_the_map_of_changes_is_what_switching_off_one_head_after_the_other_gives(ours_and_theirs):
    model, _ = ours_and_theirs
    seen = activations.trace(model, IDS)
    whole = activations.losses(model, seen).mean()
    for layer in range(3):
        changes = activations.ablate_layer(model, seen, layer)
        assert changes.shape == (2,)
        for head in range(2):
            with activations.ablate_heads(model, [(layer, head)]):
                expected = activations.losses(model, activations.trace(model, IDS)).mean() - whole
            torch.testing.assert_close(changes[head], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("attn_scale", [None, 1.0, 0.05])
def test_the_steps_lead_from_q_and_k_to_the_weights_and_the_heads_output(make_model, attn_scale):
    model = make_model(attn_scale=attn_scale)
    weights, seen = activations.attention(model, IDS), activations.trace(model, IDS)
    for query in (0, 4, T - 1):
        steps = activations.steps(model, seen, 1, 0, query)
        torch.testing.assert_close(steps.raw, (steps.q * steps.k).sum(-1), rtol=1e-4, atol=1e-4)
        assert steps.scale == (0.25 if attn_scale is None else attn_scale)  # 1 / sqrt(16)
        torch.testing.assert_close(steps.scaled, steps.raw * steps.scale)
        assert steps.masked[query + 1 :].eq(-math.inf).all() and steps.masked[: query + 1].isfinite().all()
        torch.testing.assert_close(steps.weights, weights[1, 0, query], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(steps.output, (weights[1, 0, query, :, None] * steps.v).sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.01])
@torch.inference_mode()
def test_rescaling_equals_a_model_made_with_that_scale(make_model, scale):
    expected, _ = make_model(attn_scale=scale)(torch.tensor([IDS]))
    model = make_model()
    with activations.rescale_attention(model, scale):
        logits, _ = model(torch.tensor([IDS]))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


def test_losses_and_the_next_token_are_those_of_the_model(model):
    idx = torch.tensor([IDS])
    with torch.inference_mode():
        logits, loss = model(idx, torch.tensor([[*IDS[1:], -100]]))
    seen = activations.trace(model, IDS)
    torch.testing.assert_close(activations.losses(model, seen).mean(), loss)
    torch.testing.assert_close(activations.next_token(model, seen), logits[0, -1].softmax(-1))
    torch.testing.assert_close(activations.next_token(model, seen, 3), logits[0, 3].softmax(-1))
    with pytest.raises(ValueError, match="two tokens at least"):
        activations.losses(model, activations.trace(model, IDS[:1]))


def test_looking_leaves_no_hook_behind(model):
    activations.attention(model, IDS)
    with pytest.raises(ValueError):
        activations.attention(model, list(range(17)))
    with activations.ablate_heads(model, [(0, 0)]), activations.rescale_attention(model, 1.0):
        activations.trace(model, IDS)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_another_thread_does_with_the_model_is_neither_noted_nor_changed(model):
    idx, seen = torch.tensor([IDS]), {}
    expected = model(idx)[0]

    def change(number: int, output: torch.Tensor) -> torch.Tensor:
        seen[threading.get_ident()] = number
        return output * 0

    with activations.each_output([block.attn for block in model.blocks], change):
        results = []
        other = threading.Thread(target=lambda: results.append(model(idx)[0]))
        other.start()
        other.join()
        assert not seen
        torch.testing.assert_close(results[0], expected)
        assert not torch.allclose(model(idx)[0], expected)
    assert list(seen) == [threading.get_ident()]


@pytest.mark.parametrize(
    ("ids", "sentence"), [([], "give at least one token"), (list(range(17)), "17 tokens do not fit into the context")]
)
def test_nothing_and_too_much_are_refused(model, ids, sentence):
    with pytest.raises(ValueError, match=sentence):
        activations.attention(model, ids)
