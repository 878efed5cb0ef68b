"""Muon: orthogonal updates, three matrices in c_attn, every weight trained by exactly one optimiser."""

import math

import pytest
import torch

from core.training.optimizer import Muon, make_optimizers, orthogonal, take_step


def optimizers_for(model, kind: str = "muon", **changes):
    settings = dict(lr=0.1, weight_decay=0.0, betas=(0.9, 0.99), momentum=0.95) | changes
    return make_optimizers(model, kind, **settings)


def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values():
    generator = torch.Generator().manual_seed(0)
    for shape in [(3, 16, 16), (2, 32, 8), (2, 8, 32)]:
        matrices = torch.randn(shape, generator=generator) * 7
        u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
        turned = u.mT @ orthogonal(matrices) @ vh.mT  # diagonal, if the singular vectors are the same
        values = turned.diagonal(dim1=1, dim2=2)
        assert values.min() > 0.6 and values.max() < 1.3
        assert (turned - torch.diag_embed(values)).abs().max() < 1e-4


def test_each_weight_is_trained_by_one_optimizer_and_muon_has_the_matrices_of_the_blocks(model):
    names = {parameter: name for name, parameter in model.named_parameters()}
    adamw, muon = (
        [names[p] for group in optimizer.param_groups for p in group["params"]] for optimizer in optimizers_for(model)
    )
    assert sorted(adamw + muon) == sorted(names.values())
    assert len(muon) == 4 * model.config.n_layer
    assert all(".h." in name and name.endswith(".weight") and "ln_" not in name for name in muon)
    (everything,) = optimizers_for(model, "adamw")
    assert sum(len(group["params"]) for group in everything.param_groups) == len(names)


def test_frozen_weights_are_left_alone(model):
    model.transformer.h[0].requires_grad_(False)
    trained = [p for o in optimizers_for(model) for group in o.param_groups for p in group["params"]]
    assert all(parameter.requires_grad for parameter in trained)


@pytest.mark.parametrize("name", ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"])
def test_a_step_is_that_of_each_matrix_alone(model, name):
    """Worked out by hand: queries, keys and values apart, every layer apart, Nesterov momentum over two gradients."""
    layers = [block.get_submodule(name).weight for block in model.blocks]
    before = [weight.detach().clone() for weight in layers]
    optimizers = optimizers_for(model, momentum=0.9, weight_decay=0.5)
    generator = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(w.shape, generator=generator) for w in layers] for _ in range(2)]
    expected = before
    momenta = [torch.zeros_like(w) for w in before]
    for step in gradients:
        for weight, gradient in zip(layers, step, strict=True):
            weight.grad = gradient.clone()
        take_step(optimizers, lr=0.1)
        momenta = [0.9 * m + 0.1 * g for m, g in zip(momenta, step, strict=True)]
        moved = []
        for weight, momentum, gradient in zip(expected, momenta, step, strict=True):
            ahead = 0.9 * momentum + 0.1 * gradient
            parts = ahead.chunk(3) if name == "attn.c_attn" else [ahead]
            scale = 0.1 * 0.2 * math.sqrt(max(parts[0].shape))
            update = torch.cat([orthogonal(part[None])[0] for part in parts])
            moved.append(weight * (1 - 0.1 * 0.5) - scale * update)
        expected = moved
    for weight, wanted in zip(layers, expected, strict=True):
        torch.testing.assert_close(weight.detach(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["attn.c_proj", "mlp.c_fc", "mlp.c_proj"])
def test_steps_are_those_of_torchs_own_muon_but_for_its_rounding(make_model, name):
    """Of matrices that are one; it takes queries, keys and values for one too, and multiplies in bfloat16."""
    ours, theirs = (make_model(n_embd=64).transformer.h[0].get_submodule(name).weight for _ in range(2))
    before = ours.detach().clone()
    settings = dict(momentum=0.95, weight_decay=0.5)
    optimizers = [
        Muon([{"params": [ours]}], 0.1, **settings),
        torch.optim.Muon([theirs], lr=0.1, adjust_lr_fn="match_rms_adamw", **settings),
    ]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        gradient = torch.randn(ours.shape, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        take_step(optimizers, lr=0.1)
    assert (ours - theirs).norm() < 0.02 * (theirs - before).norm()


def test_stacking_a_few_at_a_time_changes_nothing(make_model, monkeypatch):
    results = []
    for stack in (1, 2**24):
        monkeypatch.setattr("core.training.optimizer.STACK", stack)
        model = make_model()
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        take_step(optimizers_for(model), lr=0.1)
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)


def test_gradients_are_forgotten_and_a_matrix_without_one_stays(model):
    first, second = (block.mlp.c_fc.weight for block in model.blocks)
    before = second.detach().clone()
    first.grad = torch.ones_like(first)
    optimizers = optimizers_for(model)
    take_step(optimizers, lr=0.1)
    assert first.grad is None
    assert torch.equal(second.detach(), before)
    assert any(isinstance(optimizer, Muon) for optimizer in optimizers)
