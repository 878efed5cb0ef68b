"""What fits on a card: the configurations that are guessed, and the count of averages in 8 bits."""

import pytest

from core.lessons.memory_budget import CONFIGURATIONS, SMALL, eight_bit_optimizer, gib, parts
from core.model import GPTConfig


def test_of_the_configurations_all_fit_but_the_largest_model() -> None:
    assert [name for name, one in CONFIGURATIONS.items() if not one.fits] == ["xl"]


@pytest.mark.parametrize("one", [*CONFIGURATIONS.values(), SMALL], ids=[*CONFIGURATIONS, "small"])
def test_the_parts_cover_the_fullest_moment(one) -> None:
    assert sum(parts(one.plan).values()) >= 0.95 * gib(one.plan.peak)


def test_averages_in_8_bits_are_counted_by_hand() -> None:
    shape = GPTConfig(n_layer=1, n_head=1, n_embd=64, block_size=64, vocab_size=64)
    weights = 64 * 64 + 64 * 64 + 12 * 64**2 + 13 * 64 + 2 * 64
    assert eight_bit_optimizer(shape) == 2 * weights + 4 * (2 * weights // 2048 + 1)
