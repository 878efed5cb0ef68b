"""Packed weights: in float32 the model itself, in 16 and 8 bits the model with its weights rounded just so."""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core import checkpoint, generate, packed_model
from core.datasets import shakespeare
from core.datasets.pretraining import HeldOut
from core.generate import Model, Sampling
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, KVCache
from core.packed_model import FEW_ROWS, PRECISIONS, PackedGPT, pack

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "bard-base"
SHAPES = {
    "gelu_new": dict(activation_function="gelu_new"),
    "gelu": dict(activation_function="gelu"),
    "untied_head": dict(tie_word_embeddings=False),
    "no_qkv_bias": dict(qkv_bias=False),
    "attn_scale": dict(attn_scale=0.7),
    "no_padding_rows": dict(vocab_size=320),
}
FEW, MANY = (1, 9), (4, 12)  # texts, tokens
assert math.prod(FEW) <= FEW_ROWS < math.prod(MANY)


def some_ids(*shape: int) -> Tensor:
    return torch.randint(300, shape, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def logits(model: Model, idx: Tensor, **options: object) -> Tensor:
    return model(idx, **options)[0]  # type: ignore[arg-type]


@pytest.fixture(params=[1, 2, 3, 7])
def n_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# --- float32 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [FEW, MANY], ids=["few_rows", "many_rows"])
@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_logits_are_the_models(make_model, changes, size):
    model, idx = make_model(**changes), some_ids(*size)
    expected = logits(model, idx)
    assert expected.std() > 1  # far from uniform, so that a difference would show
    torch.testing.assert_close(logits(PackedGPT(model), idx), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(PackedGPT(model), idx, last_only=True), expected[:, -1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", [None, [0, 5, 2]], ids=["plain", "padded"])
def test_a_cache_goes_on_as_the_models_does(model, padding):
    packed, idx = PackedGPT(model), some_ids(3, 16)
    caches = [KVCache(m, 3, padding=padding and torch.tensor(padding)) for m in (model, packed)]
    for part in idx[:, :8], *idx[:, 8:].split(1, dim=1):  # a prompt, then token by token
        expected, ours = (logits(m, part, cache=cache) for m, cache in zip((model, packed), caches, strict=True))
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert caches[1].length == 16


def test_threads_share_a_matrix_also_where_their_number_does_not_divide_it(make_model, n_threads):
    model, idx = make_model(n_embd=30), some_ids(*FEW)
    packed = PackedGPT(model)
    assert packed.head.ways == {1: 1, 2: 2, 3: 3, 7: 6}[n_threads]
    torch.testing.assert_close(logits(packed, idx), logits(model, idx), rtol=1e-4, atol=1e-4)


def test_generated_texts_are_the_models(model):
    packed = PackedGPT(model)
    prompts = [[5, 290, 17, 42], [7], list(range(60, 72))]
    sampling = Sampling(max_new_tokens=40, temperature=0.9, top_p=0.95, seed=3)  # beyond the context of 16
    expected = generate.batch(model, prompts, sampling)
    assert generate.batch(packed, prompts, sampling) == expected
    steps = list(generate.stream(packed, prompts[0], sampling))
    assert [step.id for step in steps] == expected[0]
    theirs = [step.probability for step in generate.stream(model, prompts[0], sampling)]
    assert [step.probability for step in steps] == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("size", [FEW, MANY], ids=["few_rows", "many_rows"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_matrices_are_copies(make_model, precision, size):
    model, idx = make_model(tie_word_embeddings=False), some_ids(*size)
    packed = PackedGPT(model, precision)
    before, models = logits(packed, idx), logits(model, idx)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.add_(0.1)
    assert not torch.allclose(logits(model, idx), models, atol=1)
    assert torch.equal(logits(packed, idx), before)


# --- rounded --------------------------------------------------------------------------------------------------


def twin(model: GPT, weight: Callable[[Tensor], Tensor], inputs: Callable[[Tensor], Tensor] | None = None) -> GPT:
    """A copy of `model` with rounded matrices, and rounded inputs of them; embeddings stay exact, as in PackedGPT."""
    model = copy.deepcopy(model)
    for linear in [module for module in model.modules() if isinstance(module, nn.Linear)]:
        linear.weight = nn.Parameter(weight(linear.weight.detach()))  # a new one: a tied head lets go of the embedding
        if inputs:
            linear.register_forward_pre_hook(lambda _, args: inputs(args[0]))
    return model


def half(weight: Tensor) -> Tensor:
    return weight.half().float()


def int8(weight: Tensor) -> Tensor:
    """127 steps on each side of 0, a step for each output."""
    step = weight.abs().amax(1, keepdim=True).clamp(min=1e-10) / 127
    return (weight / step).round() * step


def int8_whole(weight: Tensor) -> Tensor:
    """Wrong: one step for the whole matrix."""
    step = weight.abs().max() / 127
    return (weight / step).round() * step


def seven_bits(x: Tensor) -> Tensor:
    """128 steps from the smallest input to the largest, one of them 0."""
    step = (x.max().clamp(min=0) - x.min().clamp(max=0)) / 127
    zero = (-x.min().clamp(max=0) / step).round()
    return ((x / step).round() + zero).clamp(0, 127).sub(zero) * step


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Root mean square of the difference, in standard deviations."""
    return float((ours - theirs).square().mean().sqrt() / theirs.std())


@pytest.mark.parametrize(
    ("precision", "inputs", "weight"),
    [("float32", None, torch.clone), ("float16", None, half), ("int8", seven_bits, int8)],
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_rows", [1, 5, 100])
def test_a_product_is_that_of_rounded_numbers(precision, inputs, weight, n_rows, bias):
    torch.manual_seed(0)
    linear, x = nn.Linear(96, 40, bias), torch.randn(n_rows, 96)
    with torch.no_grad():
        linear.weight.mul_(torch.logspace(-2, 1, 40)[:, None])  # outputs of very different size
        expected = F.linear(inputs(x) if inputs else x, weight(linear.weight), linear.bias)
        torch.testing.assert_close(pack(linear, precision)(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_float16_is_the_model_with_weights_rounded_to_16_bits(make_model, changes):
    model, idx = make_model(**changes), some_ids(*MANY)
    ours, rounded, exact = (logits(m, idx) for m in (PackedGPT(model, "float16"), twin(model, half), model))
    torch.testing.assert_close(ours, rounded, rtol=1e-4, atol=1e-4)
    assert 0 < distance(ours, exact) < 2e-3
    assert distance(ours, rounded) < distance(ours, exact) / 10


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_int8_is_the_model_with_weights_and_inputs_rounded_to_8_bits(make_model, changes):
    model, idx = make_model(**changes), some_ids(*MANY)
    with torch.no_grad():
        for linear in (module for block in model.blocks for module in block.modules() if isinstance(module, nn.Linear)):
            linear.weight.mul_(torch.logspace(-1.5, 0, len(linear.weight))[:, None])  # each output needs its own step
    ours, rounded, exact = (logits(m, idx) for m in (PackedGPT(model, "int8"), twin(model, int8, seven_bits), model))
    wrong = logits(twin(model, int8_whole, seven_bits), idx)
    assert 0 < distance(ours, exact) < 0.1
    assert distance(ours, rounded) < min(distance(ours, exact), distance(ours, wrong)) / 3


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_rounded_weights_write_too_with_a_cache_and_beyond_the_context(model, precision):
    packed = PackedGPT(model, precision)
    prompts = [[5, 290, 17, 42], [7]]
    texts = generate.batch(packed, prompts, Sampling(max_new_tokens=30, temperature=0.9))
    assert [len(text) for text in texts] == [30, 30]
    assert all(0 <= id < 300 for text in texts for id in text)


# --- what it costs --------------------------------------------------------------------------------------------


@torch.inference_mode()
def bits_per_byte(model: Model, held_out: HeldOut) -> float:
    nats = sum(
        F.cross_entropy(
            model(batch.inputs)[0].flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum"
        )
        for batch in held_out.batches
    )
    return float(nats) / held_out.n_bytes / math.log(2)


@pytest.mark.slow
def test_rounding_hardly_costs_anything_on_plays_never_seen():
    bard = checkpoint.load(SHIPPED)
    text = "".join(shakespeare.load("shakespeare").val)[:20_000]
    held_out = HeldOut([text], bard.tokenizer, bard.model.config.block_size, batch_size=16)
    exact = bits_per_byte(bard.model, held_out)
    cost = {precision: bits_per_byte(PackedGPT(bard.model, precision), held_out) - exact for precision in PRECISIONS}
    assert abs(cost["float32"]) < 1e-5
    assert abs(cost["float16"]) < 0.001
    assert abs(cost["int8"]) < 0.02


# --- refused --------------------------------------------------------------------------------------------------


def test_an_unknown_precision_is_refused(model):
    with pytest.raises(ValueError, match="precision must be one of float32, float16, int8, got 'int4'"):
        PackedGPT(model, "int4")


def test_a_model_that_is_not_on_the_cpu_is_refused(model):
    with pytest.raises(ValueError, match="only a model on the CPU can be packed, this one is on meta"):
        PackedGPT(copy.deepcopy(model).to("meta"))


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_precision_that_the_processor_lacks_is_one_sentence(model, precision, monkeypatch):
    def missing(*_):
        raise RuntimeError("Didn't find engine for operation")

    monkeypatch.setattr(packed_model, "round_to_16_bits", missing)
    monkeypatch.setattr(packed_model, "round_to_8_bits", missing)
    with pytest.raises(ValueError, match=f"precision {precision} is not available on this processor: use float32"):
        PackedGPT(model, precision)
    PackedGPT(model, "float32")
