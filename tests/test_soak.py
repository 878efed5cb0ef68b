"""A short soak: what `python -m tests.benchmarks.soak` does, for thirty events; it takes some 15 s of a core.

The page is served by this process.
"""

from pathlib import Path

import pytest

from tests.benchmarks.soak import soak
from tests.helpers.soak_world import World

SEED = 8


@pytest.mark.slow
def test_nothing_is_lost_whatever_happens(tmp_path: Path) -> None:
    world = World(tmp_path, in_process=True)
    try:
        soak(world, SEED, seconds=60, events=30, settled=1)
    finally:
        world.close()
    assert len(world.votes) > 5 and world.counts.total() > 20
