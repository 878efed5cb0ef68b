"""Lessons 4 to 8 walked in a browser: predict, run, and read what came of it, step after step."""

import pytest
from playwright.sync_api import Page, expect

from core.lessons import failing_runs, taste_as_reward
from playground.tabs.learn.lesson import Lesson
from playground.tabs.learn.lessons import accumulation, failing_loss, instruction_tuning, memory_budget
from playground.tabs.learn.lessons import taste_as_reward as taste_lesson
from tests.ui.steps import choose_model

FEW = {"reward": {}, "dpo": {}, "ppo": {"rollouts": 8}, "grpo": {"rollouts": 8, "group_size": 4}}
# As they are on the page these are tried by tests.benchmarks.lessons; here a model is too small to bear them out.
SHORT = ("failing-loss", "taste-as-reward")


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    few = dict(n_layer=1, n_embd=32, block_size=16, max_steps=40, warmup_steps=4)
    monkeypatch.setattr(failing_runs, "RECIPE", failing_runs.RECIPE | few)
    monkeypatch.setattr(failing_loss.RUNS, "broken", {})
    monkeypatch.setattr(taste_lesson, "KEPT", taste_lesson.Kept())
    monkeypatch.setattr(taste_lesson, "PRESSED", taste_as_reward.PRESSED | {"max_steps": 2})
    for name, value in {"VOTES": 5, "MEASURED_PROMPTS": 4}.items():
        monkeypatch.setattr(taste_as_reward, name, value)
    for name, fewer in FEW.items():
        size = {"max_steps": 2, "warmup_steps": 0, "batch_size": 8 if name in ("ppo", "grpo") else 4}
        monkeypatch.setitem(taste_as_reward.RECIPES, name, taste_as_reward.RECIPES[name] | fewer | size)


def walk(page: Page, lesson: Lesson) -> None:
    """Every step: a prediction, the run, its explanation; from the list of lessons and back to it."""
    page.locator(f"button[data-lesson={lesson.id}]").click()
    for number, step in enumerate(lesson.steps):
        expect(page.locator(".pg-lesson-asked h4")).to_have_text(step.title)
        expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
        asked = page.locator(".pg-predict")
        if asked.locator("select").count():
            for choice in asked.locator("select").all():
                choice.select_option(index=1)
        elif asked.locator("input[type=range]").count():
            asked.locator("input").press("End")
        else:
            asked.locator("input").first.check()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".pg-lesson-run")).to_have_attribute("data-state", "shown", timeout=300_000)
        expect(page.locator(".pg-lesson-said p").first).not_to_be_empty()
        expect(page.locator(".pg-lesson-source")).to_contain_text(step.source)
        expect(asked).to_contain_text("measured")
        if lesson.id not in SHORT:
            expect(page.locator(".pg-lesson-differs")).to_have_count(0)
        last = number == len(lesson.steps) - 1
        page.get_by_role("button", name="All lessons" if last else "Next step").last.click()
    item = page.locator(".pg-lesson-item").filter(has_text=lesson.title)
    expect(item).to_contain_text("done")


@pytest.mark.slow
def test_five_lessons_are_walked_to_their_ends(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=learn")
    choose_model(page, "bard-tiny")
    lessons = (memory_budget, accumulation, failing_loss, instruction_tuning, taste_lesson)
    for lesson in (module.LESSON for module in lessons):
        walk(page, lesson)
