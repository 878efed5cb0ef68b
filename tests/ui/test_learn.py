"""A newcomer meets the lessons: predicts by choice, number and sketch, sees what came of it, leaves, and goes on."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from playground.tabs.learn.registry import LESSONS
from tests.ui.steps import open_tab


def test_lessons_are_predicted_measured_left_and_resumed(page: Page, workspace: Path, url: str) -> None:
    tokens = LESSONS[0]
    page.goto(url)
    page.get_by_role("button", name=f"Begin: {tokens.title}").click()  # the page has opened at the lessons
    expect(page).to_have_url(re.compile(r"tab=learn&lesson=text-to-tokens&step=1"))
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_disabled()
    page.get_by_role("radio", name="two or three").press("Space")
    run.click()
    said = page.locator(".pg-lesson-said")
    expect(said).to_be_visible()
    expect(page.locator(".pg-predict-option", has_text="two or three")).to_contain_text("you")
    expect(page.locator(".pg-predict-option", has_text="measured")).to_have_count(1)
    expect(page.locator(".pg-lesson-tokens .pg-chip").first).to_be_visible()

    page.get_by_role("button", name="Next step").click()  # a number
    expect(page).to_have_url(re.compile("step=2"))
    page.locator(".pg-predict-slider input").press("ArrowRight")
    page.locator(".pg-predict-slider input").press("Tab")
    run.click()
    expect(said).to_be_visible()
    expect(page.locator(".pg-line-said")).to_contain_text([re.compile("you"), re.compile("measured")])

    open_tab(page, "Tokenizer")
    expect(page).not_to_have_url(re.compile("lesson="))
    open_tab(page, "Learn")
    expect(page).to_have_url(re.compile("lesson=text-to-tokens&step=2"))
    page.get_by_role("button", name="All lessons").first.click()
    expect(page.locator(".pg-lesson-item").first).to_contain_text(f"2 of {len(tokens.steps)} steps done")

    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name=re.compile("^Begin: Why")).click()  # a sketch
    paper = page.get_by_role("slider")
    paper.focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight", "PageUp"):
        paper.press(key)
    expect(page.locator(".pg-sketch-guess")).to_have_count(1)
    run.click()
    expect(said).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("predicted .* measured"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0

    page.goto(f"{url}?tab=learn&lesson=sqrt-dk&step=1")  # as who was sent the link, or comes back
    expect(said).to_be_visible()
    kept = json.loads((workspace / "lessons.json").read_text())["steps"]
    expect(said).to_contain_text(kept["sqrt-dk/spread"]["shown"]["explanation"][:60])
    page.goto(f"{url}?tab=learn&lesson=qkv&step=3")
    expect(page.locator(".pg-lesson-head-picture")).to_be_visible()
    page.goto(f"{url}?tab=learn&lesson=<b>&step=1")
    expect(page.get_by_text("There is no lesson called <b>.")).to_be_visible()
