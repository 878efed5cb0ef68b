"""Dropout on a CPU against its definition, and attention with it against torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.dropout import Dropout, attention_with_dropout, survivors
from core.training.device import autocast


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_activation_stays_with_its_probability_whatever_those_beside_it_do(p):
    """Four are drawn from one word of random bits: each of the four places, and each pair of them."""
    torch.manual_seed(0)
    stays = survivors(torch.Size((50_000, 4)), p).double()
    torch.testing.assert_close(stays.mean(0), torch.full((4,), 1 - p).double(), rtol=0, atol=0.01)
    torch.testing.assert_close(stays.T.corrcoef(), torch.eye(4).double(), rtol=0, atol=0.02)


def test_what_stays_is_divided_by_its_probability_and_so_is_its_gradient():
    torch.manual_seed(0)
    x = torch.randn(33, 7, requires_grad=True)
    y = Dropout(0.25)(x)
    y.sum().backward()
    stayed = y != 0
    assert 0.65 < stayed.float().mean() < 0.85
    torch.testing.assert_close(y, torch.where(stayed, x / 0.75, 0.0))
    torch.testing.assert_close(x.grad, torch.where(stayed, 1 / 0.75, 0.0))


def test_the_seed_decides_what_stays():
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(5, 13))

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))


def inputs(T: int, hs: int = 8) -> list[Tensor]:
    generator = torch.Generator().manual_seed(T)
    return [torch.randn(2, T, 3, hs, generator=generator).transpose(1, 2).requires_grad_() for _ in range(3)]


def padded(T: int) -> Tensor:
    """What may be looked at (2, 1, T, T) where the second text begins two tokens later: its first see nothing."""
    seen = torch.ones(2, 1, T, T, dtype=torch.bool).tril()
    seen[1, ..., :2] = False
    return seen


@pytest.mark.parametrize(
    ("T", "layout"), [(1, False), *((T, layout) for T in (5, 64, 65, 200, 300) for layout in (False, True))]
)
def test_attention_of_which_nothing_is_dropped_is_that_of_torch(T, layout):
    """A dropout of 2^-20 is one of 0 here: in one piece, in several, with a last one that is smaller."""
    mask = padded(T) if layout else None
    given, looking = inputs(T), slice(2, None) if layout else slice(None)  # who sees nothing means nothing
    ours = attention_with_dropout(*given, mask, 2**-20, 0.3)[:, :, looking]
    theirs = F.scaled_dot_product_attention(*given, mask, is_causal=mask is None, scale=0.3)[:, :, looking]
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((y * weights).sum(), given) for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_shares_of_attention_are_dropped_each_for_itself():
    """Where the values are unit vectors, what comes out are the shares themselves."""
    T = 150
    q, k, _ = (x.detach() for x in inputs(T))
    unit = torch.eye(T).expand(2, 3, T, T)
    torch.manual_seed(0)
    dropped = attention_with_dropout(q, k, unit, None, 0.25, 0.1)
    shares = F.scaled_dot_product_attention(q, k, unit, is_causal=True, scale=0.1)
    stayed = dropped != 0
    torch.testing.assert_close(dropped, torch.where(stayed, shares / 0.75, 0.0))
    assert stayed[shares != 0].float().mean() == pytest.approx(0.75, abs=0.01)


def test_attention_under_bfloat16_is_rounded_only_at_its_end():
    given = [x.detach().bfloat16() for x in inputs(100)]
    with autocast(torch.device("cpu"), "bfloat16"):
        y = attention_with_dropout(*given, None, 2**-20, 0.3)
    expected = attention_with_dropout(*(x.float() for x in given), None, 2**-20, 0.3)
    assert y.dtype == torch.bfloat16 and torch.equal(y, expected.bfloat16())
