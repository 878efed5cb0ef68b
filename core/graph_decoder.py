"""Fast generation on a GPU: reading one token of each text and drawing the next, captured once as a CUDA graph.

A step of a small model is some hundred short launches, and Python needs longer for them than the GPU for the work.
A graph is launched as a whole. It always reads and writes the same memory, so everything that changes from token to
token lies on the device: the tokens, the slot they go to, the random numbers. It is replayed a few times before anybody
looks at what was drawn. The model that it is made from stays the oracle.

Shapes: B texts, n tokens of each, C n_embd, V vocab_size.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from core.model import ACTIVATIONS, GPT, Attention, GPTConfig, KVCache

log = logging.getLogger(__name__)
MOST_ERROR = 0.1  # of the logits; rounding to bfloat16 leaves a tenth of that
AHEAD = 16  # tokens of each text that are drawn before anybody looks: those behind an end are for nothing

Draw = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # logits (B, V), uniform numbers (B,), said (B, V) -> ids (B,)


def can_decode(model: Any) -> bool:
    """Is this a plain GPT on a GPU for which Triton can make kernels?

    A model with LoRA is not: merge it first. Nor is one with an edited head (core/interpretability/head_edits.py).
    """
    if not isinstance(model, GPT) or model.device.type != "cuda" or find_spec("triton") is None:
        return False
    if any(type(block.attn) is not Attention for block in model.blocks):
        return False
    if any(type(linear) is not nn.Linear for block in model.blocks for linear in (block.attn.c_attn, block.mlp.c_fc)):
        return False
    return torch.cuda.get_device_capability(model.device) >= (8, 0)  # whose tensor cores take bfloat16


@dataclass(frozen=True)
class Linear:
    """A layer's matrix (N, K) in the precision of decoding, and its bias (N,) in float32.

    The weight and the bias of a layer norm before it are folded in: what remains of the norm is to bring x to mean 0
    and variance 1.
    """

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, linear: nn.Linear, dtype: torch.dtype, norm: nn.LayerNorm | None = None) -> "Linear":
        weight, bias = linear.weight.detach(), None if linear.bias is None else linear.bias.detach()
        if norm is None:
            return cls(weight.to(dtype), bias)
        shift = weight @ norm.bias.detach()
        return cls((weight * norm.weight.detach()).to(dtype), shift if bias is None else bias + shift)


TRUSTED: dict[tuple[type, GPTConfig, torch.device], bool] = {}  # does the step work for this shape of model?


class GraphDecoder:
    """Writes the texts of a cache on: a copy of the weights of `model`, rounded to `dtype`, and the captured step.

    `begin` with a cache in which `model` has read the prompts; then `write`.
    """

    def __init__(self, model: GPT, draw: Draw, dtype: torch.dtype = torch.bfloat16):
        self.config, self.draw, self.dtype, self.device = model.config, draw, dtype, model.device
        self.scale = model.blocks[0].attn.scale
        self.tokens, self.positions = (
            table.weight.detach() for table in (model.transformer.wte, model.transformer.wpe)
        )
        self.layers = [
            (
                Linear.of(block.attn.c_attn, dtype, block.ln_1),
                Linear.of(block.attn.c_proj, dtype),
                Linear.of(block.mlp.c_fc, dtype, block.ln_2),
                Linear.of(block.mlp.c_proj, dtype),
            )
            for block in model.blocks
        ]
        self.head = Linear.of(model.lm_head, dtype, model.transformer.ln_f)

    @classmethod
    def trusted(cls, model: GPT, draw: Draw) -> "GraphDecoder | None":
        """A decoder for this model, if it does what the model does; that is tried once for each shape of model.

        Kernels are made anew on every machine, by whatever compiler and driver it has.
        """
        decoder, kind = cls(model, draw), (cls, model.config, model.device)
        if kind not in TRUSTED:
            try:
                error = decoder.error(model)
                if math.isnan(error):  # so are the model's own logits: who draws from them says it
                    return None
                TRUSTED[kind] = error < MOST_ERROR
                reason = f"its logits are off by {error:.1%}"
            except Exception as failure:  # of a compiler or a driver: they have no class in common
                TRUSTED[kind], reason = False, f"{type(failure).__name__}: {str(failure).partition(chr(10))[0]}"
            if not TRUSTED[kind]:
                log.warning("the GPU's decoding step does not work here, so texts come slower: %s", reason)
        return decoder if TRUSTED[kind] else None

    @torch.inference_mode()
    def error(self, model: GPT) -> float:
        """How far the logits of a step are from the model's, of two texts of different lengths, as a share of those."""
        T = min(4, model.config.block_size - 1)
        idx = torch.arange(2 * T + 2, device=self.device).view(2, -1) % model.config.vocab_size
        cache = KVCache(model, 2, T + 1, torch.tensor([0, T // 2], device=self.device))
        model(idx[:, :T], cache=cache)
        expected = model(idx[:, T:], cache=cache)[0][:, -1].float()
        cache.length = T
        self.begin(cache, None)
        _, logits = self.write(idx[:, T], torch.zeros(1, 2))
        return float((logits[0] - expected).norm() / expected.norm())

    @torch.inference_mode()
    def begin(self, cache: KVCache, said: Tensor | None) -> None:
        """Get ready to write on behind what `cache` holds; it needs room for one more token at least.

        said: bool (B, V), which tokens a text holds, for a `draw` that wants to know; kept up to date here.
        """
        self.cache, self.said, B = cache, said, len(cache.keys[0])
        cache.keys, cache.values = ([layer.to(self.dtype) for layer in of] for of in (cache.keys, cache.values))
        self.rows = torch.arange(B, device=self.device)  # of the texts that are still wanted
        padding = torch.zeros(B, device=self.device) if cache.padding is None else cache.padding
        self.padding = padding.to(torch.int32)
        self.slot = torch.zeros(1, dtype=torch.int32, device=self.device)
        self.ids = torch.zeros(B, dtype=torch.long, device=self.device)  # drawn, and not read yet
        self.number = torch.zeros(1, dtype=torch.long, device=self.device)  # of the step since the last look
        self.uniforms = torch.zeros(AHEAD, B, device=self.device)
        self.drawn = torch.zeros(AHEAD, B, dtype=torch.long, device=self.device)
        self.logits = torch.zeros(AHEAD, B, self.config.vocab_size, device=self.device)
        self.graph = self.capture() if cache.length < cache.capacity else None

    def capture(self) -> torch.cuda.CUDAGraph:
        stream, graph = torch.cuda.Stream(self.device), torch.cuda.CUDAGraph()
        said = None if self.said is None else self.said.clone()
        self.slot.fill_(self.cache.length)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            self.advance()  # compiles the kernels, which a capture cannot; all that it writes is written again
            graph.capture_begin(capture_error_mode="thread_local")  # other threads may go on using the GPU
            self.advance()
            graph.capture_end()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        if self.said is not None and said is not None:
            self.said.copy_(said)
        return graph

    @torch.inference_mode()
    def write(self, ids: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Read `ids` (B,), draw the next token, read that, and so on.

        uniforms: (n, B), n at most AHEAD and the room in the cache. Returns the tokens (n, B) and the logits (n, B, V)
        that they were drawn from, which the next call may overwrite.
        """
        assert self.graph is not None
        n = len(uniforms)
        self.ids[self.rows] = ids.to(self.device)
        self.uniforms[:n, self.rows] = uniforms.to(self.device)
        self.slot.fill_(self.cache.length)
        self.number.zero_()
        for _ in range(n):
            self.graph.replay()
        self.cache.length += n
        if len(self.rows) == len(self.ids):
            return self.drawn[:n], self.logits[:n]
        return self.drawn[:n, self.rows], self.logits[:n, self.rows]

    @torch.inference_mode()
    def keep(self, rows: list[int]) -> None:
        """Go on with these texts only. The others are written on for nothing until there are more of them."""
        self.rows = self.rows[torch.tensor(rows, dtype=torch.long, device=self.device)]
        if 0 < 2 * len(rows) <= len(self.ids):
            self.cache.keep(self.rows.tolist())
            self.begin(self.cache, None if self.said is None else self.said[self.rows])

    # --- a step -----------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """One more token of each text; nothing here may wait for the device or depend on what it holds."""
        logits = self.next_logits(self.ids.clamp(min=0))
        ids = self.draw(logits, self.uniforms.index_select(0, self.number)[0], self.said)
        if self.said is not None:
            self.said.scatter_(1, ids.clamp(min=0)[:, None], True)
        self.ids.copy_(ids)
        self.drawn.index_copy_(0, self.number, ids[None])
        self.logits.index_copy_(0, self.number, logits[None])
        self.slot += 1
        self.number += 1

    def next_logits(self, ids: Tensor) -> Tensor:
        """Logits (B, V), float32, after reading `ids` (B,) into the cache's slot."""
        from core import decode_kernels as kernels  # noqa: PLC0415 (Triton comes with PyTorch for CUDA only)

        config, B, epsilon = self.config, len(ids), self.config.layer_norm_epsilon
        approximate = ACTIVATIONS[config.activation_function]
        C, product, exact = config.n_embd, self.dtype, torch.float32
        x, normed = self.empty(exact, B, C), self.empty(product, B, C)  # the residual stream, as it is and normed
        qkv, y, inner = (self.empty(product, B, times * C) for times in (3, 1, 4))
        parts, logits = self.empty(exact, kernels.PARTS, B, C), self.empty(exact, B, len(self.head.weight))
        kernels.embed(x, ids, self.tokens, self.positions, self.slot, self.padding)
        kernels.add_norm(normed, x, epsilon)
        for number, (c_attn, attn_proj, c_fc, mlp_proj) in enumerate(self.layers):
            keys, values = self.cache.keys[number], self.cache.values[number]
            kernels.linear(qkv, normed, c_attn.weight, c_attn.bias)
            kernels.attend(y, qkv, keys, values, self.slot, self.padding, config.n_head, self.scale)
            kernels.linear(parts, y, attn_proj.weight)
            kernels.add_norm(normed, x, epsilon, parts, attn_proj.bias)
            kernels.linear(inner, normed, c_fc.weight, c_fc.bias, gelu=approximate)
            kernels.linear(parts, inner, mlp_proj.weight)
            kernels.add_norm(normed, x, epsilon, parts, mlp_proj.bias)
        kernels.linear(logits, normed, self.head.weight, self.head.bias)
        return logits[:, : config.vocab_size]

    def empty(self, dtype: torch.dtype, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)
