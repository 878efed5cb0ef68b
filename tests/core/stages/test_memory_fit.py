"""What a training needs of the memory here, and with which micro-batches it fits: reference models count, too."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.datasets.preference_files import Preference, write_preferences
from core.stages import memory_fit
from core.stages.dpo import DPOConfig
from core.stages.memory_fit import MemoryNeed, fitted, known_need, memory_need, planned_for
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from core.training.planning import memory

GIB = 2**30
TINY = Path(__file__).parents[3] / "checkpoints" / "bard-tiny"


@pytest.fixture
def dpo(tmp_path: Path) -> DPOConfig:
    """DPO on pairs that fill the context of the parent."""
    pairs = [Preference(f"Question {n}?", "Ay, my good lord. " * 3, "No. " * (n + 1)) for n in range(64)]
    write_preferences(tmp_path / "votes.jsonl", pairs)
    return DPOConfig.from_dict({"data": str(tmp_path / "votes.jsonl"), "parent": str(TINY), "device": "cpu"})


def test_a_need_says_how_much_of_how_much_and_leaves_room_for_what_no_plan_counts() -> None:
    need = MemoryNeed(242 * GIB, 24 * GIB, "cpu")
    assert need.sentence() == "it needs 242 GB of 24 GB on the cpu" and not need.fits
    assert MemoryNeed(0.25 * GIB, 16 * GIB, "cuda").sentence() == "it needs 0.2 GB of 16 GB on the cuda"
    usable = memory.usable_bytes(24, "cpu")
    assert MemoryNeed(usable, 24 * GIB, "cpu").fits and not MemoryNeed(usable + 1, 24 * GIB, "cpu").fits


def test_models_beside_the_one_that_learns_are_counted_and_what_is_found_fits(dpo: DPOConfig, monkeypatch) -> None:
    stage = STAGES["dpo"]
    whole = memory_need(stage, dpo)
    alone = memory_need(replace(stage, frozen_models=lambda config: 0), dpo)
    assert whole and alone and whole.needs - alone.needs == memory.FLOAT * memory.n_weights(planned_for(stage, dpo)[0])
    budget = 1.001 * alone.needs / GIB / memory.USABLE["cpu"]  # enough for the one that learns
    smaller = replace(dpo, fit=fitted(stage, dpo, "cpu", budget))
    monkeypatch.setattr(memory_fit, "total_memory", lambda device: budget * 1024)
    need = memory_need(stage, smaller)
    assert need and need.fits and smaller.fit.batch_size == dpo.fit.batch_size
    assert not memory_need(stage, dpo).fits
    with pytest.raises(ValueError, match=r"leave no room in 0\.0 GB: choose smaller ones"):
        fitted(stage, dpo, "cpu", 5e-4)


def test_what_cannot_be_counted_is_not_known(tmp_path: Path, dpo: DPOConfig, monkeypatch) -> None:
    absent = DPOConfig.from_dict(dpo.to_dict() | {"parent": str(tmp_path / "absent")})
    assert known_need(STAGES["dpo"], absent) is None
    broken = replace(STAGES["dpo"], preview=lambda config: 1 // 0)
    assert known_need(broken, dpo) is None  # and that is in the log
    monkeypatch.setattr(memory_fit, "total_memory", lambda device: None)
    assert known_need(STAGES["pretrain"], PretrainConfig.preset("tiny", device="cpu")) is None
