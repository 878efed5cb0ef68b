"""The whole way that a newcomer goes: a line, its tokens, its attention, a training, a chat with what was trained."""

import pytest
from playwright.sync_api import Page, expect

from tests.ui.steps import choose_model, column, open_page, open_tab, start_training, wait_for_points, wait_for_state

HOSTILE = "<img src=x onerror=alert(1)>"
LINE = "Good morrow, gentle reader 🙂 <b>bold</b>"


@pytest.mark.slow
def test_from_a_typed_line_to_a_chat_with_a_model_of_ones_own(page: Page, url: str) -> None:
    open_page(page, url)
    expect(page.locator("#model-picker input")).to_have_value("bard-base")

    page.locator("#tokenizer-text textarea").fill(LINE)
    own = column(page, "bard-base")
    expect(page.locator("#tokens .pg-of-text")).to_contain_text(str(len(LINE)))
    chips = own.locator(".pg-chip-text")
    expect(chips.last).to_have_text(">")
    assert "".join(chips.all_text_contents()).startswith("Good morrow, gentle reader ")
    assert own.locator("b").count() == 0, "typed text became markup"
    expect(column(page, "OpenAI's GPT-2").locator("h3")).to_have_text("OpenAI's GPT-2: 50,257 tokens")

    open_tab(page, "Attention")
    expect(page.locator("#attention-text textarea")).to_have_value(LINE)
    heads = page.locator(".pg-head")
    expect(heads).to_have_count(36)
    heads.nth(14).click()
    focus = page.locator(".pg-focus")
    expect(focus).to_contain_text("Layer 3, head 3")
    expect(focus.locator(".hm image")).to_be_visible()
    heads.nth(14).press("ArrowRight")
    expect(focus).to_contain_text("Layer 3, head 4")

    start_training(page, "mine", max_steps=60)
    wait_for_points(page, "mine", 5)
    page.reload()
    open_tab(page, "Train")
    wait_for_points(page, "mine", 5)
    seen = page.locator(".pg-run").get_attribute("data-points")
    if page.locator(".pg-run").get_attribute("data-state") == "running":
        wait_for_points(page, "mine", int(seen or 0) + 5)  # the plot is back, and moving
    wait_for_state(page, "mine", "finished", seconds=240)
    wait_for_points(page, "mine", 60)
    expect(page.locator(".pg-sample").first).to_contain_text("ROMEO:")

    choose_model(page, "mine")
    open_tab(page, "Chat")
    page.locator("#chat-text textarea").fill(f"HAMLET:\nTo be {HOSTILE}")
    page.locator("#chat-send").click()
    expect(page.locator(".pg-said-person .pg-said-text")).to_have_text(f"HAMLET:\nTo be {HOSTILE}")
    assert page.locator(".pg-scene img").count() == 0, "typed text became markup"
    expect(page.locator(".pg-said-note")).to_contain_text("200 tokens", timeout=60_000)
    assert len(page.locator(".pg-said-model .pg-said-text").inner_text()) > 100


def test_bad_input_gets_one_sentence_and_nothing_is_lost(page: Page, url: str) -> None:
    open_page(page, url)
    page.locator("#tokenizer-text textarea").fill("")
    expect(column(page, "bard-base").locator(".pg-counts")).to_contain_text("0")

    long_text = "All the world's a stage. " * 8000  # 200 kB
    page.locator("#tokenizer-text textarea").fill(long_text)
    expect(page.locator("#tokens .pg-note")).to_contain_text("The figures are for the whole text")

    open_tab(page, "Attention")
    expect(page.locator(".pg-attention")).to_contain_text("Only the first 128 tokens are shown")
    page.locator("#attention-text textarea").fill("")
    expect(page.locator(".pg-attention")).to_have_text("Type a few words to see where each head looks.")

    start_training(page, HOSTILE, max_steps=100)
    expect(page.get_by_text(f"'{HOSTILE}' cannot be the name of a run")).to_be_visible()
    page.reload()
    start_training(page, "../escape", max_steps=100)
    expect(page.get_by_text("cannot be the name of a run")).to_be_visible()
    start_training(page, "fine", max_steps=0)
    expect(page.locator("#train-form .pg-start-said")).to_contain_text("max_steps must be between 1 and 100,000,000")
    expect(page.locator("#train-name input")).to_have_value("fine")
