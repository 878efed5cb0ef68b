"""Look inside a forward pass: queries, keys, values and weights of every head, the logit lens, heads switched off.

All of it comes from the pass itself. Hooks note (or change) what modules put out, and only in the calling thread: a
chat in another thread may be using the same model.

Shapes: T time (tokens), C n_embd, nh heads, hs head size, V vocab_size.
"""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core.model import GPT

Head = tuple[int, int]  # (layer, head), both from 0


@dataclass(frozen=True)
class Trace:
    """What one forward pass left behind: the residual stream before each block and after the last one."""

    ids: list[int]
    residual: Tensor  # (n_layer + 1, T, C)


@contextmanager
def each_output(modules: Iterable[nn.Module], change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """In this thread's forward passes, module number i puts out `change(i, output)` instead of its output."""
    thread = threading.get_ident()

    def hook(number: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
        def call(_module: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            return change(number, output) if threading.get_ident() == thread else None  # None: as it is

        return call

    handles = [module.register_forward_hook(hook(number)) for number, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def trace(model: GPT, ids: list[int]) -> Trace:
    """Run the model on `ids`. Raises ValueError if there are none or more than fit into the context."""
    if not ids:
        raise ValueError("nothing to look at: give at least one token")
    residual: list[Tensor] = []

    def note(_number: int, output: Tensor) -> Tensor:
        residual.append(output[0])
        return output

    model.eval()
    with each_output([model.transformer.drop, *model.blocks], note):
        model.hidden(torch.tensor([ids], device=model.device))
    return Trace(ids, torch.stack(residual))


# --- attention, step by step ----------------------------------------------------------------------------------


@torch.inference_mode()
def qkv(model: GPT, seen: Trace, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of all heads of a layer, each (nh, T, hs)."""
    block = model.blocks[layer]
    q, k, v = block.attn.qkv(block.ln_1(seen.residual[layer : layer + 1]))
    return q[0], k[0], v[0]


def attention(model: GPT, ids: list[int]) -> Tensor:
    """Attention weights of every head on `ids`: (n_layer, n_head, T, T), rows are queries and sum to 1.

    Raises ValueError if there are no ids or more than fit into the context.
    """
    return attention_of(model, trace(model, ids))


@torch.inference_mode()
def attention_of(model: GPT, seen: Trace) -> Tensor:
    """The weights (n_layer, n_head, T, T) of a pass that was traced already."""
    layers = []
    for layer, block in enumerate(model.blocks):
        q, k, _ = qkv(model, seen, layer)
        layers.append(apply_causal_mask(q @ k.transpose(-2, -1) * block.attn.scale).softmax(-1))
    return torch.stack(layers)


@torch.inference_mode()
def head_attention(model: GPT, seen: Trace, layer: int, head: int) -> Tensor:
    """The weights (T, T) of one head of a traced pass; of its layer, only its own queries and keys are computed."""
    block, C, hs = model.blocks[layer], model.config.n_embd, model.config.head_size
    x, c_attn = block.ln_1(seen.residual[layer]), block.attn.c_attn

    def part(number: int) -> Tensor:  # (T, hs)
        rows = slice(number * C + head * hs, number * C + (head + 1) * hs)
        return F.linear(x, c_attn.weight[rows], None if c_attn.bias is None else c_attn.bias[rows])

    return apply_causal_mask(part(0) @ part(1).T * block.attn.scale).softmax(-1)


def apply_causal_mask(scores: Tensor) -> Tensor:
    """Scores (..., T, T) with -inf where a key lies in the query's future."""
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1), -math.inf)


@dataclass(frozen=True)
class Steps:
    """From q and k to a head's output for one query, all T keys (Vaswani et al. 2017, equation 1)."""

    q: Tensor  # (hs,)
    k: Tensor  # (T, hs)
    v: Tensor  # (T, hs)
    raw: Tensor  # (T,) q . k
    scale: float
    scaled: Tensor  # (T,) raw * scale
    masked: Tensor  # (T,) -inf in the future
    weights: Tensor  # (T,) their softmax
    output: Tensor  # (hs,) sum of weights * v


@torch.inference_mode()
def steps(model: GPT, seen: Trace, layer: int, head: int, query: int) -> Steps:
    """Every number between the query vector at position `query` and what the head returns there."""
    q, k, v = (part[head] for part in qkv(model, seen, layer))
    scale = model.blocks[layer].attn.scale
    raw = k @ q[query]  # (T,)
    scaled = raw * scale
    future = torch.arange(len(raw), device=raw.device) > query
    visible = scaled.masked_fill(future, -math.inf)
    weights = visible.softmax(0)
    return Steps(q[query], k, v, raw, scale, scaled, visible, weights, weights @ v)


# --- what the model says next ---------------------------------------------------------------------------------


@torch.inference_mode()
def losses(model: GPT, seen: Trace) -> Tensor:
    """Cross-entropy in nats of each token but the first, (T - 1,). Raises ValueError for fewer than two tokens."""
    if len(seen.ids) < 2:
        raise ValueError("a loss needs two tokens at least: one to read and one to predict")
    targets = torch.tensor(seen.ids[1:], device=model.device)
    return F.cross_entropy(unembed(model, seen.residual[-1, :-1]), targets, reduction="none")


@torch.inference_mode()
def next_token(model: GPT, seen: Trace, position: int = -1) -> Tensor:
    """Probabilities (V,) of the token that follows the one at `position`."""
    return unembed(model, seen.residual[-1, position]).softmax(-1)


def unembed(model: GPT, stream: Tensor) -> Tensor:
    """Logits (..., V) that the last layer norm and the head make of a residual stream (..., C)."""
    logits: Tensor = model.lm_head(model.transformer.ln_f(stream))
    return logits[..., : model.config.vocab_size].float()


@dataclass(frozen=True)
class Lens:
    """What every layer would say next at every position, layer 0 being the embeddings."""

    ids: Tensor  # (n_layer + 1, T, k) the likeliest tokens, best first
    probabilities: Tensor  # (n_layer + 1, T, k)
    actual: Tensor  # (n_layer + 1, T - 1) probability of the token that really came next


@torch.inference_mode()
def logit_lens(model: GPT, seen: Trace, k: int = 5) -> Lens:
    """Read the residual stream after every layer with the last layer norm and the head (nostalgebraist 2020)."""
    ids, probabilities, actual = [], [], []
    following = torch.tensor(seen.ids[1:], device=model.device)[:, None]
    for stream in seen.residual:  # one layer at a time: all logits of a large vocabulary would be too much
        likely = unembed(model, stream).softmax(-1)  # (T, V)
        best = likely.topk(min(k, model.config.vocab_size))
        ids.append(best.indices)
        probabilities.append(best.values)
        actual.append(likely[:-1].gather(1, following)[:, 0])
    return Lens(torch.stack(ids), torch.stack(probabilities), torch.stack(actual))


# --- changing the pass ----------------------------------------------------------------------------------------


@contextmanager
def ablate_heads(model: GPT, heads: Collection[Head]) -> Iterator[None]:
    """In this thread, these heads add nothing: their values are 0, hence their output (Michel et al. 2019, eq. 4)."""
    config = model.config

    def silence(layer: int, output: Tensor) -> Tensor:
        _, _, v = output.chunk(3, -1)  # views
        for off_layer, head in heads:
            if off_layer == layer:
                v[..., head * config.head_size : (head + 1) * config.head_size] = 0
        return output

    with each_output([block.attn.c_attn for block in model.blocks], silence):
        yield


@contextmanager
def rescale_attention(model: GPT, scale: float) -> Iterator[None]:
    """In this thread, every head multiplies its scores by `scale` instead of its own factor."""

    def stretch(layer: int, output: Tensor) -> Tensor:
        q, k, v = output.chunk(3, -1)
        return torch.cat([q * (scale / model.blocks[layer].attn.scale), k, v], -1)

    with each_output([block.attn.c_attn for block in model.blocks], stretch):
        yield


@torch.inference_mode()
def ablate_layer(model: GPT, seen: Trace, layer: int) -> Tensor:
    """By how much the mean loss on the text rises without each head of a layer, (nh,) in nats a token.

    One pass over the later layers, in which row h of the batch does without head h.
    """
    nh, hs = model.config.n_head, model.config.head_size

    def silence(_number: int, output: Tensor) -> Tensor:
        _, _, v = output.chunk(3, -1)  # (nh + 1, T, C); the last row keeps all heads
        for head in range(nh):
            v[head, :, head * hs : (head + 1) * hs] = 0
        return output

    x = seen.residual[layer].expand(nh + 1, -1, -1)
    with each_output([model.blocks[layer].attn.c_attn], silence):
        for block in model.blocks[layer:]:
            x = block(x)
    without = [losses(model, Trace(seen.ids, stream[None])).mean() for stream in x]
    return torch.stack(without[:-1]) - without[-1]
