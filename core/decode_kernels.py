"""Triton kernels of a decode step: one token of each text through the model, seven launches a layer.

One token is little work: a step is as fast as the weights are read, if nothing else gets in between. So bias, GELU,
residual and layer norm are computed where numbers are read or written anyway, the attention stores the new key and
value itself, and matrices with few outputs are split along their inputs, so that all of the GPU reads them.

A program makes the products of ROWS texts. It always makes as many, in the same order, so a text's numbers do not
depend on how many others are written beside it. Numbers are summed in float32.

Shapes: B texts, C n_embd, nh heads, hs head size, N outputs, K inputs, V vocab_size, S slots of the cache.
"""

import triton
import triton.language as tl
from torch import Tensor

ROWS = 16  # tensor cores multiply no fewer
PARTS = 4  # of its inputs, for a matrix with few outputs
GELU = {None: 0, "tanh": 1, "none": 2}  # the last two in the words of torch.nn.functional.gelu


def embed(x: Tensor, ids: Tensor, tokens: Tensor, positions: Tensor, slot: Tensor, padding: Tensor) -> None:
    """x (B, C) = tokens[ids] + positions[slot - padding]; ids and padding (B,), slot (1,)."""
    B, C = x.shape
    embed_kernel[(B,)](x, ids, tokens, positions, slot, padding, C, WIDTH=triton.next_power_of_2(C))


def linear(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None, gelu: str | None = None) -> None:
    """y (B, N) = gelu(x W^T + b), with x (B, K) and weight (N, K).

    gelu: "none" for the exact form, "tanh"; None = no GELU. A y of (PARTS, B, N) takes the products of parts of x with
    parts of W, whose sum is x W^T.
    """
    (B, K), N, parts = x.shape, len(weight), len(y) if y.dim() == 3 else 1
    many = N > 16 * K  # of the head's outputs: enough for each program to read more
    linear_kernel[(triton.cdiv(B, ROWS), triton.cdiv(N, 64 if many else 16), parts)](
        y, x, weight, bias, B, N, K, triton.cdiv(K, parts), BIAS=bias is not None, GELU=GELU[gelu],
        ROWS=ROWS, COLUMNS=64 if many else 16, INNER=128 if many else 256,
        num_warps=4 if many else 2, num_stages=3 if weight.itemsize == 2 else 2,
    )  # fmt: skip


def add_norm(y: Tensor, x: Tensor, epsilon: float, parts: Tensor | None = None, bias: Tensor | None = None) -> None:
    """x (B, C) += the sum of parts (PARTS, B, C) + bias (C,); y (B, C) = that with mean 0 and variance 1."""
    B, C = x.shape
    add_norm_kernel[(B,)](
        y, x, epsilon, parts, bias, B, C, PARTS=0 if parts is None else len(parts), BIAS=bias is not None,
        WIDTH=triton.next_power_of_2(C),
    )  # fmt: skip


