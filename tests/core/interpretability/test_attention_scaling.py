"""The square root of d_k: measured spread against theory, and the softmax's gradient against autograd."""

import math

import pytest
import torch

from core.interpretability.activations import apply_causal_mask
from core.interpretability.attention_scaling import softmax_at, variance_by_width


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_variance_of_a_dot_product_grows_with_its_width_as_vaswani_et_al_say():
    variance = variance_by_width(gaussian(200, 64), gaussian(200, 64, seed=1))
    expected = torch.arange(1.0, 65.0)
    torch.testing.assert_close(variance, expected, rtol=0.15, atol=0)


def test_the_variance_is_of_standardised_vectors_and_of_visible_pairs():
    q, k = gaussian(60, 8), gaussian(60, 8, seed=1)
    torch.testing.assert_close(variance_by_width(q * 7 + 3, k * 0.1 - 5), variance_by_width(q, k), rtol=1e-3, atol=1e-3)
    standard = [(x - x.mean(0)) / x.std(0) for x in (q, k)]
    pairs = torch.stack([standard[0][i] @ standard[1][j] for i in range(60) for j in range(i + 1)])
    torch.testing.assert_close(variance_by_width(q, k)[-1], pairs.var(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.25, 0.01])
def test_the_gradient_is_the_norm_of_the_softmaxs_jacobian(scale):
    raw = gaussian(6, 6) * 4
    rows = apply_causal_mask(raw * scale)
    norms = [torch.autograd.functional.jacobian(lambda x: x.softmax(0), rows[t, : t + 1]).norm() for t in range(1, 6)]
    found = softmax_at(raw, scale)
    assert found.gradient == pytest.approx(float(torch.stack(norms).mean()), rel=1e-4)
    weights = rows.softmax(-1)[1:]
    assert found.largest == pytest.approx(float(weights.amax(-1).mean()), rel=1e-5)
    assert found.spread == pytest.approx(float((raw * scale)[torch.ones(6, 6).tril().bool()].std()), rel=1e-5)


def test_a_large_factor_leaves_one_token_and_no_gradient_a_small_one_all_alike():
    raw = gaussian(20, 20) * 8
    sharp, flat = softmax_at(raw, 1000.0), softmax_at(raw, 1e-6)
    assert sharp.largest > 0.99 and sharp.entropy < 0.05 and sharp.gradient < 0.02
    assert flat.evenness == pytest.approx(1, abs=1e-4)
    assert flat.entropy == pytest.approx(sum(math.log2(n) for n in range(2, 21)) / 19, abs=1e-3)


def test_one_token_has_no_choice():
    with pytest.raises(ValueError, match="give two tokens at least"):
        softmax_at(torch.zeros(1, 1), 1.0)
