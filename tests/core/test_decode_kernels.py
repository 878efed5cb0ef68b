"""The Triton kernels of a decode step against PyTorch: on a GPU, or with TRITON_INTERPRET=1 in Triton's interpreter."""

import os

import pytest
import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("needs a GPU, or Triton's interpreter", allow_module_level=True)
pytest.importorskip("triton")
kernels = pytest.importorskip("core.decode_kernels")

B, C, NH = 3, 96, 3


@pytest.fixture
def made():
    """`made(*shape)`: random numbers on the device."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator).to(DEVICE)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gelu", [None, "tanh", "none"])
@pytest.mark.parametrize("rows", [B, 20])
def test_linear(made, gelu, rows):
    x, weight, bias, y = made(rows, C), made(4 * C + 5, C), made(4 * C + 5), made(rows, 4 * C + 5)
    kernels.linear(y, x, weight, bias, gelu)
    expected = F.linear(x, weight, bias)
    close(y, expected if gelu is None else F.gelu(expected, approximate=gelu))


def test_linear_in_parts_and_the_norm_of_their_sum(made):
    x, inner, weight, bias = made(B, C), made(B, 4 * C), made(C, 4 * C), made(C)
    parts, normed = made(kernels.PARTS, B, C), made(B, C)
    expected = x + F.linear(inner, weight, bias)
    kernels.linear(parts, inner, weight)
    kernels.add_norm(normed, x, 1e-5, parts, bias)
    close(x, expected)
    close(normed, F.layer_norm(expected, (C,)))


def test_attend_stores_and_looks_back_to_the_padding(made):
    S, slot, padding = 300, 277, [0, 5, 277]  # more slots than are read at once; one text has just begun
    qkv, keys, values, y = made(B, 3 * C), made(B, NH, S, C // NH), made(B, NH, S, C // NH), made(B, C)
    q, k, v = qkv.view(B, 3, NH, -1).unbind(1)
    all_keys, all_values = keys.clone(), values.clone()
    all_keys[:, :, slot], all_values[:, :, slot] = k, v
    starts = torch.tensor(padding, dtype=torch.int32, device=DEVICE)
    kernels.attend(y, qkv, keys, values, torch.tensor([slot], dtype=torch.int32, device=DEVICE), starts, NH, 0.3)
    assert torch.equal(keys, all_keys) and torch.equal(values, all_values)
    seen = (torch.arange(slot + 1, device=DEVICE) >= starts[:, None])[:, None, None]
    keys, values = keys[:, :, : slot + 1], values[:, :, : slot + 1]
    close(y, F.scaled_dot_product_attention(q[:, :, None], keys, values, seen, scale=0.3).flatten(1))


def test_embed_counts_positions_from_the_padding(made):
    x, tokens, positions = made(B, C), made(5, C), made(100, C)
    ids, slot, padding = torch.tensor([3, 1, 2]), torch.tensor([77]), torch.tensor([0, 5, 77])
    kernels.embed(x, *(t.to(DEVICE) for t in (ids, tokens, positions, slot, padding)))
    close(x, (tokens.cpu()[ids] + positions.cpu()[77 - padding]).to(DEVICE))
