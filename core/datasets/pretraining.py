"""Batches of a long text for next-token prediction, as a pure function of (seed, step).

Shapes: B batch, T block_size.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F

from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import Tokenizer


class TokenBlocks:
    """Training batches: each epoch cuts the text into blocks of T tokens, from a new offset and in a new order.

    ids: all training tokens in order. Raises ValueError if they do not fill one block.
    """

    def __init__(self, ids: list[int], block_size: int, batch_size: int, seed: int):
        if len(ids) < block_size + 2:
            raise ValueError(
                f"the training text has {len(ids)} tokens, fewer than one block of {block_size} needs: "
                "give more text or a smaller block_size"
            )
        self.ids = torch.tensor(ids)
        self.block_size, self.batch_size, self.seed = block_size, batch_size, seed
        self.blocks_per_epoch = (len(ids) - 2) // block_size  # whole ones behind any offset, where possible
        self.epoch, self.starts = -1, np.empty(0, dtype=np.int64)

    def __call__(self, step: int) -> Batch:
        """Batch number `step` (from 0): inputs and the tokens that follow them, (B, T) each."""
        first = step * self.batch_size
        starts = [self.start_of(n) for n in range(first, first + self.batch_size)]
        rows = torch.stack([self.ids[start : start + self.block_size + 1] for start in starts])
        return Batch(rows[:, :-1], rows[:, 1:])

    def start_of(self, n: int) -> int:
        epoch, position = divmod(n, self.blocks_per_epoch)
        if epoch != self.epoch:
            random = np.random.default_rng((self.seed, epoch))
            slack = len(self.ids) - 1 - self.blocks_per_epoch * self.block_size
            offset = random.integers(min(slack, self.block_size) + 1)
            self.epoch = epoch
            self.starts = offset + self.block_size * random.permutation(self.blocks_per_epoch)
        return int(self.starts[position])


def unigram_entropy(ids: list[int]) -> float:
    """Entropy of the tokens' frequencies, in nats a token: the loss of who knows only how often each token occurs."""
    shares = np.unique(ids, return_counts=True)[1] / len(ids)
    return float(-(shares * np.log(shares)).sum())


class HeldOut:
    """A whole text to measure on, cut into blocks side by side: every token is predicted exactly once.

    `<|endoftext|>` stands before the first token; the last block is filled up with what does not count.
    Raises ValueError if there is no text.
    """

    def __init__(self, documents: Iterable[str], tokenizer: Tokenizer, block_size: int, batch_size: int):
        documents = list(documents)
        self.n_bytes = sum(len(document.encode("utf-8", "surrogatepass")) for document in documents)
        if self.n_bytes == 0:
            raise ValueError("the validation text is empty: give a longer text, or a val.txt with words in it")
        ids = tokenizer.encode_documents(documents)
        self.n_tokens = len(ids)
        missing = -len(ids) % block_size
        inputs = F.pad(torch.tensor([tokenizer.eot, *ids[:-1]]), (0, missing)).view(-1, block_size)
        targets = F.pad(torch.tensor(ids), (0, missing), value=IGNORE_INDEX).view(-1, block_size)
        self.batches = Batch(inputs, targets).split(batch_size)
