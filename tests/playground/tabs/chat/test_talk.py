"""The conversation: how each of its answers is drawn."""

from core.generate import Sampling
from playground.tabs.chat.talk import seed_at


def test_each_place_in_the_tree_is_drawn_anew_and_always_alike() -> None:
    places = [(0,), (0, 0), (0, 1), (0, 0, 0, 0), (0, 10), (1, 0)]
    seeds = [seed_at(seed, place) for seed in (0, 1) for place in places]
    assert len(set(seeds)) == len(seeds), "two answers are drawn with the same numbers"
    assert seed_at(0, (0, 1)) == seed_at(0, [0, 1]) and all(Sampling(seed=seed) for seed in seeds)
