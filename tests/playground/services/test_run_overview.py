"""The table of runs: what each has come to, in which settings it differs, and that a damaged one harms no other."""

import json
from pathlib import Path

import pytest

from core.training.run_directory import Run, Status
from playground.services.run_overview import RunOverview, differing
from playground.services.training_jobs import Jobs


def made(directory: Path, name: str, losses: list[float | None]) -> Run:
    run = Run.create(directory / name, "pretrain", {"learning_rate": 0.01})
    run.write_status(Status("finished", step=len(losses)))
    run.metrics.write_text(
        "".join(json.dumps({"step": i, "time": 10.0 + i, "loss/val": loss}) + "\n" for i, loss in enumerate(losses))
    )
    return run


def test_a_row_has_the_best_loss_and_is_read_again_when_its_log_has_grown(tmp_path: Path) -> None:
    run, overview = made(tmp_path, "one", [3.0, 2.5, None, 2.75]), RunOverview(Jobs(tmp_path))
    assert [(row["name"], row["best"], row["state"]) for row in overview.rows(["pretrain"])] == [
        ("one", 2.5, "finished")
    ]
    with run.metrics.open("a") as log:
        log.write('{"step": 4, "time": 14.0, "loss/val": 2.0}\n')
    assert overview.rows(["pretrain"])[0]["best"] == 2.0
    assert len(overview.measured) == 1  # of a log that grows only the latest is kept


@pytest.mark.parametrize("log", ["[1]\n", "7\n", "no JSON\n", '{"step": 1, "loss/val": "low"}\n', None])
def test_a_damaged_log_is_told_of_its_run_alone(log: str | None, tmp_path: Path) -> None:
    bad = made(tmp_path, "bad", [])
    made(tmp_path, "good", [2.5])
    bad.metrics.unlink()
    bad.metrics.mkdir() if log is None else bad.metrics.write_text(log)
    rows = {row["name"]: row for row in RunOverview(Jobs(tmp_path)).rows(["pretrain"])}
    assert rows["good"]["best"] == 2.5 and rows["bad"]["trouble"]
    assert rows["bad"]["state"] == ("damaged" if log is None else "finished")
    assert rows["bad"]["own"], "it can be thrown away"


def test_settings_that_differ_from_most_are_named() -> None:
    def config(rate: float, seed: int) -> dict[str, float]:
        return {"learning_rate": rate, "seed": seed}

    assert differing([config(0.1, 1), config(0.1, 2), config(0.2, 3)]) == [{}, {}, {"learning_rate": 0.2}]
