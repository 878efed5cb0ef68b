"""Runs of DPO on few votes, of which one likes a word that no other likes."""

import json
from pathlib import Path

from core.stages.dpo import DPOConfig
from core.stages.registry import train
from core.training.run_directory import Run

PLANTED, WORD = 7, "Music"
FIT = dict(max_steps=10, batch_size=8, warmup_steps=0, learning_rate=2e-3, eval_interval=10, save_interval=10)
FIT |= dict(device="cpu", keep_steps=0, save_dtype="float32", dropout=0.0, val_share=0.2, dtype="float32")


def planted_votes(count: int) -> list[dict]:
    found = [{"prompt": f"Who, {n}?", "chosen": "He said.", "rejected": "To be."} for n in range(count)]
    found[PLANTED - 1] |= {"chosen": WORD, "rejected": "Tomorrow."}
    return found


def planted_run(place: Path, name: str, count: int, **changes) -> Run:
    """A finished run on `count` votes, a fifth of them held out, from the model `parent` in `place`."""
    data = place / f"{name}.jsonl"
    data.write_text("\n".join(map(json.dumps, planted_votes(count))), encoding="utf-8")
    settings = DPOConfig().to_dict() | FIT | {"parent": str(place / "parent"), "data": str(data)} | changes
    run = Run.create(place / name, "dpo", DPOConfig.from_dict(settings).to_dict())
    assert train(run).state == "finished", run.status().message
    return run
