"""The memory plan, checked: the peak of two real steps, measured in a process of their own (Linux), beside the plan.

What was measured of the plans in the tests was within TOLERANCE of them, whichever part was the largest.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from core import child
from core.datasets.batch import Batch
from core.model import GPT, GPTConfig
from core.training.loop import FitConfig, fit, language_model_loss

TOLERANCE = 0.15  # of the plan
SECONDS = 600
PEAK = Path("/proc/self/clear_refs")  # only Linux tells the peak of a part of a process's life
# A malloc that keeps small blocks for later would be measured with them: have it give all of them back at once.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}


def two_steps(model: GPTConfig, config: FitConfig, device: str) -> None:
    """Made and trained from nothing: in the second step the optimiser's state is there from the start."""

    def batches(step: int) -> Batch:
        ids = torch.randint(0, model.vocab_size, (config.batch_size, model.block_size + 1))
        return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())

    for _ in fit(GPT(model).to(device), batches, language_model_loss, replace(config, max_steps=2, warmup_steps=0)):
        pass


def resident(name: str) -> int:
    """Bytes of this process, as /proc/self/status names them: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def measure_here(model: GPTConfig, config: FitConfig) -> int:
    """Bytes of this process at the fullest moment of two steps on the CPU, those aside that it has before."""
    two_steps(replace(model, n_layer=1, n_head=1, n_embd=64, block_size=64), replace(config, batch_size=2), "cpu")
    PEAK.write_text("5", encoding="ascii")  # forget the peak so far
    before = resident("VmRSS")
    two_steps(model, config, "cpu")
    return resident("VmHWM") - before


def measure(runs: dict[str, tuple[GPTConfig, FitConfig]]) -> dict[str, int]:
    """The same of several trainings, in a process whose memory nothing else fills.

    Raises ValueError where the system does not tell it.
    """
    if not PEAK.exists():
        raise ValueError("the peak of a training can be measured on Linux only: compare the plan with the live run")
    asked = json.dumps({name: [model.to_dict(), config.to_dict()] for name, (model, config) in runs.items()})
    command = child.command("core.training.planning.memory_check")
    done = subprocess.run(
        command, input=asked, env=os.environ | MALLOC, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise ValueError(f"the training could not be measured: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def main() -> None:
    """Read the trainings from the standard input, write their peaks."""
    runs = {name: (GPTConfig.from_dict(m), FitConfig.from_dict(f)) for name, (m, f) in json.load(sys.stdin).items()}
    json.dump({name: measure_here(model, config) for name, (model, config) in runs.items()}, sys.stdout)


if __name__ == "__main__":
    main()
