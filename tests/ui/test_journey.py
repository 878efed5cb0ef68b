"""The whole way that a newcomer goes: a line, its tokens, its attention, a training, a chat with what was trained."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.decode import PRECISIONS
from tests.ui.steps import choose_model, column, open_page, open_tab, start_training, wait_for_points, wait_for_state

HOSTILE = "<img src=x onerror=alert(1)>"
LINE = "Good morrow, gentle reader 🙂 <b>bold</b>"


@pytest.mark.slow
def test_from_a_typed_line_to_a_chat_with_a_model_of_ones_own(page: Page, url: str) -> None:
    open_page(page, url)
    expect(page.locator("#model-picker input")).to_have_value("bard-base")

    page.locator("#tokenizer-text textarea").fill(LINE)
    own = column(page, "bard-base")
    expect(page.locator("#tokens .pg-counts").first).to_contain_text(str(len(LINE)))
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

    start_training(page, "mine", max_steps=250)
    wait_for_points(page, "mine", 5)
    page.reload()
    open_tab(page, "Train")
    wait_for_points(page, "mine", 5)
    seen = page.locator(".pg-run").get_attribute("data-points")
    if page.locator(".pg-run").get_attribute("data-state") == "running":
        wait_for_points(page, "mine", int(seen or 0) + 5)  # the plot is back, and moving
    wait_for_state(page, "mine", "finished", seconds=240)
    wait_for_points(page, "mine", 250)
    expect(page.locator(".pg-sample").first).to_contain_text("ROMEO:")

    choose_model(page, "mine")
    open_tab(page, "Chat")
    page.locator("#chat-text textarea").fill(f"HAMLET:\nTo be {HOSTILE}")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-speed")).to_contain_text("tokens/s")
    expect(page.locator(".pg-said-person")).to_have_text(f"HAMLET:\nTo be {HOSTILE}")
    assert page.locator(".pg-scene img").count() == 0, "typed text became markup"
    answer = page.locator(".pg-said-model")
    expect(page.locator("#chat-speed")).to_contain_text("200 tokens", timeout=60_000)
    assert len(answer.inner_text()) > 100


def test_stop_ends_a_scene_and_clear_empties_it(page: Page, url: str) -> None:
    open_page(page, url)
    open_tab(page, "Chat")
    page.locator("#setting-max_new_tokens input").fill("5000")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-speed")).to_contain_text("tokens/s")
    page.locator("#chat-stop").click()
    page.wait_for_timeout(500)
    stopped = page.locator("#chat-speed").inner_text()
    page.wait_for_timeout(1000)
    assert page.locator("#chat-speed").inner_text() == stopped
    page.locator("#chat-clear").click()
    expect(page.locator("#chat-log .pg-said")).to_have_count(0)


def test_a_long_scene_goes_on_with_rounded_weights_and_the_note_says_what_was_read(page: Page, url: str) -> None:
    open_page(page, url)
    open_tab(page, "Chat")
    page.locator("#setting-max_new_tokens input").fill("30")
    page.locator("#chat-precision input").click()
    page.get_by_role("option", name="int8", exact=True).click()
    expect(page.locator("#chat-precision")).to_contain_text(PRECISIONS["int8"][1:])
    page.locator("#chat-text textarea").fill("CITIZEN:\nSpeak, speak, good friends.\n\n" * 40)
    page.locator("#chat-send").click()
    expect(page.locator("#chat-speed")).to_contain_text("30 tokens", timeout=60_000)
    expect(page.locator("#chat-speed")).to_contain_text(
        re.compile(r"it read the last \d+ of \d+ tokens \(context 256\)")
    )


def test_a_precision_that_the_processor_lacks_is_one_sentence(
    page: Page, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise RuntimeError("Didn't find engine for operation")

    monkeypatch.setattr("core.decode.rounded_to_16_bits", missing)
    open_page(page, url)
    open_tab(page, "Chat")
    page.locator("#chat-precision input").click()
    page.get_by_role("option", name="float16", exact=True).click()
    page.locator("#chat-send").click()
    expect(page.get_by_text("Precision float16 is not available on this processor: use float32.")).to_be_visible()


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
    expect(page.get_by_text("max_steps must be between 1 and")).to_be_visible()
    expect(page.locator("#train-name textarea, #train-name input")).to_have_value("fine")
