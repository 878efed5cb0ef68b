"""The heart of it: a person votes thirty times by keyboard, presses Align, and sees what has changed."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.preferences.rule_annotators import RULES, prefer
from core.preferences.vote_store import Votes
from tests.helpers.small_chat import make_small_chat
from tests.ui.steps import choose, open_page, open_tab, wait_for_state
from tests.ui.test_align import VIEW, fill
from tests.ui.test_label import press, ready

VOTES = 30
TASTE = RULES["question"]  # the person is a rule, so that it can be counted whether the model has learned the taste
KEYS = {"left": "1", "right": "2", "tie": "3"}


@pytest.mark.slow
@pytest.mark.longest
def test_thirty_votes_bend_the_model_and_the_page_shows_it(page: Page, url: str, workspace: Path) -> None:
    make_small_chat(workspace / "small")
    open_page(page, f"{url}?model=small")
    open_tab(page, "Label")
    for _ in range(VOTES):
        ready(page)
        left, right = page.locator("#label-vote .pg-vote-text").all_inner_texts()
        press(page, KEYS[prefer(TASTE, left, right)])
    expect(page.locator("#label-vote .pg-vote-progress")).to_contain_text(f"{VOTES} of {VOTES} votes")
    votes = Votes(workspace / "preferences.db").standing()
    assert len(votes) == VOTES and len({vote.pair.id for vote in votes}) == VOTES
    assert all(prefer(TASTE, v.chosen.text, v.rejected.text) == "left" for v in votes if v.decided)

    page.get_by_role("button", name="Train on these votes").click()
    expect(page.locator("#dpo-data input")).to_have_value(f"votes by me ({VOTES})", timeout=60_000)
    expect(page.locator("#dpo-parent input")).to_have_value("small")
    expect(page.locator("#dpo-plan")).to_contain_text(f"{VOTES} votes", timeout=60_000)
    fill(page, "dpo-max_steps", "20")
    fill(page, "dpo-learning_rate", "0.001")  # the prompts are drawn at random: what it learns must stand out
    page.locator("#dpo-start").click()
    wait_for_state(page, "dpo-1", "finished", seconds=400, view=VIEW)
    expect(page.locator(".pg-story")).to_contain_text("pairs the margin grew")
    verdict = page.locator("#align-view .pg-outcome[data-verdict]")
    expect(verdict).to_contain_text("held-out votes")
    verdict.get_by_role("button", name="Chat with both").click()
    expect(page.locator("#model-picker input")).to_have_value("dpo-1")
    expect(page.locator("#chat-beside select")).to_have_value("small")
    page.locator("#chat-text textarea").fill("Good morrow, friend.")
    page.locator("#chat-send").click()
    expect(page.locator(".pg-said-model[data-state=finished]")).to_have_count(2, timeout=60_000)

    open_tab(page, "Align")
    open_tab(page, "Before and after")
    expect(page.locator("#compare-after input")).to_have_value("dpo-1")
    choose(page, "compare-rule", TASTE.title)
    fill(page, "compare-count", "40")
    page.locator("#compare-start").click()
    page.wait_for_function(
        "(d => d?.running === 'false' && d.answered === '40')(document.querySelector('.pg-compare')?.dataset)",
        timeout=240_000,
    )
    row = page.locator(".pg-measured tr", has_text=f"share of answers: {TASTE.title}")
    before, after = (int(text.split()[0]) for text in row.locator("td").all_inner_texts()[-2:])  # %
    assert after >= before + 25, "the page shows that the model has learned the taste"
