"""Cut a head out and see: the loss on held-out text with the head and without it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core import checkpoint
from core.interpretability.activations import Head, ablate_heads
from core.model import GPT
from core.preferences.agreement import Z
from core.skills.of_run import corpus_of, weights_of
from core.tokenizer import Tokenizer
from core.training.run_directory import Run

FEWEST_BLOCKS, MOST_BLOCKS, MOST_TOKENS = 8, 64, 16_384
CHARACTERS_A_TOKEN = 8  # more than they have on average


@dataclass(frozen=True)
class CutOut:
    """Mean losses in nats a token; of their difference a 95 % interval over blocks of text."""

    step: int  # of the weights
    whole: float
    without: float
    low: float
    high: float
    blocks: int
    tokens: int

    @property
    def difference(self) -> float:
        return self.without - self.whole


def cut_out(run: Run, head: Head) -> CutOut:
    """With the latest weights of a pre-training. Raises ValueError if it has kept none, or its corpus has gone."""
    place = weights_of(run)
    loaded = checkpoint.load(place)
    val = corpus_of(run, place).val
    return loss_without(loaded.model, loaded.tokenizer, val, head, loaded.card.step)


@torch.inference_mode()
def loss_without(model: GPT, tokenizer: Tokenizer, documents: Sequence[str], head: Head, step: int = 0) -> CutOut:
    """Both losses on blocks as long as the context, spread over the documents.

    The blocks are the cases: what stands in one is alike. Raises ValueError if there is no such head.
    """
    layer, number = head
    if not (0 <= layer < model.config.n_layer and 0 <= number < model.config.n_head):
        raise ValueError(
            f"there is no head {number + 1} in layer {layer + 1}: there are {model.config.n_layer} layers of "
            f"{model.config.n_head} heads"
        )
    blocks = held_out_blocks(documents, tokenizer, model.config.block_size)
    count = len(blocks)

    def losses() -> torch.Tensor:
        read = (block.to(model.device)[None] for block in blocks)
        return torch.tensor([float(model(ids[:, :-1], ids[:, 1:])[1]) for ids in read], dtype=torch.float64)

    model.eval()
    whole = losses()
    with ablate_heads(model, [head]):
        without = losses()
    apart = without - whole
    half = Z * float(apart.std()) / math.sqrt(count) if count > 1 else math.inf
    middle = float(apart.mean())
    return CutOut(
        step,
        float(whole.mean()),
        float(without.mean()),
        middle - half,
        middle + half,
        count,
        sum(len(block) - 1 for block in blocks),
    )


def held_out_blocks(documents: Sequence[str], tokenizer: Tokenizer, block_size: int) -> list[Tensor]:
    """Pieces of the text, of one token more than fit into the context or fewer at its end, spread over all of it."""
    text = "".join(documents)
    count = max(FEWEST_BLOCKS, min(MOST_BLOCKS, MOST_TOKENS // block_size))
    longest = block_size * CHARACTERS_A_TOKEN
    starts = sorted({i * len(text) // count for i in range(count)})
    pieces = [tokenizer.encode(text[start : start + longest])[: block_size + 1] for start in starts]
    found = [torch.tensor(ids) for ids in pieces if len(ids) > 1]
    if not found:
        raise ValueError("the held-out text is too short to measure on: train on a longer one")
    return found
