"""GPT-2: a decoder-only transformer (Radford et al. 2019), in the names of OpenAI's and Hugging Face's GPT-2.

Shapes: B batch, T time (tokens), C n_embd, nh heads (n_head), hs head size (C / nh), V vocab_size,
S tokens that the attention may look back to (cached ones and the T new ones).
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core.config import Config, setting

IGNORE_INDEX = -100  # a target of this value does not count in the loss

# Hugging Face's names: "gelu" is the exact form, 0.5 x (1 + erf(x / sqrt 2)), and on a CPU twice as fast as
# "gelu_new", the tanh approximation with which GPT-2's own weights were trained (Hendrycks & Gimpel, arXiv:1606.08415).
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh"}

PRESETS: dict[str, dict[str, Any]] = {
    "nano": dict(n_layer=4, n_head=4, n_embd=128, block_size=64, vocab_size=512, activation_function="gelu"),
    "micro": dict(n_layer=4, n_head=4, n_embd=256, block_size=128, vocab_size=2048, activation_function="gelu"),
    "bard": dict(n_layer=6, n_head=6, n_embd=288, block_size=256, vocab_size=2048, activation_function="gelu"),
    "mini": dict(n_layer=6, n_head=6, n_embd=384, block_size=256, vocab_size=4096, activation_function="gelu"),
    "gpt2": dict(n_layer=12, n_head=12, n_embd=768),
    "gpt2-medium": dict(n_layer=24, n_head=16, n_embd=1024),
    "gpt2-large": dict(n_layer=36, n_head=20, n_embd=1280),
    "gpt2-xl": dict(n_layer=48, n_head=25, n_embd=1600),
}


@dataclass(frozen=True)
class GPTConfig(Config):
    """The shape of a model."""

    n_layer: int = setting(12, "Transformer blocks, one after the other", low=1, high=200)
    n_head: int = setting(12, "Attention heads in each block; must divide n_embd", low=1, high=200)
    n_embd: int = setting(768, "Width: numbers that describe one token", low=1, high=20_000)
    block_size: int = setting(1024, "Context: tokens that the model sees at once", low=1, high=1_000_000)
    vocab_size: int = setting(50257, "Tokens in the vocabulary, special ones included", low=1, high=10_000_000)
    dropout: float = setting(0.0, "Share of activations zeroed in training against overfitting", low=0.0, high=0.9)
    activation_function: str = setting(
        "gelu_new",
        "GELU of the MLP: exact (gelu) or GPT-2's tanh form (gelu_new, slower on a CPU)",
        choices=tuple(ACTIVATIONS),
    )
    layer_norm_epsilon: float = setting(1e-5, "Keeps layer norm from dividing by 0", low=0.0, high=1.0)
    attn_scale: float | None = setting(None, "Factor on attention scores; none = 1/sqrt(head size)", low=1e-6, high=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd must be a multiple of n_head, got n_embd {self.n_embd} and n_head {self.n_head}")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The configuration called `name`, from `nano` (seconds on a laptop) to `gpt2-xl`, with `changes`."""
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
        return replace(cls(**PRESETS[name]), **changes)

    @property
    def head_size(self) -> int:
        return self.n_embd // self.n_head

    @property
    def n_params(self) -> int:
        """Number of weights, the tied head counted once and padding rows not at all."""
        block = 12 * self.n_embd**2 + 13 * self.n_embd  # matrices; biases and layer norms
        return (self.vocab_size + self.block_size) * self.n_embd + self.n_layer * block + 2 * self.n_embd

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding in memory: a multiple of 64, which matrix products like better."""
        return math.ceil(self.vocab_size / 64) * 64


class KVCache:
    """Keys and values of the tokens seen so far, (n_layer, 2, B, nh, block_size, hs), written in place.

    `length` is the number of tokens cached; `model(idx, cache=cache)` continues after them.
    """

    def __init__(self, model: "GPT", batch_size: int = 1):
        config, weight = model.config, model.transformer.wte.weight
        shape = (config.n_layer, 2, batch_size, config.n_head, config.block_size, config.head_size)
        self.tensor = torch.empty(shape, dtype=weight.dtype, device=weight.device)
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new k and v, each (B, nh, T, hs), and return all so far, each (B, nh, S, hs)."""
        end = self.length + k.shape[2]
        self.tensor[layer, 0, :, :, self.length : end] = k
        self.tensor[layer, 1, :, :, self.length : end] = v
        return self.tensor[layer, 0, :, :, :end], self.tensor[layer, 1, :, :, :end]


