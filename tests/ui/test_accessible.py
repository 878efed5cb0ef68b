"""The page for everyone: axe finds nothing on any tab, light or dark, and the keyboard reaches every control."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from playground.app import TABS
from tests.ui.steps import open_page, open_tab
from tests.ui.test_security import every_part

RULES = {"resultTypes": ["violations"]}  # all of them: WCAG's and what axe holds to be good practice


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {node['html'][:160]} {node['target']}" for one in found for node in one["nodes"]]


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, url: str, theme: str) -> None:
    open_page(page, f"{url}?__theme={theme}")
    found = {}
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(2500)
        for part in every_part(page):
            page.wait_for_timeout(800)
            found |= {(tab, part): wrong} if (wrong := violations(page)) else {}
    assert found == {}


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
REACHED = """() => {
  const node = document.activeElement;
  node.dataset.reached = look(node) !== node.dataset.unfocused;
  return node === document.body;
}"""


MARKUP = OWN.replace("{", "{{").replace("}", "}}") + ".filter((node) => {}).map((node) => node.outerHTML)"


@pytest.mark.slow
@pytest.mark.longest
def test_the_tab_key_reaches_every_control_and_it_shows(page: Page, url: str) -> None:
    open_page(page, url)
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Chat":
            page.locator("#chat-send").click()
            page.locator(".pg-said-model[data-state=finished]").wait_for()
            page.get_by_role("button", name="X-ray").click()
            page.locator(".pg-said-model .pg-chip").first.click()
            page.locator(".pg-inside h3").wait_for()
        page.wait_for_timeout(2000)
        page.evaluate(BEFORE)
        ends = 0  # of the page, after which it begins again; a dropdown that takes new choices lets go of it, too
        while ends < 5:
            page.keyboard.press("Tab")
            ends += page.evaluate(REACHED)
        left_out = page.evaluate(f"{OWN}.filter((node) => !node.dataset.reached).map((node) => node.outerHTML)")
        unseen = page.evaluate(
            f"{OWN}.filter((node) => node.dataset.reached === 'false').map((node) => node.outerHTML)"
        )
        assert page.evaluate(f"{OWN}.length") > 5 and left_out == [] and unseen == [], tab
