"""Two trainings that belong together are known by their settings, whatever they are called."""

import os
from pathlib import Path
from typing import Any

from core.training.run_directory import Run
from playground.services.training_jobs import Jobs
from playground.tabs.attention.scaling import latest_pair


def begun(directory: Path, name: str, when: int, stage: str = "pretrain", **config: Any) -> None:
    run = Run.create(directory / name, stage, config)
    os.utime(run.directory / "run.json", (when, when))


def test_the_latest_two_that_differ_in_the_scale_alone(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    begun(tmp_path, "scaled-1", 1, attn_scale=None, seed=1)
    assert latest_pair(jobs) == []
    begun(tmp_path, "unscaled-1", 2, attn_scale=1.0, seed=2)  # of another seed: their names alone make no pair
    begun(tmp_path, "other", 3, attn_scale=0.5, seed=1)
    begun(tmp_path, "classifier", 4, "classify", attn_scale=1.0, seed=1)
    assert latest_pair(jobs) == []
    begun(tmp_path, "mine", 5, attn_scale=1.0, seed=1)
    assert latest_pair(jobs) == ["scaled-1", "mine"]
    begun(tmp_path, "again", 6, attn_scale=None, seed=2)
    assert latest_pair(jobs) == ["again", "unscaled-1"]
    (tmp_path / "again" / "run.json").write_text("{")  # it takes no other with it
    assert latest_pair(jobs) == ["scaled-1", "mine"]
