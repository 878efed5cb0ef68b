"""The lessons: declared soundly, and what they measure on the shipped model supports what they say of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from playground.services.services import Services
from playground.tabs.learn.lesson import Answer, Choice, Context, Prediction, Result, Sketch, Slider, Step
from playground.tabs.learn.lessons import sqrt_dk
from playground.tabs.learn.registry import LESSONS
from playground.tabs.learn.runner import shown_of

MEASURED = LESSONS[:3]
CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"
# Figures of the steps of lessons 1 to 3 that would not bear their sentences out.
BROKEN: dict[str, dict[str, float]] = {
    "letters": {"ways": 4},
    "numbers": {"share": 60},
    "growth": {"bytes_2048": 9},
    "origins": {"more": 0},
    "row": {"needed": 20},
    "key": {"after": 0.5},
    "spread": {"spread_256": 12},
    "heads": {"largest": 0},
    "gradient": {"left": 60},
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    own = tmp_path_factory.mktemp("checkpoints")
    return Services.open(own, torch.device("cpu"), [CHECKPOINTS])


def id_of(step: Step) -> str:
    return step.id


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


@pytest.mark.parametrize("step", [step for lesson in MEASURED for step in lesson.steps if not step.trains], ids=id_of)
def test_what_is_measured_supports_what_is_said(step: Step, services: Services) -> None:
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
    other = replace(result, figures={name: 2 * value + 1 for name, value in result.figures.items()})
    assert step.explain(other, guess(step.prediction)) != shown["explanation"]  # its numbers come from the run
    wrong = replace(result, outcome="", figures=result.figures | BROKEN.get(step.id, {}))
    assert not step.holds(wrong)


def test_the_spread_in_trained_heads_is_told_as_a_multiple_of_the_root(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = lambda model, ids: torch.full((2, 3), 2.0) * model.config.head_size**0.5  # noqa: E731
    monkeypatch.setattr(sqrt_dk, "head_spreads", twice)
    step = sqrt_dk.LESSON.step("heads")
    assert measured(step, Context(services, "bard-base", 1.0)).outcome == pytest.approx(2.0)
