"""What a person came for stands in the first screen of each tab, and nothing is wider than the window."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.ui.runs import write_aligned
from tests.ui.steps import STILL, choose_run, open_page, open_tab, wait_for_points

SCREENS = ((1366, 700), (1280, 900), (1024, 768), (390, 844))
PHONE = 600  # pixels of width, below which a tab is one column
EXTREMES = ((360, 740), (2560, 1300))
LONGEST_HEADER = {True: 96, False: 56}  # pixels of height, on a phone and else


@dataclass(frozen=True)
class Part:
    """What is looked for, and how many pixels of its height must be in sight; all of it if it has not so many."""

    selector: str
    height: int = 1000
    on_phone: bool = True  # whether it is in the first screen there too


def show_chat(page: Page) -> None:
    page.locator("#chat-text textarea").fill("Good morrow.")
    page.locator("#chat-send").click()
    page.locator(".pg-said-model[data-state=finished]").wait_for()


def show_votes(page: Page) -> None:
    expect(page.locator("#label-vote .pg-voting")).to_have_attribute("data-state", "ready", timeout=90_000)


def show_nothing(page: Page) -> None:
    """The tab is there as soon as it is open."""


def show_dpo(page: Page) -> None:
    open_tab(page, "DPO")
    wait_for_points(page, "my-dpo", 40, view="#align-view .pg-run")


def show_run(page: Page) -> None:
    choose_run(page, "train", "bard-tiny")  # which is the latest depends on the files' times
    wait_for_points(page, "bard-tiny", 1, view="#train-view .pg-run")


TABS: dict[str, tuple[Callable[[Page], None], tuple[Part, ...]]] = {
    "Learn": (show_nothing, (Part(".pg-lesson-item"), Part(".pg-lesson-item button"))),
    "Tokenizer": (show_nothing, (Part("#tokenizer-text"), Part("#tokens .pg-chip", 20))),
    "Attention": (
        show_nothing,
        (
            Part("#attention-heads button:has(canvas)"),
            Part("#attention-panels [data-tab-id='Two models']", on_phone=False),  # the last of the parts
            Part("#tab-attention .js-plotly-plot", 250, on_phone=False),
        ),
    ),
    "Train": (
        show_run,
        (
            Part("#train-start"),
            Part("#tab-train .js-plotly-plot", 200, on_phone=False),
            Part("#tab-train .pg-samples > *", 60, on_phone=False),
        ),
    ),
    "Chat": (show_chat, (Part("#chat-text"), Part("#chat-send"), Part(".pg-said-model", 60))),
    "Label": (
        show_votes,
        (
            Part(".pg-vote-side:nth-child(1) .pg-vote-text", 60),
            Part(".pg-vote-side:nth-child(2) .pg-vote-text", 60),
            Part(".pg-vote-button:nth-child(1)"),
            Part(".pg-vote-button:nth-child(4)"),
        ),
    ),
    "Align": (
        show_dpo,
        (
            Part("#dpo-start"),
            Part("#tab-align .pg-badge", on_phone=False),
            Part("#tab-align .js-plotly-plot", 200, on_phone=False),
        ),
    ),
    "Models": (
        show_nothing,
        (Part("#models-shelf .pg-model-card"), Part("#models-shelf .pg-details h3", on_phone=False)),
    ),
}
# How many pixels of its height are in the window, and how many it has; of the first that can be seen.
IN_SIGHT = """(selector) => {
  const node = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility() && one.offsetParent);
  if (!node) return [0, 1];
  const { left, right, top, bottom, height } = node.getBoundingClientRect();
  const isBeside = left < -1 || right > document.documentElement.clientWidth + 1;
  return [isBeside ? 0 : Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0)), height];
}"""
# What of the page is wider than the window, and what is wrong with the header.
FRAME = """() => {
  const width = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth - width;
  const header = document.querySelector(".pg-header").getBoundingClientRect();
  const parts = [...document.querySelectorAll(
    ".pg-title h1, #model-picker input, .pg-header-badge > *, .pg-tour-start button")]
    .filter((node) => node.checkVisibility() && node.textContent + (node.value ?? ""));
  const boxes = parts.map((node) => node.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const overlaps = parts.filter((_, i) => boxes.some((box, j) => j > i && meet(boxes[i], box)));
  const outside = parts.filter((_, i) => boxes[i].bottom > header.bottom + 1 || boxes[i].right > width + 1);
  return { wide, header: header.height, broken: [...overlaps, ...outside].map((node) => node.outerHTML.slice(0, 80)) };
}"""


def look(page: Page, tab: str, size: tuple[int, int], parts: tuple[Part, ...]) -> list[str]:
    """What is wrong with the first screen."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(STILL, 300)
    where = f"{tab} at {width}x{height}"
    frame = page.evaluate(FRAME)
    wrong = [f"{where}: {frame['wide']} pixels too wide"] if frame["wide"] > 0 else []
    if frame["header"] > LONGEST_HEADER[width < PHONE]:
        wrong.append(f"{where}: the header is {frame['header']} pixels high")
    wrong += [f"{where}: broken header, {part}" for part in frame["broken"]]
    for part in parts:
        if part.on_phone or width >= PHONE:
            seen, whole = page.evaluate(IN_SIGHT, part.selector)
            wanted = min(part.height, whole)
            wrong += [f"{where}: {seen:.0f} of {wanted:.0f} pixels of {part.selector}"] if seen < wanted - 1 else []
    return wrong


@pytest.mark.slow
def test_what_a_tab_is_for_stands_in_the_first_screen_at_every_width(page: Page, workspace: Path, url: str) -> None:
    write_aligned(workspace, "my-dpo", "dpo")
    open_page(page, url)
    wrong = []
    for tab, (show, parts) in TABS.items():
        open_tab(page, tab)
        show(page)
        for size in SCREENS:
            wrong += look(page, tab, size, parts)
        for size in EXTREMES:
            wrong += look(page, tab, size, ())
    assert not wrong, "\n".join(wrong)


def test_a_page_that_nobody_touches_draws_nothing(page: Page, url: str) -> None:
    counting = "frames = 0; { const soon = requestAnimationFrame.bind(window);"
    page.add_init_script(counting + "requestAnimationFrame = (work) => { frames += 1; return soon(work); }; }")
    page.goto(f"{url}?tab=train")
    page.locator(".js-plotly-plot:visible").first.wait_for()

    def drawn() -> int:
        """Frames in two seconds; some come when the page asks for news."""
        before = page.evaluate("frames")
        page.wait_for_timeout(2000)
        return page.evaluate("frames") - before

    assert any(drawn() < 30 for _ in range(5))  # of 120; it has to come to rest first
