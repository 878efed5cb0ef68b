"""A training on all cores while something else computes on one of them: `python -m tests.benchmarks.beside`.

Each in a process of its own: with threads that spin as long as they do by default, and as `core` has them spin.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

SPINS = {"by default": {"GOMP_SPINCOUNT": "300000"}, "as core has it": {}}  # 300,000: libgomp's own, if nothing is said
OTHER = """
import torch
torch.set_num_threads(1)
matrix = torch.randn(512, 512)
while True:
    matrix @ matrix
"""


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.beside", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[tuple[str, bool], list[float]] = {}
    for _ in range(args.rounds):  # one after the other, so that all of them meet the same machine
        for name, environment in SPINS.items():
            for beside in (False, True):
                seconds.setdefault((name, beside), []).append(train(args.steps, environment, beside))
    for name in SPINS:
        alone, beside = (statistics.median(seconds[name, other]) for other in (False, True))
        sys.stdout.write(
            f"{name}: {alone:.1f} s alone, {beside:.1f} s beside another process ({beside / alone:.1f} x)\n"
        )
    return 0


def train(steps: int, environment: dict[str, str], beside: bool) -> float:
    """Seconds from the command to its end."""
    other = subprocess.Popen([sys.executable, "-c", OTHER]) if beside else None
    try:
        with TemporaryDirectory() as place:
            options = ["--preset", "nano", "--max-steps", str(steps), "--warmup-steps", "5", "--device", "cpu"]
            command = [sys.executable, "-m", "core", "pretrain", f"{place}/run", *options]
            began = time.perf_counter()
            subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
            return time.perf_counter() - began
    finally:
        if other:
            other.kill()
            other.wait()


if __name__ == "__main__":
    sys.exit(main())
