"""A step of a lesson: it is predicted, then measured, in the background, one at a time; and it can be stopped."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.training.run_directory import Run, Status
from playground.services.services import Services
from playground.tabs.learn.lesson import (
    Axis,
    Choice,
    Context,
    Facts,
    Lesson,
    Match,
    Progress,
    Result,
    Sketch,
    Slider,
    Step,
    checked,
)
from playground.tabs.learn.lesson import Run as Measuring
from playground.tabs.learn.progress import ProgressStore
from playground.tabs.learn.runner import LessonRunner

CHOICE = Choice("How many?", ("one", "two"))
MATCH = Match("Which?", ("a", "b"), ("one", "two"))
SLIDER = Slider("How far?", 1, 100, "m", log=True)
SKETCH = Sketch("How?", Axis("width", 1, 4), Axis("height", 0, 1))


@pytest.mark.parametrize(
    ("prediction", "answer", "kept"),
    [
        (CHOICE, "two", "two"),
        (MATCH, ["two", "two"], ["two", "two"]),
        (SLIDER, 7, 7.0),
        (SKETCH, [[1, 0], [4, 0.5]], [[1.0, 0.0], [4.0, 0.5]]),
    ],
)
def test_a_prediction_is_kept_in_its_form(prediction: Any, answer: Any, kept: Any) -> None:
    assert checked(prediction, answer) == kept


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        *((CHOICE, answer) for answer in ("three", None)),
        *((MATCH, answer) for answer in (["one"], ["one", "three"], "one", ["one", "two", "one"])),
        *((SLIDER, answer) for answer in (0.5, "7", float("nan"))),
        *((SKETCH, answer) for answer in ([[1, 2]], [[2, 0], [1, 0]], [[1, "0"], [2, 0]], "ab")),
    ],
)
def test_what_is_no_prediction_is_refused(prediction: Any, answer: Any) -> None:
    with pytest.raises(ValueError, match="make a prediction first"):
        checked(prediction, answer)


class Measurement:
    """One that waits until it is let go on, and notes how it ended."""

    def __init__(self) -> None:
        self.go, self.begun, self.ended = threading.Event(), threading.Event(), ""

    def run(self, context: Context) -> Measuring:
        try:
            yield Progress("measuring", 0.5)
            self.begun.set()
            self.go.wait(10)
            yield Progress("nearly there")
            self.ended = "measured"
        finally:
            self.ended = self.ended or "cleaned up"
        return Result({"length": 3.0}, "one", (Facts((("length", "3"),)),))


@pytest.fixture
def measurement() -> Iterator[Measurement]:
    one = Measurement()
    yield one
    one.go.set()


@pytest.fixture
def runner(tmp_path: Path, measurement: Measurement, monkeypatch: pytest.MonkeyPatch) -> LessonRunner:
    services = Services.open(tmp_path, torch.device("cpu"))
    monkeypatch.setattr(services.checkpoints, "names", lambda: ["bard", "other"])
    common: dict[str, Any] = {"measured": "", "source": "", "holds": lambda result: result.figures["length"] > 2}
    said = lambda result, prediction: f"It is {result.figures['length']:.0f}, not {prediction}."  # noqa: E731
    steps = (
        Step("first", "First", "", CHOICE, measurement.run, said, **common),
        Step("train", "Train", "", CHOICE, measurement.run, said, trains=True, **common),
    )
    return LessonRunner(services, (Lesson("lesson", "A lesson", "", 1, steps),), ProgressStore(tmp_path))


def test_a_step_is_predicted_measured_and_kept_as_it_was_shown(runner: LessonRunner, measurement: Measurement) -> None:
    with pytest.raises(ValueError, match="make a prediction first"):
        runner.start("lesson", "first", "other")
    runner.predict("lesson", "first", "two")
    measurement.go.set()
    runner.start("lesson", "first", "other")
    runner.task.join(10)
    kept = runner.progress.of("lesson", "first")
    assert (kept["prediction"], kept["model"]) == ("two", "other")
    assert kept["shown"] == {
        "outcome": "one",
        "figures": {"length": 3.0},
        "parts": [{"kind": "facts", "pairs": [["length", "3"]]}],
        "explanation": "It is 3, not two.",
        "holds": True,
    }
    assert runner.task.status()["state"] == "finished" and measurement.ended == "measured"


def test_one_at_a_time_and_what_is_measured_is_not_predicted_anew(
    runner: LessonRunner, measurement: Measurement
) -> None:
    for step in ("first", "train"):
        runner.predict("lesson", step, "one")
    runner.start("lesson", "first", None)
    measurement.begun.wait(10)
    for refused in (
        lambda: runner.start("lesson", "train", None),
        lambda: runner.predict("lesson", "first", "two"),
        lambda: runner.forget("lesson", "first"),
    ):
        with pytest.raises(ValueError, match="“First” is being measured: stop it first"):
            refused()
    runner.predict("lesson", "train", "two")
    assert runner.task.status() | {"message": "measuring", "done": 0.5} == runner.task.status()
    runner.stop()
    measurement.go.set()
    runner.task.join(10)
    assert runner.task.status()["state"] == "stopped" and measurement.ended == "cleaned up"
    assert "shown" not in runner.progress.of("lesson", "first")


def test_a_step_that_trains_waits_for_the_machine(runner: LessonRunner, tmp_path: Path) -> None:
    Run.create(tmp_path / "mine", "pretrain", {}).write_status(Status(device="cpu"))  # it is about to begin
    runner.predict("lesson", "train", "one")
    with pytest.raises(ValueError, match="mine"):
        runner.start("lesson", "train", None)


def test_what_is_not_there_is_said(runner: LessonRunner) -> None:
    with pytest.raises(ValueError, match="no lesson called other: choose one of lesson"):
        runner.look("other", "first", None)
    with pytest.raises(ValueError, match="has no step called last"):
        runner.look("lesson", "last", None)
    assert runner.look("lesson", "first", None) == []
