"""Examples of unequal length: all of them in every epoch, like beside like, a pure function of the step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.length_buckets import Buckets, by_length

LENGTHS = np.random.default_rng(0).integers(1, 256, 1000).tolist()


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**31))
def test_every_example_comes_once_in_every_epoch_and_every_batch_is_full(batch_size, count, seed):
    buckets = Buckets(LENGTHS[:count], batch_size, seed)
    steps = [buckets(step) for step in range(-(-3 * count // batch_size))]
    assert {len(step) for step in steps} == {batch_size}
    stream = [example for step in steps for example in step]
    for epoch in range(3):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_a_batch_depends_on_seed_and_step_alone():
    one = Buckets(LENGTHS, 16, seed=1)
    forwards = [one(step) for step in range(200)]  # three epochs
    assert [one(step) for step in reversed(range(200))] == forwards[::-1]
    assert [Buckets(LENGTHS, 16, seed=1)(step) for step in (150, 3)] == [forwards[150], forwards[3]]
    assert [Buckets(LENGTHS, 16, seed=2)(step) for step in range(200)] != forwards


def test_little_is_padding_and_short_batches_come_among_long_ones():
    buckets = Buckets(LENGTHS, 16, seed=1)
    batches = [
        [LENGTHS[i] for i in buckets(step)] for step in range(187)
    ]  # three epochs, and no whole number of batches
    padded = sum(16 * max(batch) for batch in batches)
    assert sum(map(sum, batches)) > 0.9 * padded, "at random it would be about a half"
    longest = [max(batch) for batch in batches]
    assert abs(np.corrcoef(longest[:-1], longest[1:])[0, 1]) < 0.3


def test_nothing_to_learn_from_is_told():
    with pytest.raises(ValueError, match="nothing to learn from"):
        Buckets([], 16, seed=1)


def test_what_is_measured_side_by_side_is_each_text_once_and_of_like_length():
    lengths = [9, 2, 5, 2, 7]
    assert by_length(lengths, 2) == [[1, 3], [2, 4], [0]]
    assert by_length([], 2) == []
