"""LoRA: begins as the model was, trains A and B alone, and folds into a plain model that gives the same logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from core import checkpoint, lora
from core.checkpoint import Card
from core.model import GPT

IDX = torch.arange(24).view(2, 12)
LAYERS = 2 * 4  # two blocks with four matrices each


def logits(model: GPT) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDX)[0]


@pytest.fixture
def learned(make_model: Callable[..., GPT]) -> GPT:
    """A model with LoRA whose B are no longer zero."""
    torch.manual_seed(1)
    model = make_model()
    lora.add(model, rank=4, alpha=8.0)
    with torch.no_grad():
        for name, value in lora.changes(model).items():
            value.normal_(std=0.3 if name.endswith(".B") else 0.1)
    return model


def test_the_model_is_unchanged_at_first(make_model):
    model = make_model()
    lora.add(model, rank=4, alpha=8.0)
    assert len(lora.changes(model)) == 2 * LAYERS
    assert torch.equal(logits(model), logits(make_model()))
    assert all(value.any() for name, value in lora.changes(model).items() if name.endswith(".A"))


def test_a_change_weighs_alpha_by_rank(model):
    """W' = W + (alpha / rank) B A, by hand on one layer."""
    linear = model.blocks[0].mlp.c_fc
    layer = lora.LoRALinear(linear, rank=2, alpha=6.0)
    torch.nn.init.normal_(layer.B)
    x = torch.randn(3, linear.in_features)
    changed = linear.weight + 3.0 * sum(torch.outer(layer.B[:, r], layer.A[r]) for r in range(2))
    torch.testing.assert_close(layer(x), x @ changed.T + linear.bias)
    assert [name for name, value in layer.named_parameters() if value.requires_grad] == ["A", "B"]


def test_the_merged_model_is_a_plain_one_with_the_same_logits(learned, model, tokenizer, tmp_path):
    merged = lora.merge_adapters(learned)
    torch.testing.assert_close(logits(merged), logits(learned), rtol=1e-5, atol=1e-5)
    assert (logits(merged) - logits(model)).abs().max() > 0.1
    assert merged.state_dict().keys() == model.state_dict().keys()
    assert len(lora.changes(learned)) == 2 * LAYERS  # it goes on learning
    checkpoint.save(tmp_path, merged, tokenizer, Card())
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(learned), theirs(IDX).logits.detach(), rtol=1e-4, atol=1e-4)


def test_what_has_no_change_is_merged_already(model):
    assert lora.merge_adapters(model) is model


def test_only_a_and_b_learn(learned):
    learned.train().summed_loss(IDX[:, :-1], IDX[:, 1:]).backward()
    with_gradient = {name for name, value in learned.named_parameters() if value.grad is not None}
    assert with_gradient == lora.changes(learned).keys() and len(with_gradient) == 2 * LAYERS
    assert all(value.grad.any() for value in lora.changes(learned).values())


def test_a_rank_that_is_no_low_rank_is_refused(make_model):
    with pytest.raises(ValueError, match="lora_rank must be below 32, got 32"):
        lora.add(make_model(), rank=32, alpha=1.0)
    lora.add(make_model(), rank=31, alpha=1.0)


def with_rank(make_model: Callable[..., GPT], rank: int) -> GPT:
    model = make_model()
    lora.add(model, rank, alpha=2.0 * rank)
    return model


def test_what_is_saved_is_loaded_into_the_same_rank_only(learned, make_model, tmp_path):
    lora.save(tmp_path, learned)
    again = with_rank(make_model, 4)
    lora.load(tmp_path, again)
    assert torch.equal(logits(again), logits(learned))
    with pytest.raises(ValueError, match="is of another rank or model: lora_rank cannot change in a run"):
        lora.load(tmp_path, with_rank(make_model, 3))
    path = tmp_path / lora.ADAPTER_FILE
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=f"{lora.ADAPTER_FILE} is truncated or damaged"):
        lora.load(tmp_path, again)


def test_a_model_without_changes_saves_none(model, tmp_path: Path):
    lora.save(tmp_path, model)
    assert not any(tmp_path.iterdir())