def attend(
    y: Tensor, qkv: Tensor, keys: Tensor, values: Tensor, slot: Tensor, padding: Tensor, n_head: int, scale: float
) -> None:
    """y (B, C): what each head found in the slots from `padding` to `slot`, where this token's own k and v are put.

    qkv: (B, 3C). keys, values: (B, nh, S, hs). slot: (1,). padding: (B,).
    """
    B, C = y.shape
    size = C // n_head
    width = triton.next_power_of_2(size)
    attend_kernel[(B, n_head)](
        y, qkv, keys, values, slot, padding, scale, C, keys.shape[2],
        SIZE=size, WIDTH=width, SLOTS=max(32, 2**14 // width), num_warps=8,
    )  # fmt: skip


@triton.jit
def embed_kernel(x, ids, tokens, positions, slot, padding, C, WIDTH: tl.constexpr):
    b, c = tl.program_id(0), tl.arange(0, WIDTH)
    real = c < C
    id = tl.load(ids + b)
    position = tl.load(slot) - tl.load(padding + b)
    token = tl.load(tokens + id * C + c, mask=real).to(tl.float32)
    place = tl.load(positions + position * C + c, mask=real).to(tl.float32)
    tl.store(x + b * C + c, token + place, mask=real)


@triton.jit
def linear_kernel(
    y, x, weight, bias, B, N, K, length,
    BIAS: tl.constexpr, GELU: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    part, inner = tl.program_id(2), tl.arange(0, INNER)
    x_rows, w_rows = x + rows[:, None] * K, weight + columns.to(tl.int64)[:, None] * K
    is_row, is_column = rows[:, None] < B, columns[:, None] < N
    end = tl.minimum(K, (part + 1) * length)
    product = tl.zeros([ROWS, COLUMNS], tl.float32)
    for start in range(part * length, end, INNER):
        k = start + inner[None, :]
        w = tl.load(w_rows + k, mask=is_column & (k < end), other=0.0)
        product = tl.dot(
            tl.load(x_rows + k, mask=is_row & (k < end), other=0.0), tl.trans(w), product, input_precision="ieee"
        )
    if BIAS:
        product += tl.load(bias + columns, mask=columns < N, other=0.0)[None, :]
    if GELU == 1:  # tanh(z) = 2 sigmoid(2z) - 1
        product = product * tl.sigmoid(1.5957691216057308 * (product + 0.044715 * product * product * product))
    if GELU == 2:
        product = 0.5 * product * (1 + tl.erf(product * 0.7071067811865476))
    tl.store(
        y + (part * B + rows[:, None]).to(tl.int64) * N + columns[None, :],
        product,
        mask=is_row & (columns[None, :] < N),
    )


@triton.jit
def add_norm_kernel(y, x, epsilon, parts, bias, B, C, PARTS: tl.constexpr, BIAS: tl.constexpr, WIDTH: tl.constexpr):
    b, c = tl.program_id(0), tl.arange(0, WIDTH)
    real = c < C
    row = tl.load(x + b * C + c, mask=real, other=0.0)
    for part in tl.static_range(PARTS):
        row += tl.load(parts + (part * B + b) * C + c, mask=real, other=0.0)
    if BIAS:
        row += tl.load(bias + c, mask=real, other=0.0)
    if PARTS > 0:
        tl.store(x + b * C + c, row, mask=real)
    centred = tl.where(real, row - tl.sum(row, 0) / C, 0.0)
    tl.store(y + b * C + c, centred * tl.rsqrt(tl.sum(centred * centred, 0) / C + epsilon), mask=real)


@triton.jit
def attend_kernel(
    y, qkv, keys, values, slot, padding, scale, C, S, SIZE: tl.constexpr, WIDTH: tl.constexpr, SLOTS: tl.constexpr
):
    """One head of one text, with the running softmax of Milakov & Gimelshein 2018, arXiv:1805.02867."""
    b, h = tl.program_id(0), tl.program_id(1)
    d = tl.arange(0, WIDTH)
    real = d < SIZE
    own = qkv + b * 3 * C + h * SIZE + d
    q = tl.load(own, mask=real, other=0.0).to(tl.float32) * scale
    k = tl.load(own + C, mask=real, other=0.0)
    v = tl.load(own + 2 * C, mask=real, other=0.0)
    here, first = tl.load(slot), tl.load(padding + b)
    cached = (b * tl.num_programs(1) + h).to(tl.int64) * S * SIZE
    tl.store(keys + cached + here * SIZE + d, k, mask=real)
    tl.store(values + cached + here * SIZE + d, v, mask=real)
    highest = tl.sum(q * k.to(tl.float32), 0)
    total = highest * 0 + 1.0
    found = v.to(tl.float32)
    for start in range(first, here, SLOTS):
        s = start + tl.arange(0, SLOTS)
        place = cached + s[:, None] * SIZE + d[None, :]
        there = (s[:, None] < here) & real[None, :]
        old_k = tl.load(keys + place, mask=there, other=0.0).to(tl.float32)
        old_v = tl.load(values + place, mask=there, other=0.0).to(tl.float32)
        scores = tl.where(s < here, tl.sum(old_k * q[None, :], 1), float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, 0))
        shrink, likely = tl.exp(highest - higher), tl.exp(scores - higher)
        found = found * shrink + tl.sum(likely[:, None] * old_v, 0)
        total = total * shrink + tl.sum(likely, 0)
        highest = higher
    tl.store(y + b * C + h * SIZE + d, found / total, mask=real)
