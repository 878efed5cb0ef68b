"""The lessons: declared soundly, and what they measure on the shipped model supports what they say of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from playground.services.services import Services
from playground.tabs.learn.lesson import Answer, Choice, Context, Lesson, Prediction, Result, Sketch, Slider, Step
from playground.tabs.learn.registry import LESSONS
from playground.tabs.learn.runner import shown_of

CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"
STEPS = [(lesson, step) for lesson in LESSONS for step in lesson.steps]
WALKED = ("text-to-tokens", "qkv", "sqrt-dk")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    own = tmp_path_factory.mktemp("checkpoints")
    return Services.open(own, torch.device("cpu"), [CHECKPOINTS])


def guess(prediction: Prediction) -> Answer:
    """Somebody's prediction."""
    if isinstance(prediction, Choice):
        return prediction.options[0]
    if isinstance(prediction, Slider):
        return prediction.low
    assert isinstance(prediction, Sketch)
    return [[prediction.x.low, prediction.y.low], [prediction.x.high, prediction.y.high]]


def measured(step: Step, context: Context) -> Result:
    work, told = step.run(context), []
    try:
        while True:
            told.append(next(work))
    except StopIteration as end:
        result: Result = end.value
    assert told and all(one.message and (one.done is None or 0 <= one.done <= 1) for one in told)
    return result


def test_links_lead_to_one_step_each() -> None:
    assert len({lesson.id for lesson in LESSONS}) == len(LESSONS)
    for lesson in LESSONS:
        assert 3 <= len(lesson.steps) <= 6 and len({step.id for step in lesson.steps}) == len(lesson.steps)


def walked() -> list[Any]:
    """The steps whose sentences are held to what they measure here."""
    chosen = [(lesson, step) for lesson, step in STEPS if lesson.id in WALKED]
    return [pytest.param(*pair, marks=pytest.mark.slow if pair[1].trains else (), id=pair[1].id) for pair in chosen]


@pytest.mark.parametrize(("lesson", "step"), walked())
def test_what_is_measured_supports_what_is_said(lesson: Lesson, step: Step, services: Services) -> None:
    context = Context(services, "bard-base", guess(step.prediction))
    assert step.look is None or step.look(context)
    result = measured(step, context)
    shown = shown_of(step, result, guess(step.prediction))
    assert shown["holds"] and shown["parts"]
    assert shown["explanation"].count(". ") == 1 and shown["explanation"].endswith(".")  # two sentences
    assert "nan" not in shown["explanation"] and "{" not in shown["explanation"]
    if isinstance(step.prediction, Choice):
        assert result.outcome in step.prediction.options
    if isinstance(step.prediction, Slider):
        assert step.prediction.low <= float(str(result.outcome)) <= step.prediction.high
