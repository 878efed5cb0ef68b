"""Task arithmetic equals a plain loop over state dicts, is exact at both ends, and says what cannot be mixed."""

from collections.abc import Callable

import pytest
import torch
import torch.nn as nn

from core import lora
from core.model import GPT
from core.packed_model import PackedGPT
from core.rlhf.task_vectors import mix, part_of, parts

Make = Callable[..., GPT]


def moved(parent: GPT, make_model: Make, seed: int) -> GPT:
    """A child of which all but one matrix has learned something."""
    child = make_model()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weights in child.named_parameters():
            if name != "transformer.h.1.mlp.c_fc.weight":
                weights.copy_(torch.randn_like(weights))
    return child


@pytest.fixture
def children(model: GPT, make_model: Make) -> tuple[GPT, GPT]:
    return moved(model, make_model, 1), moved(model, make_model, 2)


def equal(one: GPT, other: GPT) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_at_0_it_is_the_parent_and_at_1_the_child_bit_for_bit(model: GPT, children: tuple[GPT, GPT]):
    one, two = children
    assert not equal(model, one)
    assert equal(mix(model, []), model) and equal(mix(model, [(one, 0.0), (two, 0.0)]), model)
    assert equal(mix(model, [(one, 1.0)]), one)
    assert equal(mix(model, [(one, 0.0), (two, 1.0)]), two), "so are the corners of the pad"


@pytest.mark.parametrize("amounts", [(0.5,), (-1.0,), (2.0,), (0.3, 0.6), (-0.5, 1.5)])
def test_it_equals_a_plain_loop_over_state_dicts(model: GPT, children: tuple[GPT, GPT], amounts: tuple[float, ...]):
    some = list(zip(children, amounts, strict=False))
    plain = {name: start.clone() for name, start in model.state_dict().items()}
    for child, a in some:
        for name, end in child.state_dict().items():
            plain[name] += a * (end - model.state_dict()[name])
    torch.testing.assert_close(mix(model, some).state_dict(), plain)


def test_what_is_the_same_is_shared_and_the_head_stays_tied(model: GPT, children: tuple[GPT, GPT]):
    found = mix(model, [(children[0], 0.5)])
    same = model.blocks[1].mlp.c_fc.weight
    assert found.blocks[1].mlp.c_fc.weight is same
    assert found.lm_head.weight is found.transformer.wte.weight
    assert found.lm_head.weight is not model.lm_head.weight


def test_a_part_that_is_off_stays_the_parents(model: GPT, children: tuple[GPT, GPT]):
    child = children[0]
    assert parts(model.config) == ["attn.0", "mlp.0", "attn.1", "mlp.1", "embeddings"]
    found = mix(model, [(child, 1.0)], off={"attn.0", "mlp.1"}).state_dict()
    for name, value in found.items():
        stays = name.startswith(("transformer.h.0.attn.", "transformer.h.0.ln_1.", "transformer.h.1.mlp."))
        stays = stays or name.startswith("transformer.h.1.ln_2.")
        assert torch.equal(value, (model if stays else child).state_dict()[name]), name
    assert equal(mix(model, [(child, 1.0)], off=parts(model.config)), model)
    assert part_of("transformer.wpe.weight") == part_of("lm_head.weight") == "embeddings"
    with pytest.raises(ValueError, match=r"'attn.2. is no part of this model: its parts are attn.0, mlp.0"):
        mix(model, [(child, 1.0)], off={"attn.2"})


def test_what_cannot_be_mixed_is_told_in_words(model: GPT, make_model: Make):
    with pytest.raises(ValueError, match=r"these differ: n_layer 2 and 3, block_size 16 and 32 \(parent and child\)"):
        mix(model, [(make_model(n_layer=3, block_size=32), 0.5)])
    with pytest.raises(ValueError, match="these differ: vocab_size 300 and 290"):
        mix(model, [(make_model(vocab_size=290), 0.5)])
    mix(model, [(make_model(dropout=0.1), 0.5)])  # which changes no weight's meaning
    adapted = make_model()
    lora.add(adapted, rank=2, alpha=2.0)
    with pytest.raises(ValueError, match="still has its LoRA beside its weights: merge it first"):
        mix(model, [(adapted, 0.5)])
    mix(model, [(lora.merge_adapters(adapted), 0.5)])
    with pytest.raises(ValueError, match="a PackedGPT has no weights that can be mixed"):
        mix(PackedGPT(model), [])  # type: ignore[arg-type]
    rounded = make_model()
    rounded.transformer.ln_f.weight = nn.Parameter(torch.ones(32, dtype=torch.int8), requires_grad=False)
    with pytest.raises(ValueError, match="rounded to integers: give the model that they were rounded from"):
        mix(model, [(rounded, 0.5)])
