"""Runs as a training would have written them, without the training."""

import json
import math
import random
import time
from pathlib import Path
from typing import Any

from core.checkpoint import write_json
from core.stages.pretrain import PretrainConfig
from core.train.run import Run, Status

EVAL_INTERVAL = 50


def write_run(workspace: Path, name: str, steps: int, of: int = 0, state: str = "finished", **config: Any) -> Run:
    """A run that has taken `steps` steps `of` so many (0: all)."""
    run = Run.create(workspace / name, "pretrain", PretrainConfig.preset("nano", device="cpu", **config).to_dict())
    run.write_status(Status(state, "training" if state == "running" else "all steps taken", steps, of or steps, "cpu"))
    write_json(run.directory / "references.json", {"uniform": 6.9, "unigram": 5.4})
    add_steps(run, 1, steps)
    return run


def add_steps(run: Run, first: int, last: int, speed: int = 10) -> None:
    """Append the steps `first` to `last`, `speed` a second, with what a real log holds."""
    noise = random.Random(run.name + str(first))
    began = time.time() - last / speed
    with run.metrics.open("a", encoding="utf-8") as metrics, run.samples.open("a", encoding="utf-8") as samples:
        for step in range(first, last + 1):
            loss = 2.4 + 4.5 * math.exp(-((step / 60) ** 0.5))
            line = {"step": step, "loss/train": loss + noise.gauss(0, 0.06), "lr": 1e-2 * min(1, step / 50)}
            line |= {"grad_norm": noise.lognormvariate(0, 0.3), "tokens_per_second": noise.gauss(16_000, 900)}
            if step % EVAL_INTERVAL == 0:
                line |= {"loss/val": loss + 0.2, "bpb/val": (loss + 0.2) / 1.31}
                text = f"What light, says step {step}? 🙂\n<b>No</b> markup."
                samples.write(json.dumps({"step": step, "prompt": "ROMEO:\n", "text": text}) + "\n")
            metrics.write(json.dumps(line | {"time": began + step / speed}) + "\n")
