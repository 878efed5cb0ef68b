"""Length bucketing, which examples come in which step when their lengths differ: a pure function of (seed, step).

Texts of one batch are padded to the longest of them. Batches of texts of like length waste little of the arithmetic on
padding, and stay random enough when they are sorted within a pool of several batches only and shuffled afterwards.
"""

from collections.abc import Sequence

import numpy as np

POOL = 32  # batches sorted by length together: more waste less, fewer mix better
OF_LIKE_LENGTH = 16  # texts that a CPU reads at once: more waste more on padding


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices of all texts in groups of at most `size`, shortest first: side by side they take the least filling."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[first : first + size] for first in range(0, len(order), size)]


class Buckets:
    """The order of training examples. An epoch takes each exactly once, every epoch in a new order.

    lengths: of all examples, in tokens. Every batch has `batch_size` examples: the last ones of an epoch share a batch
    with the first ones of the next, the only batch of an epoch whose lengths may be far apart.
    Raises ValueError if there is no example.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        if not len(lengths):
            raise ValueError("there is nothing to learn from: give at least one example")
        self.lengths, self.batch_size, self.seed = np.asarray(lengths), batch_size, seed
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def __call__(self, step: int) -> list[int]:
        """Indices of the examples of step number `step` (from 0)."""
        first = step * self.batch_size
        return [self.example(n) for n in range(first, first + self.batch_size)]

    def example(self, n: int) -> int:
        epoch, position = divmod(n, len(self.lengths))
        if epoch != self.epoch:
            self.epoch, self.order = epoch, self.order_of(epoch)
        return int(self.order[position])

    def order_of(self, epoch: int) -> np.ndarray:
        """All examples in the order of this epoch: the end of a batch begun before, whole batches, a begun batch."""
        random, size = np.random.default_rng((self.seed, epoch)), self.batch_size
        shuffled = random.permutation(len(self.lengths))
        head = min(-epoch * len(shuffled) % size, len(shuffled))
        tail = len(shuffled) - (len(shuffled) - head) % size
        middle = shuffled[head:tail]
        pools = [middle[start : start + POOL * size] for start in range(0, len(middle), POOL * size)]
        by_length = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        batches = np.concatenate([*by_length, middle[:0]]).reshape(-1, size)
        return np.concatenate([shuffled[:head], random.permutation(batches).ravel(), shuffled[tail:]])
