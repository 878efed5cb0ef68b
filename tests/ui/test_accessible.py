"""The page for everyone: axe finds nothing on any tab, light or dark, and the keyboard reaches every control."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.tokenizer import Tokenizer
from playground.app import TABS
from tests.ui.runs import keep_small_models
from tests.ui.steps import STILL, every_part, open_page, open_tab

# Axe's rules, WCAG's and what it holds to be good practice, are asked of the whole page once a tab, and of what else is
# opened in it. All but one of them read no colour, and need not be asked again in the dark.
CONTRAST = "color-contrast"
STRUCTURE = {"resultTypes": ["violations"], "rules": {CONTRAST: {"enabled": False}}}
COLORS = {"resultTypes": ["violations"], "runOnly": [CONTRAST]}
# Axe walks through all of the page, though it judges what can be seen: so what closed panels hold is taken out for as
# long. How all of them stand together is asked once, at the end.
RUN = """async ([where, options, spared]) => {
  const closed = [...document.querySelectorAll("[role=tabpanel]")].filter((panel) => !panel.checkVisibility());
  const kept = closed.map((panel) => [...panel.childNodes]);
  closed.forEach((panel) => panel.replaceChildren());
  try {
    return (await axe.run({ include: [where ? [where] : document], exclude: spared }, options)).violations;
  } finally {
    closed.forEach((panel, i) => panel.replaceChildren(...kept[i]));
  }
}"""
# Contrast is dear, and a row of tokens has hundreds of the same: of more than three neighbours that look alike, and all
# of whose parts do, the first two and the last stand for the others.
LOOKS = ["class", "style", "disabled", "aria-pressed", "aria-selected", "aria-checked", "aria-current", "data-state"]
SPARED = [["[data-spared]"]]
SPARE = """(attributes) => {
  const known = new Map();
  const look = (node) => {
    if (!known.has(node)) {
      const own = attributes.map((name) => node.getAttribute(name));
      known.set(node, [node.tagName, ...own, ...[...node.children].map(look)].join());
    }
    return known.get(node);
  };
  document.querySelectorAll("[data-spared]").forEach((node) => node.removeAttribute("data-spared"));
  for (const parent of document.querySelectorAll("[role=tabpanel] *")) {
    const alike = Map.groupBy(parent.children, look);
    alike.forEach((nodes) => nodes.slice(2, -1).forEach((node) => node.setAttribute("data-spared", "")));
  }
}"""
WHOLE = "async (options) => (await axe.run(document, options)).violations"
# The panel of the innermost tab that is open, of those that can be seen.
OPENED = """() => [...document.querySelectorAll("[role=tabpanel]")].filter((panel) => panel.checkVisibility())
  .forEach((panel, _, all) => panel.toggleAttribute("data-opened", !all.some((other) => other !== panel &&
    panel.contains(other))))"""


@pytest.fixture
def workspace(workspace: Path, tokenizer: Tokenizer) -> Path:
    keep_small_models(workspace, tokenizer)
    return workspace


def told(violations: list[dict[str, Any]]) -> list[str]:
    return [f"{one['id']}: {node['html'][:160]} {node['target']}" for one in violations for node in one["nodes"]]


@pytest.mark.slow
@pytest.mark.longest
def test_axe_finds_nothing_light_or_dark(page: Page, url: str) -> None:
    open_page(page, f"{url}?__theme=light")
    page.evaluate(Axe().axe_script)
    page.add_style_tag(content="* { transition: none !important; }")  # so that a theme is there at once
    found = {}
    for tab in TABS:
        open_tab(page, tab)
        for part in every_part(page):
            page.evaluate(STILL, 1000)
            page.evaluate(OPENED)
            where = "[data-opened]" if part else ""
            wrong = told(page.evaluate(RUN, [where, STRUCTURE, []]))
            page.evaluate(SPARE, LOOKS)
            for theme in ("light", "dark"):
                page.evaluate("theme => document.body.classList.toggle('dark', theme === 'dark')", theme)
                wrong += [f"{theme}: {one}" for one in told(page.evaluate(RUN, [where, COLORS, SPARED]))]
            page.evaluate("document.body.classList.remove('dark')")
            found |= {(tab, part): wrong} if wrong else {}
    assert found == {}
    assert told(page.evaluate(WHOLE, STRUCTURE)) == []


# Every control of ours that can be seen, with how it looks without the focus; and those that the Tab key has come to,
# with whether they look different then.
OWN = """[...document.querySelectorAll("[class*=pg-] :is(button, input, select, textarea, summary, [tabindex='0'])")]
  .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.disabled && node.tabIndex >= 0)"""
BEFORE = f"""() => {{
  document.activeElement.blur();
  scrollTo(0, 0);
  window.look = (node) => {{
    const {{ outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor }} = getComputedStyle(node);
    const frame = node.closest(".wrap"); // which Gradio rings in place of the box inside
    const own = [outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor].join();
    return frame && frame !== node ? own + look(frame) : own;
  }};
  {OWN}.forEach((node) => (node.dataset.unfocused = look(node)));
}}"""
REACHED = f"""() => {{
  const node = document.activeElement;
  node.dataset.reached = look(node) !== node.dataset.unfocused;
  return {{ end: node === document.body, all: {OWN}.every((one) => one.dataset.reached) }};
}}"""


@pytest.mark.slow
@pytest.mark.longest
def test_the_tab_key_reaches_every_control_and_it_shows(page: Page, url: str) -> None:
    open_page(page, url)
    the_model_list_does_not_stay_open_behind_who_goes_on(page)
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Chat":
            page.locator("#chat-text textarea").fill("Who's there?")
            page.locator("#chat-text textarea").fill("What news?")
            page.locator("#chat-send").click()
            page.locator(".pg-said-model[data-state=finished]").wait_for()
            page.get_by_role("button", name="X-ray").click()
            page.locator(".pg-said-model .pg-chip").first.click()
            page.locator(".pg-inside h3").wait_for()
        page.wait_for_function(f"{OWN}.length > 5")
        page.evaluate(STILL, 1000)
        page.evaluate(BEFORE)
        ends = 0  # of the page, after which it begins again; a dropdown that takes new choices lets go of it, too
        while ends < 5:
            page.keyboard.press("Tab")
            reached = page.evaluate(REACHED)
            ends = 5 if reached["all"] else ends + reached["end"]
        page.evaluate("document.activeElement.blur()")  # a list that is open would lie on the tabs
        left_out = page.evaluate(f"{OWN}.filter((node) => !node.dataset.reached).map((node) => node.outerHTML)")
        unseen = page.evaluate(
            f"{OWN}.filter((node) => node.dataset.reached === 'false').map((node) => node.outerHTML)"
        )
        assert left_out == [] and unseen == [], tab


def the_model_list_does_not_stay_open_behind_who_goes_on(page: Page) -> None:
    page.locator("#model-picker input").focus()
    expect(page.locator("#model-picker ul")).to_be_visible()
    page.keyboard.press("Tab")  # while the list still opens, and before the page has heard which models there are
    page.wait_for_timeout(1000)
    expect(page.locator("#model-picker ul")).to_be_hidden()
