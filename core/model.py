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
from torch.utils.checkpoint import checkpoint

from core.config import Config, setting
from core.dropout import Dropout, attention_with_dropout, draws_here
from core.linear_cross_entropy import IGNORE_INDEX, linear_cross_entropy
from core.presets import PRESETS

# Hugging Face's names: "gelu" is the exact form, 0.5 x (1 + erf(x / sqrt 2)), and on a CPU twice as fast as
# "gelu_new", the tanh approximation with which GPT-2's own weights were trained (Hendrycks & Gimpel, arXiv:1606.08415).
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh"}


@dataclass(frozen=True)
class GPTConfig(Config):
    """The shape of a model."""

    n_layer: int = setting(12, "Transformer blocks, one after the other", low=1, high=200, fixed=True, title="Layers")
    n_head: int = setting(
        12, "Attention heads in each block; must divide n_embd", low=1, high=200, fixed=True, title="Heads"
    )
    n_embd: int = setting(768, "Width: numbers that describe one token", low=1, high=20_000, fixed=True, title="Width")
    block_size: int = setting(
        1024, "Context: tokens that the model sees at once", low=1, high=1_000_000, fixed=True, title="Context"
    )
    vocab_size: int = setting(
        50257,
        "Tokens in the vocabulary, special ones included",
        low=1,
        high=10_000_000,
        fixed=True,
        title="Vocabulary size",
    )
    dropout: float = setting(0.0, "Share of activations zeroed in training against overfitting", low=0.0, high=0.9)
    activation_function: str = setting(
        "gelu_new",
        "GELU of the MLP: exact (gelu) or GPT-2's tanh form (gelu_new, slower on a CPU)",
        choices=tuple(ACTIVATIONS),
        fixed=True,
    )
    qkv_bias: bool = setting(
        True, "Bias on queries, keys and values, as in GPT-2; Raschka's book goes without", fixed=True
    )
    tie_word_embeddings: bool = setting(
        True, "The head is the token embedding, as in GPT-2; the book unties them", fixed=True
    )
    layer_norm_epsilon: float = setting(1e-5, "Keeps layer norm from dividing by 0", low=0.0, high=1.0, fixed=True)
    attn_scale: float | None = setting(
        None, "Factor on attention scores; none = 1/sqrt(head size)", low=1e-6, high=1e6, fixed=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd must be a multiple of n_head, got n_embd {self.n_embd} and n_head {self.n_head}")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The configuration called `name`, from `nano` (seconds on a laptop) to `gpt2-xl`, with `changes`."""
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
        return replace(cls(**PRESETS[name].shape), **changes)

    @property
    def head_size(self) -> int:
        return self.n_embd // self.n_head

    @property
    def n_params(self) -> int:
        """Number of weights, a tied head counted once and padding rows not at all."""
        block = 12 * self.n_embd**2 + (13 if self.qkv_bias else 10) * self.n_embd  # matrices; biases and layer norms
        embeddings = (1 if self.tie_word_embeddings else 2) * self.vocab_size + self.block_size
        return embeddings * self.n_embd + self.n_layer * block + 2 * self.n_embd

    @property
    def flops_per_token(self) -> int:
        """Floating point operations of a training step a token, forward and backward (PaLM, arXiv:2204.02311, app. B).

        Six a weight that multiplies (embeddings are only looked up), and attention's two products with T = block_size.
        """
        multiplied = self.n_layer * 12 * self.n_embd**2 + self.padded_vocab_size * self.n_embd
        return 6 * multiplied + 12 * self.n_layer * self.n_embd * self.block_size

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding in memory: a multiple of 64, which matrix products like better."""
        return math.ceil(self.vocab_size / 64) * 64


class KVCache:
    """Keys and values of the tokens seen so far: for each layer (B, nh, capacity, hs), written in place.

    `length` is the number of slots filled; `model(idx, cache=cache)` continues after them. Texts of different lengths
    share a cache when the shorter ones have `padding` (B,) empty slots before them: nobody looks at those, and
    positions count from behind them.
    """

    def __init__(self, model: Any, batch_size: int = 1, capacity: int | None = None, padding: Tensor | None = None):
        config, weight = model.config, model.transformer.ln_f.weight
        self.capacity = min(capacity or config.block_size, config.block_size)
        shape = (batch_size, config.n_head, self.capacity, config.head_size)
        self.keys = [weight.new_empty(shape) for _ in range(config.n_layer)]
        self.values = [weight.new_empty(shape) for _ in range(config.n_layer)]
        self.length = 0
        self.padding = padding if padding is not None and padding.any() else None

    def positions(self, T: int) -> Tensor:
        """Positions of the next T tokens: (T,), or (B, T) where padding makes rows differ."""
        slots = torch.arange(self.length, self.length + T, device=self.keys[0].device)
        return slots if self.padding is None else (slots - self.padding[:, None]).clamp(min=0)

    def mask(self, T: int) -> Tensor | None:
        """What the next T tokens may look at, bool (B or 1, 1, T, S); None if plain causality says it all."""
        S = self.length + T
        if self.padding is None and T in (1, S):
            return None
        mask = torch.ones(T, S, dtype=torch.bool, device=self.keys[0].device).tril(S - T)[None, None]
        if self.padding is None:
            return mask
        mask = mask & (torch.arange(S, device=mask.device) >= self.padding[:, None])[:, None, None]
        itself = torch.eye(S, dtype=torch.bool, device=mask.device)[-T:]
        return mask | itself  # padding looks at itself: a softmax over nothing would be NaN

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new k and v, each (B, nh, T, hs), and return all so far, each (B, nh, S, hs)."""
        keys, values, T = self.keys[layer], self.values[layer], k.shape[2]
        keys.narrow(2, self.length, T).copy_(k)
        values.narrow(2, self.length, T).copy_(v)
        return keys.narrow(2, 0, self.length + T), values.narrow(2, 0, self.length + T)

    def keep(self, rows: list[int]) -> None:
        """Go on with these texts only."""
        index = torch.tensor(rows, dtype=torch.long, device=self.keys[0].device)
        for kept in (self.keys, self.values):
            kept[:] = [x.index_select(0, index) for x in kept]  # which on a CPU takes half as long as x[index]
        self.padding = None if self.padding is None else self.padding[index]

    def place(self, rows: list[int], read: "KVCache") -> None:
        """Take over what another cache holds as the last of the `length` slots of these rows."""
        first = self.length - read.length
        for mine, theirs in ((self.keys, read.keys), (self.values, read.values)):
            for x, y in zip(mine, theirs, strict=True):
                x[rows, :, :first] = 0  # padding: nobody looks at it, but 0 times what was in memory could be NaN
                x[rows, :, first : self.length] = y[:, :, : read.length]


class Attention(nn.Module):
    """Causal multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.layer, self.n_head, self.dropout = layer, config.n_head, config.dropout
        self.scale = 1 / math.sqrt(config.head_size) if config.attn_scale is None else config.attn_scale
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.qkv_bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.resid_dropout = Dropout(config.dropout)

    def qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of every head, each (B, nh, T, hs), for x (B, T, C)."""
        q, k, v = (part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1))
        return q, k, v

    def forward(self, x: Tensor, cache: KVCache | None = None, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # (B, nh, S, hs)
        y: Tensor = self.attend(q, k, v, mask).transpose(1, 2).flatten(2)  # (B, T, C): the heads side by side
        y = self.resid_dropout(self.c_proj(y))
        return y

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """What each head returns, (B, nh, T, hs): queries (B, nh, T, hs) look at keys and values (B, nh, S, hs)."""
        is_causal = mask is None and q.shape[2] > 1  # a lone new token may look at everything
        dropout = self.dropout if self.training else 0.0
        if dropout and draws_here(q):
            return attention_with_dropout(q, k, v, mask, dropout, self.scale)
        y: Tensor = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal, scale=self.scale)
        return y


