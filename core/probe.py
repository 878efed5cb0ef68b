"""Look inside a forward pass: what every attention head looks at.

Shapes: T time (tokens), nh heads, hs head size.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from torch import Tensor

from core.model import GPT, Attention


@contextmanager
def attention_inputs(model: GPT) -> Iterator[list[Tensor]]:
    """A list that fills, with this thread's forward passes, with each layer's input to attention (B, T, C)."""
    inputs: list[Tensor] = []
    thread = threading.get_ident()  # a chat in another thread may be using the same model

    def note(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if threading.get_ident() == thread:
            inputs.append(args[0])

    handles = [block.attn.register_forward_pre_hook(note) for block in model.blocks]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def attention(model: GPT, ids: list[int]) -> Tensor:
    """Attention weights of every head on `ids`: (n_layer, n_head, T, T), rows are queries and sum to 1.

    They are those of the forward pass itself: each layer's actual input, through its own queries and keys. Raises
    ValueError if there are no ids or more than fit into the context.
    """
    if not ids:
        raise ValueError("nothing to look at: give at least one token")
    model.eval()
    with attention_inputs(model) as inputs:
        model(torch.tensor([ids], device=model.device), last_only=True)
    layers = [weights(block.attn, x)[0] for block, x in zip(model.blocks, inputs, strict=True)]
    return torch.stack(layers)


def weights(attn: Attention, x: Tensor) -> Tensor:
    """softmax(q k^T * scale + causal mask), (B, nh, T, T), of one layer on its input x (B, T, C)."""
    q, k, _ = attn.qkv(x)  # (B, nh, T, hs)
    scores = q @ k.transpose(-2, -1) * attn.scale  # (B, nh, T, T)
    future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1)
