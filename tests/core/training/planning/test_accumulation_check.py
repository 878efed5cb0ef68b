"""The batch proof: one gradient however the batch is split, the mistake beside it, and a model left as it was."""

import pytest
import torch

from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.training.loop import FitConfig, language_model_loss
from core.training.planning.accumulation_check import LayerDifference, accumulation_check

CONFIG = FitConfig(device="cpu")


def masked_batch(*lengths: int) -> Batch:
    inputs = torch.randint(300, (len(lengths), 8), generator=torch.Generator().manual_seed(0))
    targets = inputs.roll(-1, 1)
    for row, length in enumerate(lengths):
        targets[row, length:] = IGNORE_INDEX
    return Batch(inputs, targets)


UNEQUAL = masked_batch(*[8, 8, 1, 1] * 16)
EQUAL = masked_batch(*[8] * 64)


def proof(model: GPT, batch: Batch, sizes: tuple[int, int] = (64, 2)) -> list[LayerDifference]:
    return accumulation_check(model, batch, language_model_loss, CONFIG, sizes)


@pytest.mark.parametrize("tied", [True, False])
def test_both_ways_give_the_same_gradient_in_every_layer(make_model, tied):
    layers = proof(make_model(tie_word_embeddings=tied), UNEQUAL)
    names = ["embedding", "block 1", "block 2", "final norm"] + ["head"] * (not tied)
    assert [layer.name for layer in layers] == names
    assert all(layer.difference < 1e-4 for layer in layers)
    assert all(layer.norm > 0.01 for layer in layers)


def test_the_mean_of_means_is_another_gradient_where_masks_are_unequal(model):
    assert all(layer.mistake > 0.02 for layer in proof(model, UNEQUAL))
    assert all(layer.mistake < 1e-4 for layer in proof(model, EQUAL))


def test_the_mistake_is_the_average_of_the_gradients_of_micro_batch_means(model):
    layers = {layer.name: layer for layer in proof(model, UNEQUAL)}
    whole = (language_model_loss(model, UNEQUAL) / UNEQUAL.n_targets,)
    means = [language_model_loss(model, micro) / micro.n_targets for micro in UNEQUAL.split(2)]
    right, wrong = (
        torch.autograd.grad(sum(losses) / len(losses), list(model.transformer.ln_f.parameters()))
        for losses in (whole, means)
    )
    apart = max((a - b).abs().max() for a, b in zip(right, wrong, strict=True)) / max(a.abs().max() for a in right)
    assert layers["final norm"].mistake == pytest.approx(apart.item(), rel=1e-3)
    assert layers["final norm"].norm == pytest.approx(torch.cat(right).norm().item(), rel=1e-4)


def test_a_wrong_split_would_be_seen(model):
    """A loss that depends on the split: the proof must not hold for it."""

    def uneven(model: GPT, batch: Batch) -> torch.Tensor:
        return language_model_loss(model, batch) * (2 if len(batch.inputs) < 64 else 1)

    layers = accumulation_check(model, EQUAL, uneven, CONFIG, (64, 2))
    assert all(layer.difference > 0.5 for layer in layers)


def test_dropout_is_off_and_comes_back(make_model):
    model = make_model(dropout=0.5)
    assert all(layer.difference < 1e-4 for layer in proof(model, UNEQUAL))
    assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [0.5] * 5
    assert [block.attn.dropout for block in model.blocks] == [0.5, 0.5]


def test_a_bfloat16_training_is_proved_in_float32(model):
    layers = accumulation_check(model, UNEQUAL, language_model_loss, FitConfig(device="cpu", dtype="bfloat16"), (64, 2))
    assert all(layer.difference < 1e-4 for layer in layers)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(make_model, training):
    model = make_model().train(training)
    model.blocks[0].eval()  # as one who freezes a part of it may have left it
    model.transformer.wpe.weight.grad = marker = torch.ones_like(model.transformer.wpe.weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    proof(model, UNEQUAL)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.training, model.blocks[0].attn.training, model.blocks[1].training) == (training, False, training)
    grads = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert list(grads) == ["transformer.wpe.weight"]
    assert grads["transformer.wpe.weight"] is marker
    assert torch.equal(marker, torch.ones_like(marker))


def test_a_batch_without_targets_is_refused(model):
    with pytest.raises(ValueError, match="the batch has nothing to learn from"):
        proof(model, masked_batch(0, 0))
