"""The guided tour, and links that lead to a place of the page."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from playground.tour.stops import ONWARD, SENTENCE, STOPS
from tests.ui.steps import choose_model, open_page, open_tab

WIDTHS = ((1280, 900), (390, 844), (800, 900), (560, 800))
# Whether what is explained is in view, and how much of it the card covers; null while it is being scrolled to.
STANDS = """(selector) => {
  const box = (node) => node.getBoundingClientRect();
  const [card, target] = [box(document.querySelector(".pg-tour")), box(document.querySelector(selector))];
  const inside = (low, high, size) => Math.min(high, size) - Math.max(low, 0);
  const seen = inside(target.top, target.bottom, innerHeight) >= Math.min(target.height, innerHeight / 2) - 1;
  const whole = card.left >= 0 && card.right <= innerWidth && card.top >= 0 && card.bottom <= innerHeight;
  const common = (low, high) => Math.max(0, Math.min(card[high], target[high]) - Math.max(card[low], target[low]));
  const covered = common("left", "right") * common("top", "bottom");
  return seen && whole && covered <= 0.35 * target.width * target.height;
}"""


def test_the_tour_follows_one_sentence_through_all_tabs_at_every_width_and_leads_on(page: Page, url: str) -> None:
    open_page(page, url)
    page.get_by_role("button", name="Take the tour").press("Enter")
    card = page.get_by_role("dialog")
    expect(card).to_contain_text(f"“{SENTENCE}” is {len(SENTENCE)} bytes and, for bard-base, ")
    expect(page.locator("#tokenizer-text textarea")).to_have_value(SENTENCE)
    for number, stop in enumerate(STOPS):
        expect(card.get_by_role("heading")).to_have_text(stop.title)
        expect(card.get_by_role("heading")).to_be_focused()
        expect(page.locator(f"#tab-{stop.tab.lower()}")).to_be_visible()
        expect(page.locator(f"{stop.target}.pg-tour-here")).to_be_visible(timeout=30_000)
        expect(card).not_to_contain_text("…")
        page.wait_for_function(STANDS, arg=stop.target, timeout=10_000)
        if number == 4:
            expect(card).to_contain_text(re.compile(r"Its loss on your sentence is \d\.\d\d nats per token"))
            page.keyboard.press("Escape")
            expect(card).to_have_count(0)
            page.reload()
            page.get_by_role("button", name=f"Go on with the tour (5 of {len(STOPS)})").press("Enter")
            expect(card.get_by_role("heading")).to_be_focused()
        width, height = WIDTHS[(number + 1) % len(WIDTHS)]
        page.set_viewport_size({"width": width, "height": height})
        page.keyboard.press("ArrowRight")
    for place in ONWARD:  # the last step stays until one of them is chosen
        expect(card.get_by_role("button", name=place.text)).to_be_visible()
    card.get_by_role("button", name="Chat").press("Enter")
    expect(card).to_have_count(0)
    expect(page.get_by_role("tab", name="Chat", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_visible()
    expect(page.locator(".pg-talk")).to_contain_text("as bard-base answers nobody")  # and nobody had chosen it
    expect(page.locator("#model-picker input")).to_have_value("bard-chat")


@pytest.mark.slow
def test_a_sentence_of_ones_own_is_followed_to_the_vote_without_waiting(page: Page, url: str) -> None:
    open_page(page, url)
    page.locator("#tokenizer-text textarea").fill("A line\nof my own")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Take the tour").click()
    card = page.get_by_role("dialog")
    expect(card).to_contain_text("is 16 bytes")
    expect(page.locator("#tokenizer-text textarea")).to_have_value("A line\nof my own")
    while STOPS[int(page.evaluate("localStorage.getItem('pg-tour')"))].tab != "Label":
        card.get_by_role("button", name="Next").click()
        expect(card.get_by_role("heading")).to_be_focused()
    expect(page.locator("#label-vote .pg-vote-prompt")).to_have_text("A line of my own", timeout=60_000)
    expect(page.locator("#label-vote .pg-voting")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(card.get_by_role("heading")).to_be_focused()
    page.wait_for_timeout(600)  # nobody has read two answers sooner: such votes do not count
    page.keyboard.press("1")
    expect(page.locator(".pg-vote-progress")).to_contain_text("1 of 30 votes")
    began = time.monotonic()
    card.get_by_role("button", name="Next").click()
    expect(card.get_by_role("heading")).to_have_text("Votes change the weights")
    assert time.monotonic() - began < 10  # at once, but for what else the machine does; a vote that is missed waits 20
    open_tab(page, "Label")  # votes on one prompt alone would teach nothing: the others are there again
    expect(page.locator("#label-prompts input")).to_have_value("from the plays")


BAR = ".tab-container[role=tablist] > button, .overflow-dropdown > button"


def go(page: Page, bar: str, name: str) -> None:
    """Open a tab as a person does: from the bar, or from the menu of those for which there is no room."""
    entry = page.locator(f"{bar} :is({BAR})").get_by_text(name, exact=True)
    if not entry.is_visible():
        page.locator(f"{bar} .overflow-menu > button").press("Enter")
    entry.press("Enter")


def test_links_the_address_and_a_reload_know_every_tab_at_every_width(page: Page, url: str) -> None:
    outer, inner = "#tabs > .tab-wrapper", "#attention-panels > .tab-wrapper"
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{url}?tab=attention&part=Two models&model=bard-chat&text=Good morrow&__theme=dark")
    expect(page.locator("#model-picker input")).to_have_value("bard-chat", timeout=30_000)
    expect(page.locator(f"{inner} [aria-selected=true]")).to_have_text("Two models", timeout=30_000)
    expect(page.locator("#attention-text textarea")).to_have_value("Good morrow")
    for width, tab in ((390, "Label"), (560, "Align"), (800, "Models"), (1280, "Chat")):
        page.set_viewport_size({"width": width, "height": 844})
        go(page, outer, "Attention")
        go(page, inner, "Time-lapse")
        expect(page).to_have_url(re.compile("tab=attention.*part=time-lapse|part=time-lapse.*tab=attention"))
        go(page, outer, tab)
        expect(page).to_have_url(re.compile(f"tab={tab.lower()}"))
        expect(page).not_to_have_url(re.compile("part="))
        expect(page.locator(f"#tab-{tab.lower()}")).to_be_visible()
    choose_model(page, "bard-tiny")
    expect(page).to_have_url(re.compile("model=bard-tiny.*__theme=dark|__theme=dark.*model=bard-tiny"))
    page.set_viewport_size({"width": 560, "height": 844})
    page.reload()
    expect(page.locator("#tab-chat")).to_be_visible(timeout=30_000)
    expect(page.locator("#model-picker input")).to_have_value("bard-tiny")


def test_a_link_to_what_is_not_there_says_so(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=<img src=x>&model=<img src=x>")
    expect(page.get_by_text("There is no tab called <img src=x>.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("There is no model called <img src=x> here.")).to_be_visible()
    expect(page.locator("#model-picker input")).to_have_value("bard-base")
    assert page.locator("img[src=x]").count() == 0
    expect(page).to_have_url(re.compile(r"/\?model=bard-base$"))  # and can be copied
