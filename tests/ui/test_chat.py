"""The Chat tab: turns and branches, two models, a vote, and what lies behind a token."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.datasets.conversation_files import read_conversations
from core.packed_model import PRECISIONS
from core.preferences.vote_store import Votes
from playground.tabs.chat.conversation_store import ConversationStore
from tests.ui.steps import choose, choose_model, open_page, open_tab, unfold

HOSTILE = "<img src=x onerror=alert(1)>"


def open_chat(page: Page, url: str, model: str = "bard-chat", tokens: int = 40) -> None:
    open_page(page, f"{url}?model={model}")
    open_tab(page, "Chat")
    page.locator("#chat-max_new_tokens input").fill(str(tokens))


def send(page: Page, line: str) -> None:
    page.locator("#chat-text textarea").fill(line)
    page.locator("#chat-send").click()


def said(page: Page) -> Locator:
    return page.locator(".pg-said-person .pg-said-text")


def answered(page: Page, count: int = 1) -> Locator:
    """The texts of the answers that are shown, once there are `count` and all have ended."""
    expect(page.locator('.pg-said-model:not([data-state="writing"])')).to_have_count(count, timeout=60_000)
    return page.locator(".pg-said-model .pg-said-text")


def press(page: Page, name: str) -> None:
    page.locator("#chat-log").get_by_role("button", name=name, exact=True).last.press("Enter")


def test_turns_branch_where_one_edits_or_asks_again_and_are_kept_by_name_with_their_settings(
    page: Page, url: str, workspace: Path, tmp_path: Path
) -> None:
    open_chat(page, url)
    expect(page.locator(".pg-talk")).to_contain_text("bard-chat was taught to answer in turns.")
    box = page.locator("#chat-text textarea")
    box.fill(f"What say you? {HOSTILE} 🙂")
    box.press("Shift+Enter")
    box.press_sequentially("Speak!")
    box.press("Enter")
    first = answered(page).inner_text()
    expect(page.locator(".pg-said-note")).to_have_text(re.compile(r"\d+ tokens · \d+ tokens/s · first after \d+ ms"))
    expect(said(page)).to_have_text(f"What say you? {HOSTILE} 🙂\nSpeak!")
    expect(box).to_have_value("")
    assert page.locator("#chat-log img").count() == 0, "typed text became markup"

    press(page, "Another answer")
    expect(page.locator("#chat-log")).to_contain_text("2 of 2")
    assert answered(page).inner_text() != first
    press(page, "The branch before")
    expect(answered(page)).to_have_text(first)

    send(page, "And then?")
    answered(page, 2)
    expect(said(page)).to_have_count(2)
    press(page, "Branch here")
    expect(said(page)).to_have_count(1)
    press(page, "Show it")
    expect(said(page)).to_have_count(2)
    page.locator(".pg-said-person").last.get_by_role("button", name="Edit").press("Enter")
    page.get_by_label("Your line, to be edited").fill("But why?")
    press(page, "Send as a new branch")
    answered(page, 2)
    expect(said(page).last).to_have_text("But why?")
    page.reload()
    open_tab(page, "Chat")
    expect(said(page)).to_have_text([f"What say you? {HOSTILE} 🙂\nSpeak!", "But why?"])
    expect(page.locator(".pg-said-model .pg-said-text").first).to_have_text(first)

    with page.expect_download() as saved:
        press(page, "as JSON")
    saved.value.save_as(tmp_path / "talk.jsonl")
    kept = read_conversations(tmp_path / "talk.jsonl").messages[0]  # a fine-tuning could learn from it
    assert [message["content"] for message in kept][:3:2] == [f"What say you? {HOSTILE} 🙂\nSpeak!", "But why?"]
    with page.expect_download() as saved:
        press(page, "Save as Markdown")
    saved.value.save_as(tmp_path / "talk.md")
    assert "**You**" in (tmp_path / "talk.md").read_text() and HOSTILE not in (tmp_path / "talk.md").read_text()

    page.get_by_role("button", name="Precise").click()
    page.locator("#chat-list > button").click()
    page.get_by_role("button", name="Rename What say you?").press("Enter")
    page.get_by_label("New name").fill("The watch")
    page.get_by_label("New name").press("Enter")
    expect(page.locator(".pg-kept-name")).to_have_text("The watch")

    page.locator("#chat-clear").click()
    expect(page.locator("#chat-log article")).to_have_count(0)
    expect(page.locator(".pg-starter")).to_have_count(4)
    expect(page.locator(".pg-starters")).to_contain_text("6.7M weights: it has learned how Shakespeare sounds")
    choose_model(page, "bard-chat")
    send(page, "")
    expect(page.locator("#chat-log")).to_contain_text("Write a line first")

    unfold(page, "chat-manner")
    choose(page, "chat-persona", "HAMLET")
    box.fill("Good morrow, my lord.")
    picture = page.locator(".pg-next")
    expect(picture.locator("td").first).to_have_text("HAMLET")
    choose(page, "chat-persona", "nobody in particular")
    expect(picture.locator("td").first).not_to_have_text("HAMLET")
    expect(picture).to_contain_text(re.compile(r"of 2,048 tokens can be drawn"))
    page.get_by_role("button", name="Balanced").click()
    page.locator("#chat-top_k input").fill("3")
    expect(picture).to_contain_text("3 of 2,048 tokens can be drawn")
    expect(picture.locator(".pg-cut")).to_have_count(7)
    choose(page, "chat-persona", "HAMLET")
    unfold(page, "chat-manner")
    expect(page.locator("#chat-manner")).to_contain_text("bard-chat · no second model · speaks as HAMLET · change")
    page.locator("#chat-send").click()
    assert answered(page).inner_text().startswith("HAMLET:\n")

    expect(page.locator(".pg-kept-name")).to_have_text(["Good morrow, my lord.", "The watch"])
    choose_model(page, "bard-tiny")  # a conversation brings its own back
    page.get_by_label("Search conversations").fill("but WHY?")
    expect(page.locator(".pg-kept-name")).to_have_text(["The watch"])
    page.locator(".pg-kept-name").click()
    expect(said(page)).to_have_text([f"What say you? {HOSTILE} 🙂\nSpeak!", "But why?"])
    expect(page.locator("#model-picker input")).to_have_value("bard-chat")
    expect(page.get_by_role("button", name="Precise")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#chat-max_new_tokens input")).to_have_value("40")
    content, _ = ConversationStore(workspace).open(ConversationStore(workspace).entries("watch")[0].id)
    assert content["settings"]["temperature"] == 0.4, "another playground, started later, finds it on the disk"
    page.get_by_role("button", name="Delete The watch").click()
    expect(page.locator("#chat-log article")).to_have_count(0)
    expect(page.locator(".pg-conversations")).to_contain_text("Nothing is called so")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".pg-kept-name")).to_have_text(["The watch"])


def test_a_token_is_looked_into_and_a_vote_between_two_models_is_kept(page: Page, url: str, workspace: Path) -> None:
    open_chat(page, url, tokens=20)
    page.locator("#chat-temperature input[type=number]").fill("0")
    send(page, "What news?")
    answered(page)
    press(page, "X-ray")
    shown = page.locator(".pg-said-model .pg-chip-text")
    before = shown.all_inner_texts()
    page.locator(".pg-said-model .pg-chip").nth(2).press("Enter")
    inside = page.locator(".pg-inside")
    expect(inside.locator("h3")).to_contain_text(f"“{before[2]}” had a probability of")
    likeliest = inside.locator("tr").nth(1).locator("td")
    expect(likeliest.first).to_have_text(before[2])
    expect(likeliest.last).to_have_text("was drawn")
    expect(inside.locator(".pg-inside-token").last).to_have_text(before[1])
    expect(inside).to_contain_text("layer 6")
    inside.get_by_label("head", exact=True).select_option(label="head 4")
    expect(inside.get_by_label("head", exact=True)).to_have_value("3")

    second = inside.locator("tr").nth(2)
    wanted = second.locator("td").first.inner_text()
    second.get_by_role("button").click()
    expect(page.locator("#chat-log")).to_contain_text("2 of 2")
    expect(page.locator('.pg-said-model[data-state="writing"]')).to_have_count(0)
    after = shown.all_inner_texts()
    assert after[:3] == [*before[:2], wanted]
    expect(inside.locator("h3")).to_contain_text(f"“{wanted}” had a probability of")

    press(page, "X-ray")
    page.locator("#chat-clear").click()
    unfold(page, "chat-manner")
    choose(page, "chat-beside", "bard-base")
    send(page, "Who is there?")
    texts = answered(page, 2)
    expect(page.locator(".pg-said-who")).to_have_text([re.compile("^bard-chat"), re.compile("^bard-base")])
    press(page, "Right is better")
    expect(page.get_by_role("button", name="Right is better")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".pg-said-who").nth(1)).to_contain_text("goes on from here")
    (vote,) = Votes(workspace / "preferences.db").standing(source="chat")
    assert (vote.choice, vote.pair.prompt, vote.chosen.model) == ("right", "Who is there?", "bard-base")
    assert vote.chosen.text == texts.nth(1).inner_text().strip()
    press(page, "Left is better")
    expect(page.locator(".pg-said-who").nth(0)).to_contain_text("goes on from here")
    (vote,) = Votes(workspace / "preferences.db").standing(source="chat")
    assert vote.choice == "left", "the one before was taken back"


def test_a_long_scene_is_stopped_through_a_reload_and_says_what_was_read(
    page: Page, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_chat(page, url, "bard-base", tokens=5000)
    expect(page.locator("#chat-stop")).to_be_hidden()
    page.locator(".pg-starter").first.click()
    note = page.locator(".pg-said-note").first
    expect(note).to_contain_text("tokens/s")
    page.reload()
    open_tab(page, "Chat")
    before = note.inner_text()
    expect(note).to_contain_text("tokens/s")
    expect(note).not_to_have_text(before)  # it writes on
    page.locator("#chat-stop").click()
    expect(note).to_contain_text("stopped")
    assert len(page.locator(".pg-said-model .pg-said-text").inner_text()) > 100

    choose_model(page, "bard-base")
    page.locator("#chat-max_new_tokens input").fill("30")
    page.locator("#chat-settings .pg-fold-head").click()
    choose(page, "chat-precision", "int8")
    expect(page.locator("#chat-precision")).to_contain_text(PRECISIONS["int8"][1:])
    send(page, "CITIZEN:\nSpeak, speak, good friends.\n\n" * 40)
    answered(page, 2)
    cut = page.locator(".pg-said-note").last
    expect(cut).to_have_text(re.compile(r"^30 tokens .* · cut off at the limit of 30 tokens"))
    before = page.locator(".pg-said-model .pg-said-text").last.inner_text()
    press(page, "Continue")
    expect(cut).to_have_text(re.compile(r"^60 tokens .* · cut off at the limit of 30 tokens"))
    assert page.locator(".pg-said-model .pg-said-text").last.inner_text().startswith(before)
    expect(page.locator(".pg-context")).to_have_text(
        re.compile(r"reads the last \d+ of [\d,]+ tokens; the first 2 turns")
    )
    expect(page.locator(".pg-forgotten")).to_have_count(2)

    def missing(*_: object) -> None:
        raise RuntimeError("Didn't find engine for operation")

    monkeypatch.setattr("core.packed_model.round_to_16_bits", missing)
    choose(page, "chat-precision", "float16")
    send(page, "Speak.")
    expect(page.locator("#chat-log")).to_contain_text(
        "Precision float16 is not available on this processor: use float32."
    )
    expect(said(page).last).to_have_text("Speak.")
