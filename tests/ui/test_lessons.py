"""All lessons walked in a browser: predict, run, read what came of it, step after step; then left and come back to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from core.lessons import failing_runs, instruction_tuning, taste_as_reward
from core.lessons.attention_scores import Recipe
from playground.tabs.learn.lesson import Choice, Lesson, Match, Sketch, Slider, Step
from playground.tabs.learn.lessons import failing_loss, sqrt_dk, text_to_tokens
from playground.tabs.learn.lessons import instruction_tuning as instruction_lesson
from playground.tabs.learn.lessons import taste_as_reward as taste_lesson
from playground.tabs.learn.registry import LESSONS
from tests.ui.steps import open_tab

FEW = {"reward": {}, "dpo": {}, "ppo": {"rollouts": 8}, "grpo": {"rollouts": 8, "group_size": 4}}
# As they are on the page these are tried by tests.benchmarks.lessons; here a model is too small to bear them out.
SHORT = [step for lesson in (failing_loss.LESSON, taste_lesson.LESSON) for step in lesson.steps]
SHORT += [sqrt_dk.LESSON.step("trainings"), instruction_lesson.LESSON.step("wrong-mask")]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WINDOW: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch, short_corpus: Path) -> None:
    monkeypatch.setattr(text_to_tokens, "READ", 100_000)
    monkeypatch.setattr(sqrt_dk, "RECIPE", Recipe(n_layer=1, n_embd=32, block_size=16, max_steps=10, batch_size=4))
    few = dict(n_layer=1, n_embd=32, block_size=16, max_steps=40, warmup_steps=4, corpus=str(short_corpus))
    monkeypatch.setattr(failing_runs, "RECIPE", failing_runs.RECIPE | few)
    monkeypatch.setattr(failing_loss.RUNS, "broken", {})
    monkeypatch.setattr(instruction_tuning, "RECIPE", instruction_tuning.RECIPE | dict(max_steps=10, warmup_steps=2))
    monkeypatch.setattr(instruction_tuning, "OF_EACH_KIND", 4)
    monkeypatch.setattr(taste_lesson, "KEPT", taste_lesson.Kept())
    monkeypatch.setattr(taste_lesson, "PRESSED", taste_as_reward.PRESSED | {"max_steps": 2})
    for name, value in {"VOTES": 5, "MEASURED_PROMPTS": 4}.items():
        monkeypatch.setattr(taste_as_reward, name, value)
    for name, fewer in FEW.items():
        size = {"max_steps": 2, "warmup_steps": 0, "batch_size": 8 if name in ("ppo", "grpo") else 4}
        monkeypatch.setitem(taste_as_reward.RECIPES, name, taste_as_reward.RECIPES[name] | fewer | size)


def predict(page: Page, asked: Locator, step: Step) -> None:
    """By keyboard, as a sketch can be drawn by it."""
    match step.prediction:
        case Choice():
            asked.get_by_role("radio").first.press("Space")
        case Match():
            for choice in asked.locator("select").all():
                choice.select_option(index=1)
        case Slider():
            asked.get_by_role("slider").press("End")
        case Sketch():
            for key in ("ArrowRight", "PageUp"):
                asked.get_by_role("slider").press(key)
            expect(asked.locator(".pg-sketch-guess")).to_have_count(1)


def walk(page: Page, lesson: Lesson) -> None:
    """Every step: a prediction, the run, its explanation; from the list of lessons and back to it."""
    page.locator(f"button[data-lesson={lesson.id}]").click()
    run, asked, said = (page.locator(f".pg-{name}") for name in ("lesson-run", "predict", "lesson-said"))
    for number, step in enumerate(lesson.steps, 1):
        expect(page.locator(".pg-lesson-asked h4")).to_have_text(step.title)
        expect(page).to_have_url(re.compile(f"tab=learn.*lesson={lesson.id}&step={number}"))
        expect(run).to_have_attribute("data-state", "asked")
        expect(run.get_by_role("button", name="Run")).to_be_disabled()
        predict(page, asked, step)
        run.get_by_role("button", name="Run").click()
        expect(run).to_have_attribute("data-state", "shown", timeout=300_000)
        expect(asked).to_contain_text("you")
        expect(asked).to_contain_text("measured")
        expect(said.locator("p").first).not_to_be_empty()
        expect(page.locator(".pg-lesson-source")).to_contain_text(step.source)
        expect(page.locator(".pg-lesson-part").first).to_be_visible()
        if step not in SHORT:
            expect(said.locator(".pg-lesson-differs")).to_have_count(0)
        assert page.evaluate(TOO_WIDE) == 0
        page.get_by_role("button", name="All lessons" if number == len(lesson.steps) else "Next step").last.click()
    expect(page.locator(".pg-lesson-item").filter(has_text=lesson.title)).to_contain_text("done")


def leave_and_come_back(page: Page, url: str, lesson: Lesson, kept: dict[str, Any]) -> None:
    """With another model, by a link to a step that was measured, as who was sent it; then away, and back."""
    page.goto(f"{url}?tab=learn&lesson={lesson.id}&step=1&model=bard-tiny")
    expect(page.locator(".pg-lesson-said")).to_contain_text(kept["shown"]["explanation"])
    expect(page.locator(".pg-lesson-said")).to_contain_text("Measured on bard-base.")
    expect(page.get_by_role("img", name=re.compile("predicted .* measured"))).to_be_visible()
    open_tab(page, "Tokenizer")
    expect(page).not_to_have_url(re.compile("lesson="))
    open_tab(page, "Learn")
    expect(page).to_have_url(re.compile(f"lesson={lesson.id}&step=1"))
    page.get_by_role("button", name="Predict again").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    page.get_by_role("button", name="All lessons").click()
    item = page.locator(".pg-lesson-item").filter(has_text=lesson.title)
    expect(item).to_contain_text(f"{len(lesson.steps) - 1} of {len(lesson.steps)} steps done")


@pytest.mark.slow
def test_lessons_are_walked_to_their_ends_left_and_come_back_to(page: Page, workspace: Path, url: str) -> None:
    page.goto(f"{url}?lesson=<b>&step=1")  # for who is new, the page opens at the lessons
    expect(page.get_by_text("There is no lesson called <b>.")).to_be_visible()
    for number, lesson in enumerate(LESSONS):
        page.set_viewport_size(WINDOW if number % 2 else PHONE)
        walk(page, lesson)
        if lesson is sqrt_dk.LESSON:
            kept = json.loads((workspace / "lessons.json").read_text())["steps"]
            leave_and_come_back(page, url, lesson, kept[f"{lesson.id}/{lesson.steps[0].id}"])