class MLP(nn.Module):
    def __init__(self, config: GPTConfig):
        super().__init__()
        self.approximate = ACTIVATIONS[config.activation_function]
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.c_fc(x), approximate=self.approximate)  # (B, T, 4C)
        x = self.dropout(self.c_proj(x))
        return x


class Block(nn.Module):
    """Pre-LN: each half reads a normalised copy of the residual stream and adds what it found."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: KVCache | None = None, mask: Tensor | None = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache, mask)
        x = x + self.mlp(self.ln_2(x))
        return x


class Transformer(nn.Module):
    """Token and position embeddings, the blocks, the last layer norm."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.wte = nn.Embedding(config.padded_vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config, layer) for layer in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.recompute = False  # in training, keep only each block's input and compute the rest again when it is needed

    def forward(self, idx: Tensor, cache: KVCache | None = None, layout: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """layout: positions (B, T) and what each token may look at, bool (B, 1, T, T), if rows are no plain texts."""
        T = idx.shape[1]
        positions, mask = layout or (torch.arange(T, device=idx.device), None)
        if cache is not None:
            positions, mask = cache.positions(T), cache.mask(T)
        x: Tensor = self.drop(self.wte(idx) + self.wpe(positions))  # (B, T, C)
        for block in self.h:
            again = self.recompute and self.training and cache is None  # Chen et al. 2016, arXiv:1604.06174
            x = checkpoint(block, x, None, mask, use_reentrant=False) if again else block(x, cache, mask)
        if cache is not None:
            cache.length += T
        x = self.ln_f(x)
        return x


def set_dropout(model: Any, dropout: float) -> None:
    """Train on with another dropout than the one the model was made with."""
    model.config = replace(model.config, dropout=dropout)
    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = dropout
        elif isinstance(module, Attention):
            module.dropout = dropout


class GPT(nn.Module):
    """The language model: logits for the next token at every position.

    Embedding and head have `padded_vocab_size` rows in memory. The padding rows are cut off the logits before anything
    else sees them: they are never sampled, never learn, and no checkpoint holds them.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.padded_vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.transformer.wte.weight
        self.apply(self.init_weights)

    def init_weights(self, module: nn.Module) -> None:
        """GPT-2's initialisation: N(0, 0.02); outputs to the residual stream smaller by sqrt(2 n_layer)."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        elif isinstance(module, Block):  # children are initialised before their parent
            for projection in (module.attn.c_proj, module.mlp.c_proj):
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * self.config.n_layer))
        elif isinstance(module, GPT):
            for table in (module.transformer.wte, module.lm_head):
                nn.init.zeros_(table.weight.data[self.config.vocab_size :])

    @torch.no_grad()
    def grow_vocabulary(self, vocab_size: int) -> None:
        """More tokens: their rows start at the mean of the others, so that they are neither likely nor unlikely."""
        embedding, head, known = self.transformer.wte, self.lm_head, self.config.vocab_size
        self.config = replace(self.config, vocab_size=vocab_size)
        for table in (embedding, head):
            rows = table.weight.new_zeros(self.config.padded_vocab_size, self.config.n_embd)
            rows[: len(table.weight)] = table.weight
            rows[known:vocab_size] = rows[:known].mean(0)
            table.weight = nn.Parameter(rows)
        embedding.num_embeddings = head.out_features = self.config.padded_vocab_size
        if self.config.tie_word_embeddings:
            head.weight = embedding.weight

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
        x = self.hidden(idx, cache)
        logits = self.lm_head(x[:, -1:] if last_only else x)[..., : self.config.vocab_size]
        loss = None
        if targets is not None:
            summed = F.cross_entropy(
                logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum"
            )
            loss = summed / (targets != IGNORE_INDEX).sum().clamp(min=1)  # 0, not NaN, where nothing counts
        return logits, loss

    def summed_loss(self, idx: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats, summed over the targets that count; never holds all logits of a large vocabulary."""
        return linear_cross_entropy(self.hidden(idx), self.lm_head.weight, targets, self.config.vocab_size)

    def hidden(self, idx: Tensor, cache: KVCache | None = None, layout: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The residual stream after the last layer norm, (B, T, C). With a layout, T may exceed the context."""
        seen, room = (cache.length, cache.capacity) if cache is not None else (0, self.config.block_size)
        if layout is None and seen + idx.shape[1] > room:
            raise ValueError(f"{seen + idx.shape[1]} tokens do not fit into the context of {room}")
        x: Tensor = self.transformer(idx, cache, layout)
        return x