class Attention(nn.Module):
    """Causal multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.layer, self.n_head, self.dropout = layer, config.n_head, config.dropout
        self.scale = 1 / math.sqrt(config.head_size) if config.attn_scale is None else config.attn_scale
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.resid_dropout = nn.Dropout(config.dropout)

    def qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of every head, each (B, nh, T, hs), for x (B, T, C)."""
        q, k, v = self.c_attn(x).unflatten(-1, (3, self.n_head, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        q, k, v = self.qkv(x)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # (B, nh, S, hs)
        T, S = q.shape[2], k.shape[2]
        # A lone new token may look at everything; several tokens behind cached ones need the mask's lower right corner.
        mask = None if T in (1, S) else torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)
        y = F.scaled_dot_product_attention(
            q, k, v, mask, self.dropout if self.training else 0.0, is_causal=T == S > 1, scale=self.scale
        )  # (B, nh, T, hs)
        y = y.transpose(1, 2).flatten(2)  # (B, T, C): the heads side by side
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    def __init__(self, config: GPTConfig):
        super().__init__()
        self.approximate = ACTIVATIONS[config.activation_function]
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.c_fc(x), approximate=self.approximate)  # (B, T, 4C)
        return self.dropout(self.c_proj(x))


class Block(nn.Module):
    """Pre-LN: each half reads a normalised copy of the residual stream and adds what it found."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Token and position embeddings, the blocks, the last layer norm."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.wte = nn.Embedding(config.padded_vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config, layer) for layer in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(self, idx: Tensor, cache: KVCache | None = None) -> Tensor:
        start = cache.length if cache is not None else 0
        position = torch.arange(start, start + idx.shape[1], device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(position))  # (B, T, C)
        for block in self.h:
            x = block(x, cache)
        if cache is not None:
            cache.length += idx.shape[1]
        return self.ln_f(x)


class GPT(nn.Module):
    """The language model: logits for the next token at every position. Its head is `wte`, tied.

    `wte` has `padded_vocab_size` rows in memory. A bias of -inf keeps the padding rows out of every softmax, so they
    are never sampled, never learn, and never leave this class: logits and checkpoints have V entries.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.pad_bias: Tensor | None
        pad_bias = torch.zeros(config.padded_vocab_size)
        pad_bias[config.vocab_size :] = -math.inf
        self.register_buffer("pad_bias", pad_bias if config.padded_vocab_size > config.vocab_size else None, False)
        self.apply(self.init_weights)

    def init_weights(self, module: nn.Module) -> None:
        """GPT-2's initialisation: N(0, 0.02); outputs to the residual stream smaller by sqrt(2 n_layer)."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, Block):  # children are initialised before their parent
            for projection in (module.attn.c_proj, module.mlp.c_proj):
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * self.config.n_layer))
        elif isinstance(module, GPT):
            nn.init.zeros_(module.transformer.wte.weight.data[self.config.vocab_size :])

    @property
    def blocks(self) -> list[Block]:
        return [block for block in self.transformer.h if isinstance(block, Block)]

    @property
    def device(self) -> torch.device:
        return self.transformer.wte.weight.device

    def forward(
        self, idx: Tensor, targets: Tensor | None = None, cache: KVCache | None = None, last_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (B, T, V), and the mean cross-entropy in nats a token if `targets` (B, T) are given.

        idx: token ids (B, T) with T (and what `cache` holds already) at most `block_size`, or ValueError.
        targets: the id that should come next at each position, IGNORE_INDEX where it does not count.
        last_only: logits of the last position alone, (B, 1, V): all that generation needs.
        """
        seen = cache.length if cache is not None else 0
        if seen + idx.shape[1] > self.config.block_size:
            raise ValueError(f"{seen + idx.shape[1]} tokens do not fit into the context of {self.config.block_size}")
        x = self.transformer(idx, cache)
        if last_only:
            x = x[:, -1:]
        logits = F.linear(x, self.transformer.wte.weight, self.pad_bias)  # (B, T, padded V)
        loss = None
        if targets is not None:
            summed = F.cross_entropy(
                logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum"
            )
            loss = summed / (targets != IGNORE_INDEX).sum().clamp(min=1)  # 0, not NaN, where nothing counts
        return logits[..., : self.config.vocab_size], loss
