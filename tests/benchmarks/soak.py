"""The soak: users, kills, full disks, jumping clocks and damaged files against one workspace: `python -m
tests.benchmarks.soak`.

After each event all that must be true is checked (tests/helpers/soak_world.py); the first thing that is not ends the
soak, and the workspace is kept. The same seed gives the same events, as far as processes are as fast.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.helpers.soak_events import happen
from tests.helpers.soak_world import Broken, World

PAUSE = 0.4  # seconds after an event at most
SETTLED = 5  # runs that are resumed to their end when the time is over


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--events", type=int, default=10**9, help="end after so many, if that is sooner")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="soak-"))
    tell(f"seed {args.seed}, workspace {place}")
    world = World(place)
    try:
        soak(world, args.seed, args.seconds, args.events)
    except BaseException as error:
        tell(f"BROKEN: {error!r}; seed {args.seed}; {place} is kept" if isinstance(error, Broken) else repr(error))
        raise
    finally:
        world.close()
        for what, count in sorted(world.counts.items()):
            tell(f"{count:6,} {what}")
        for name, sizes in world.memory.items():
            tell(f"memory of {name}: {sizes[0]:,.0f} MB at first, {max(sizes):,.0f} at most, {sizes[-1]:,.0f} at last")
    shutil.rmtree(place, ignore_errors=True)
    tell(f"nothing is broken: seed {args.seed}, {len(world.votes):,} votes acknowledged, {len(world.models)} models")
    return 0


def soak(world: World, seed: int, seconds: float, events: int = 10**9, settled: int = SETTLED) -> None:
    """Raises Broken with the number of the event after which something is not true that must be."""
    began, number = time.monotonic(), 0
    while number < events and time.monotonic() - began < seconds:
        number += 1
        chance = Random(f"{seed}-{number}")
        said = happen(world, chance)
        tell(f"{number:6,} {time.monotonic() - began:7.1f} s  {said}")
        try:
            world.check()
        except Broken as error:
            raise Broken(f"after event {number} ({said}): {error}") from error
        time.sleep(PAUSE * chance.random())
    world.settle(settled)
    world.check()


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
