"""A patched run is one of transformers with the same weights in which a hook puts the activation in by hand."""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForCausalLM

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.interpretability.patching import PATCHES, make_pair

CLEAN = [5, 290, 17, 17, 3, 101, 42]
CHANGED = [5, 290, 18, 17, 3, 7, 42]
SIZE = 16  # of a head
SHAPES = [dict(n_layer=3), dict(activation_function="gelu", qkv_bias=False, tie_word_embeddings=False)]


@pytest.fixture(scope="module", params=SHAPES, ids=["gpt2", "other"])
def ours_and_theirs(make_model, tmp_path_factory, tokenizer, request):
    directory = tmp_path_factory.mktemp("patching") / "model"
    checkpoint.save(directory, make_model(**request.param), tokenizer, Card())
    return checkpoint.load(directory).model, AutoModelForCausalLM.from_pretrained(directory).eval()


@torch.inference_mode()
def difference(theirs, ids: list[int], answers: tuple[int, int]) -> float:
    logits = theirs(torch.tensor([ids])).logits[0, -1]
    return float(logits[answers[0]] - logits[answers[1]])


def place_of(theirs, kind: str, layer: int) -> tuple[torch.nn.Module, bool]:
    """The module at which a kind of activation passes, and whether it is its input."""
    transformer = theirs.transformer
    if kind == "residual":
        at_end = layer == len(transformer.h)
        return (transformer.ln_f, True) if at_end else (transformer.h[layer], True)
    block = transformer.h[layer]
    return (block.attn.c_proj, True) if kind == "heads" else (block.mlp, False)


def patched(theirs, kind: str, layer: int, index: int, answers: tuple[int, int]) -> float:
    """The difference after the changed text with one activation of the clean one: a position's, or a head's."""
    module, is_input = place_of(theirs, kind, layer)
    kept: list[torch.Tensor] = []

    def through(hook: Callable[[torch.Tensor], torch.Tensor], ids: list[int]) -> float:
        if is_input:
            handle = module.register_forward_pre_hook(lambda module, args: (hook(args[0]), *args[1:]))
        else:
            handle = module.register_forward_hook(lambda module, args, output: hook(output))
        found = difference(theirs, ids, answers)
        handle.remove()
        return found

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept.append(x.clone())
        return x

    def replace(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        where = (0, slice(None), slice(index * SIZE, (index + 1) * SIZE)) if kind == "heads" else (0, index)
        x[where] = kept[0][where]
        return x

    through(keep, CLEAN)
    return through(replace, CHANGED)


@pytest.mark.parametrize("kind", list(PATCHES))
def test_patches_are_those_of_hooks_in_transformers(ours_and_theirs, kind):
    ours, theirs = ours_and_theirs
    pair = make_pair(ours, activations.trace(ours, CLEAN), activations.trace(ours, CHANGED), 9, 200)
    answers = (9, 200)
    clean, changed = (difference(theirs, ids, answers) for ids in (CLEAN, CHANGED))
    assert (pair.clean_difference, pair.changed_difference) == pytest.approx((clean, changed), abs=1e-3)
    assert pair.first == 2
    for layer in range(ours.config.n_layer + (kind == "residual")):
        found = PATCHES[kind](ours, pair, layer)
        expected = [patched(theirs, kind, layer, index, answers) for index in range(len(found))]
        shares = torch.tensor([(value - changed) / (clean - changed) for value in expected])
        assert len(found) == (2 if kind == "heads" else len(CLEAN))
        torch.testing.assert_close(found, shares, rtol=1e-3, atol=1e-3)


def test_what_the_last_block_leaves_behind_the_last_token_brings_back_all(model):
    pair = make_pair(model, activations.trace(model, CLEAN), activations.trace(model, CHANGED))
    logits = [model(torch.tensor([ids]))[0][0, -1] for ids in (CLEAN, CHANGED)]
    assert [pair.answer, pair.other] == [int(row.argmax()) for row in logits]
    assert PATCHES["residual"](model, pair, 2).tolist() == pytest.approx([0] * 6 + [1], abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "answers", "said"),
    [
        (CLEAN[:-1], (1, 2), "equally many tokens, got 7 and 6"),
        (CLEAN, (1, 2), "the same: replace a word"),
        (CHANGED, (4, 4), "the same token: give two that differ"),
    ],
)
def test_what_cannot_be_patched_is_refused(model, changed, answers, said):
    with pytest.raises(ValueError, match=said):
        make_pair(model, activations.trace(model, CLEAN), activations.trace(model, changed), *answers)


def test_answers_that_hardly_tell_the_texts_apart_are_refused(model):
    with torch.no_grad():
        model.lm_head.weight[8] = model.lm_head.weight[9] * 1.00001
    with pytest.raises(ValueError, match=r"by only 0\.\d+: change more, or choose other answers"):
        make_pair(model, activations.trace(model, CLEAN), activations.trace(model, CHANGED), 8, 9)
