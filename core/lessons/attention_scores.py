"""Why attention scores are divided by the square root of d_k: their spread, the softmax's gradient, and two trainings.

Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1 and footnote 4. Shapes: T time (tokens), d_k head size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.datasets.pretraining import HeldOut, TokenBlocks
from core.interpretability import activations
from core.interpretability.attention_scaling import Softmax, causal_mask, softmax_at
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, fit, held_out_metrics, language_model_loss

PAIRS = 4096  # of random queries and keys: the spread of so many products is known to about 1 %
KEYS = 32  # random keys that a softmax chooses among


def random_spread(d_k: int, seed: int = 0) -> float:
    """Standard deviation of q . k over PAIRS pairs of vectors of d_k independent numbers of mean 0 and variance 1."""
    q, k = torch.randn(2, PAIRS, d_k, generator=torch.Generator().manual_seed(seed))
    return float((q * k).sum(-1).std())


def head_spreads(model: GPT, ids: list[int]) -> Tensor:
    """Standard deviation of q . k over all pairs of query and visible key, for each head: (n_layer, nh)."""
    seen = activations.trace(model, ids)
    visible = causal_mask(len(ids))
    layers = []
    for layer in range(model.config.n_layer):
        q, k, _ = activations.qkv(model, seen, layer)
        raw = (q @ k.transpose(-2, -1)).float().cpu()  # (nh, T, T)
        layers.append(raw[:, visible].std(-1))
    return torch.stack(layers)


def random_softmax(d_k: int, scale: float, seed: int = 0) -> Softmax:
    """The softmax over the scaled scores of KEYS random queries and keys, each of which sees those before it."""
    q, k = torch.randn(2, KEYS, d_k, generator=torch.Generator().manual_seed(seed))
    return softmax_at(q @ k.T, scale)


# --- trainings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What the trainings have in common: all but the heads and the factor on their scores.

    Measured, held-out nats with and without 1 / sqrt(d_k): one head of 256 4.65 and 5.02, heads of 32 4.44 and 4.50;
    56 s of processor time for the four. Fewer show less: after 80 of half the length the first two differ by 0.14.
    """

    n_layer: int = 2
    n_embd: int = 256
    block_size: int = 64
    vocab_size: int = 512
    max_steps: int = 160
    batch_size: int = 8
    learning_rate: float = 3e-3
    seed: int = 1337


@dataclass(frozen=True)
class Texts:
    """Texts to learn from and to measure on, as tokens."""

    tokenizer: Tokenizer
    train: list[int]
    held_out: HeldOut


def texts(learned: Sequence[str], held_out: Sequence[str], recipe: Recipe) -> Texts:
    tokenizer = Tokenizer.train(learned, recipe.vocab_size)
    measured = HeldOut(tuple(held_out), tokenizer, recipe.block_size, recipe.batch_size)
    return Texts(tokenizer, tokenizer.encode_documents(learned), measured)


def train_with_scale(data: Texts, recipe: Recipe, n_head: int, scale: float | None) -> Iterator[float]:
    """Train from random weights; yields the loss of each step, and at the end that on the held-out text.

    scale: the factor on q . k; None is 1 / sqrt(d_k). All that is random depends on the recipe's seed alone, so that
    two trainings which differ in the scale begin with the same weights and read the same batches.
    """
    fitting = FitConfig(
        max_steps=recipe.max_steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.max_steps // 10,
        optimizer="adamw",
        seed=recipe.seed,
        device="cpu",
        compile="off",
    )
    torch.manual_seed(recipe.seed)
    model = GPT(
        GPTConfig(
            n_layer=recipe.n_layer,
            n_head=n_head,
            n_embd=recipe.n_embd,
            block_size=recipe.block_size,
            vocab_size=data.tokenizer.vocab_size,
            attn_scale=scale,
        )
    )
    batches = TokenBlocks(data.train, recipe.block_size, recipe.batch_size, recipe.seed)
    for step in fit(model, batches, language_model_loss, fitting):
        yield step.loss
    yield held_out_metrics(model, data.held_out)["loss/val"]
