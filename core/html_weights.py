"""The weights in a model's HTML file: rounded, with what it has learned since its parent, deflated, and as text.

Matrices are rounded to 8 bits with a scale for each row (Dettmers et al. 2022, arXiv:2208.07339, section 2, calls it
vector-wise). Token embedding and head are float16, since whatever is read and drawn goes through them: that halves what
rounding does to the predictions, for a tenth more bytes.

What a child has learned, child - parent, is there at one bit a weight, its sign, with a scale for each row (Liu et al.
2024, BitDelta, arXiv:2402.10193); vectors as they are. So the page can mix

    weights(a) = child + (a - 1) (child - parent), the difference rounded

which at a = 1 is the child that is held anyway, and near a = 0 the parent.
"""

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.model import GPT

VOCABULARY = ("transformer.wte.weight", "lm_head.weight")  # a row for each token
STEPS = 127  # of the 8 bits, to either side of 0
LEVEL = 9  # of zlib, the most thorough


def packed(model: GPT, content: bytearray) -> list[dict[str, Any]]:
    """Add all weights to `content`, one after the other; returns where each tensor begins and how it is to be read.

    A tied head is not there twice.
    """
    return [add(content, name, tensor, kind_of(name, tensor)) for name, tensor in tensors(model)]


def packed_difference(child: GPT, parent: GPT, content: bytearray) -> list[dict[str, Any]]:
    """Likewise what the child has learned since its parent, which must be of its shape."""
    pairs = zip(tensors(child), tensors(parent), strict=True)
    return [
        add(content, name, end - start, "sign" if end.dim() == 2 else "float32") for (name, end), (_, start) in pairs
    ]


def as_text(content: bytes) -> str:
    """Deflated, in base 85: four bytes are five characters, all of them harmless in HTML."""
    return base64.b85encode(zlib.compress(content, LEVEL)).decode().replace("<", ",")  # no tag can begin


# --- kinds of numbers -----------------------------------------------------------------------------------------


def kind_of(name: str, tensor: Tensor) -> str:
    """In which kind of numbers a page holds a tensor of the model."""
    if name in VOCABULARY:
        return "float16"
    return "int8" if tensor.dim() == 2 else "float32"


def tensors(model: GPT) -> Iterator[tuple[str, Tensor]]:
    """The model's own names and tensors, without rows that pad the vocabulary."""
    for name, parameter in model.named_parameters():  # a tied head comes once, as the embedding
        tensor = parameter.detach().float().cpu()
        yield name, tensor[: model.config.vocab_size] if name in VOCABULARY else tensor


def add(content: bytearray, name: str, tensor: Tensor, kind: str) -> dict[str, Any]:
    entry = {"name": name, "start": len(content), "kind": kind, "rows": 0, "size": tensor.numel()}
    if kind == "int8":
        scales, rounded = round_rows(tensor)
        content += planes(scales, "f4") + rounded.numpy().tobytes()
    elif kind == "sign":
        scales, signs = sign_rows(tensor)
        content += planes(scales, "f4") + np.packbits(signs.numpy().reshape(-1) > 0, bitorder="little").tobytes()
    else:
        content += planes(tensor, "f2" if kind == "float16" else "f4")
        return entry
    return entry | {"rows": len(tensor)}


def round_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) as scales (N,) and int8 (N, K): each row's largest weight is 127 of its steps."""
    scales = (matrix.abs().amax(1) / STEPS).clamp(min=1e-12)
    return scales, (matrix / scales[:, None]).round().to(torch.int8)


def sign_rows(difference: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) as scales (N,) and signs (N, K), 1 or -1 in int8.

    The mean absolute difference, sum |d| / K, with which the paper begins to train its scales, comes closest to the
    difference but is shorter than it along its own direction. Here the scale is sum d^2 / sum |d|: along that direction
    as long, so that a is as much here as on the dial itself, without training. What is too much lies in directions in
    which nothing was learned.
    """
    sizes = difference.abs().sum(1)
    scales = torch.where(sizes > 0, difference.square().sum(1) / sizes, 0.0)
    return scales, torch.where(difference > 0, 1, -1).to(torch.int8)


def planes(tensor: Tensor, kind: str) -> bytes:
    """Little-endian: the lowest byte of all numbers, then the next of all. The highest ones are alike, and deflate."""
    numbers = tensor.numpy().astype(np.dtype(f"<{kind}"))
    return numbers.reshape(-1, 1).view(np.uint8).T.tobytes()
