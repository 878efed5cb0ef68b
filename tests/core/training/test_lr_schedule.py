"""When snapshots are taken (the learning rate is tested with the loop)."""

import doctest
import itertools

import pytest

from core.training import lr_schedule
from core.training.lr_schedule import snapshot_steps


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(lr_schedule) == (0, 1)


@pytest.mark.parametrize("max_steps", [1, 2, 3, 10, 64, 100, 3000, 10**8])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 12, 100])
def test_snapshot_steps_begin_before_the_first_step_and_end_with_the_last(max_steps, count):
    steps = snapshot_steps(max_steps, count)
    assert len(steps) <= count and steps == sorted(set(steps))
    assert steps[-1:] == [max_steps] * (count > 0)
    assert steps[:1] == [0] * (count > 1) or count == 1
    assert len(steps) == count or max_steps < 10**4  # fewer only where they coincide


def test_snapshot_steps_lie_on_a_log_scale():
    steps = snapshot_steps(64_000, 14)[1:]
    assert steps[0] == 2000
    assert all(later / sooner == pytest.approx(32 ** (1 / 12), rel=0.01) for sooner, later in itertools.pairwise(steps))
