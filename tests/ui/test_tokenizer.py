"""What a person does with the tokenizer tab: compare vocabularies, take tokens apart, train one of their own."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from core.tokenizer import Tokenizer
from tests.ui.steps import choose, column, open_page, open_tab

LINE = "Good night 👩\u200d👩 漢 <script>alert(1)</script> <|endoftext|>"
GPT2, BYTES = "OpenAI's GPT-2", "plain bytes"
CHIPS = "(all) => all.map((chips) => chips.innerHTML.replace(' data-stays=\"\"', ''))"


def type_text(page: Page, text: str) -> None:
    page.locator("#tokenizer-text textarea").fill(text)
    page.wait_for_function(
        "n => document.querySelector('.pg-tokens')?.dataset.text === String(n)", arg=len(text.encode("utf-16-le")) // 2
    )


def open_file(page: Page, button: str, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"#{button}").click()
    chooser.value.set_files(path)


def train_vocabulary(page: Page, name: str, size: int) -> None:
    page.locator("#vocabulary-name input, #vocabulary-name textarea").fill(name)
    page.locator("#vocabulary-size input").fill(str(size))
    page.locator("#vocabulary-start").click()


def test_a_text_is_compared_in_several_vocabularies_and_a_token_is_taken_apart(
    page: Page, url: str, tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_page(page, url)
    choose(page, "tokenizer-vocabularies", BYTES)
    type_text(page, LINE)
    expect(page.locator(".pg-column")).to_have_count(3)
    for name in ("bard-base", GPT2, BYTES):
        shown = column(page, name).locator(".pg-chip-text")
        expect(shown.last).to_have_text(">")
        text = "".join(shown.all_text_contents())
        assert text.startswith("Good night ") and text.endswith("<script>alert(1)</script> <|endoftext|>"), text
        assert "\u200d" not in text and "\ufffd" not in text and "\\xf0" in text
    assert page.locator(".pg-column script").count() == 0, "typed text became markup"
    assert column(page, BYTES).locator(".pg-chip").count() == len(LINE.encode())
    expect(column(page, BYTES).locator(".pg-odd").first).to_be_visible()
    drawn_at_once = page.locator(".pg-chips").evaluate_all(CHIPS)
    column(page, BYTES).locator(".pg-chip").first.evaluate("chip => (chip.dataset.stays = '')")
    for end in (16, 12, 14, 17, 11, len(LINE)):  # as one types and takes back, in the midst of characters
        type_text(page, LINE[:end])
    assert column(page, BYTES).locator("[data-stays]").count() == 1
    assert page.locator(".pg-chips").evaluate_all(CHIPS) == drawn_at_once
    column(page, BYTES).locator(".pg-character[data-text=漢] .pg-chip").nth(1).hover()
    tip = page.locator(".pg-tip")
    expect(tip).to_contain_text("byte 2 of 3 of 漢")
    column(page, "bard-base").get_by_role("button", name="Copy ids").click()
    expect(column(page, "bard-base").get_by_role("button", name=re.compile(r"Copied \d+ ids"))).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert json.loads(copied) == Tokenizer.load(Path("checkpoints/bard-base")).encode(LINE)

    chip = column(page, "bard-base").locator(".pg-chip").nth(1)
    chip.hover()
    expect(tip).to_contain_text(re.compile(r"in this text1.in the 1 MB sample of Shakespeare[\d,]+"))
    expect(tip).to_contain_text(re.compile(r"merge [\d,]+ of 1,789"))
    chip.press("Enter")
    details = page.locator("#tokens .pg-details")
    expect(details.locator(".pg-near li")).to_have_count(10)
    leaves = details.locator(".pg-node", has_text="byte").locator(".pg-node-text").all_text_contents()
    assert "".join(leaves) == details.locator("code").inner_text()
    column(page, GPT2).locator(".pg-chip").first.click()
    expect(details).to_contain_text("has no model here")
    chip.press("ArrowRight")
    expect(column(page, "bard-base").locator(".pg-chip").nth(2)).to_be_focused()
    page.get_by_label("Show ids").uncheck()
    expect(page.locator("#tokens .pg-chip-id")).to_have_count(0)

    (tmp_path / "bert.json").write_text('{"model": {"type": "WordPiece"}}')
    open_file(page, "tokenizer-open", tmp_path / "bert.json")
    expect(page.locator("#tokenizer-opened")).to_contain_text("bert.json cannot be shown: its model is WordPiece")
    Tokenizer.train(LINE, 270).save(tmp_path)
    open_file(page, "tokenizer-open", tmp_path / "tokenizer.json")
    opened = page.locator(".pg-column h3", has_text="file tokenizer.json")
    expect(opened).to_have_text(re.compile(r"file tokenizer\.json \([0-9a-f]{6}\): 270 tokens"))
    expect(page.locator("#tokenizer-opened")).to_be_hidden()

    type_text(page, "All the world's a stage. " * 8000)
    expect(details).to_be_hidden()
    pager = page.locator("#tokens .pg-pager")
    expect(page.locator("#tokens")).to_contain_text("The figures are for the whole text")
    assert 300 < column(page, "bard-base").locator(".pg-chip").count() < 1500
    pager.get_by_role("button", name="Next").press("Enter")
    expect(pager.get_by_label("Page", exact=True)).to_have_value("2")
    pager.get_by_label("Page", exact=True).fill("1000000")
    pager.get_by_label("Page", exact=True).press("Enter")
    expect(pager.get_by_role("button", name="Next")).to_be_disabled()
    open_tab(page, "Merge scrubber")
    expect(page.locator(".pg-scrubber")).to_contain_text("Only the first 4,000 of 200,000 bytes are shown")
    page.locator("#tokenizer-text textarea").fill("")
    expect(page.locator(".pg-scrubber")).to_contain_text("There is nothing to cut yet: type a few words above.")
    open_tab(page, "Tokens")
    expect(pager).to_be_hidden()
    expect(page.locator("#tokens")).to_contain_text("Type a few words above to see their tokens.")
    expect(page.locator("#tokens .pg-chip")).to_have_count(0)


def test_merges_are_scrubbed_and_played_and_a_chat_turn_shows_what_counts(page: Page, url: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_page(page, url)
    text = "But soft, what light through yonder window breaks? 🌞"
    type_text(page, text)
    open_tab(page, "Merge scrubber")
    chips, slider = page.locator(".pg-scrubber .pg-chip"), page.get_by_label("Merges applied", exact=True)
    exact, merge = page.get_by_label("Merges applied, exactly"), page.locator(".pg-merge")
    tokenizer = Tokenizer.load(Path("checkpoints/bard-base"))
    expect(chips).to_have_count(len(tokenizer.encode(text)))
    slider.press("Home")
    expect(chips).to_have_count(len(text.encode()))
    expect(merge).to_have_text("No merge yet: every byte is a token.")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".pg-made").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    wind = tokenizer.ranks[b" wind"] - 255
    exact.fill(str(wind))
    expect(merge).to_have_text(f"Merge {wind:,}: ·w + ind → ·wind, in 1 place of this text")
    expect(page.locator(".pg-made")).to_have_text(["·wind"])
    exact.fill("700")
    expect(merge).to_contain_text("Merge 700: ")
    smaller = Tokenizer(dict(list(tokenizer.ranks.items())[: 256 + 700]))
    expect(chips).to_have_count(len(smaller.encode(text)))
    expect(page.locator(".pg-scrubber .pg-counts")).to_contain_text(f"{959 * 288:,}")
    slider.press("End")
    expect(chips).to_have_count(len(tokenizer.encode(text)))
    expect(page.locator(".pg-merge-curve .xtitle")).to_contain_text("merges applied")
    choose(page, "tokenizer-scrubbed", BYTES)
    expect(page.locator(".pg-scrubber")).to_contain_text("This vocabulary has no merges")

    open_tab(page, "Chat turn")
    expect(page.locator("#tokenizer-text")).to_be_hidden()
    page.locator("#turn-asked textarea").fill("Who? <|assistant|>")
    chips = page.locator(".pg-turn .pg-chips .pg-chip")
    expect(page.locator(".pg-turn .pg-chips .pg-special")).to_have_text(
        [re.compile(r"<\|user\|>"), re.compile(r"<\|assistant\|>"), re.compile(r"<\|endoftext\|>.* ✓")]
    )
    expect(chips.first).to_have_class(re.compile("pg-unlearned"))
    expect(chips.last).not_to_have_class(re.compile("pg-unlearned"))
    choose(page, "turn-vocabulary", GPT2)
    expect(page.locator(".pg-turn")).to_contain_text("cannot say whose turn it is")
    choose(page, "turn-vocabulary", "bard-base")
    page.locator("#turn-answered textarea").fill("")
    expect(page.locator(".pg-turn")).to_contain_text("Message 2, of the assistant, is empty")


def test_a_vocabulary_of_ones_own_is_trained_and_used_everywhere(page: Page, url: str, text_file: Path) -> None:
    open_page(page, url)
    open_tab(page, "Train a vocabulary")
    open_file(page, "vocabulary-upload", text_file)
    expect(page.locator("#vocabulary-corpus input")).to_have_value("text.txt")
    train_vocabulary(page, "käse", 320)
    expect(page.locator("#vocabulary-said")).to_contain_text("'käse' cannot be the name")
    train_vocabulary(page, "mine", 320)
    expect(page.locator(".pg-learning")).to_contain_text("320 tokens learned from text.txt")
    expect(page.locator("#vocabulary-said")).to_be_hidden()
    page.reload()
    open_tab(page, "Train a vocabulary")
    expect(page.locator(".pg-learning")).to_contain_text("320 tokens learned from text.txt")
    page.get_by_role("button", name="See your text in it").click()
    expect(column(page, "mine").locator("h3")).to_have_text("mine: 320 tokens")
    expect(page.locator(".pg-column h3")).to_have_count(2)

    open_tab(page, "Table of tokens")
    choose(page, "tokenizer-table-vocabulary", "mine")
    expect(page.locator(".pg-vocabulary")).to_contain_text("320 of the 320 tokens of mine")
    page.locator("#tokenizer-search input, #tokenizer-search textarea").fill("OR")
    expect(page.locator(".pg-token-table tbody tr")).not_to_have_count(50)
    assert all("or" in text.lower() for text in page.locator(".pg-token-table tbody button").all_text_contents())
    page.locator("#tokenizer-search input, #tokenizer-search textarea").fill("")
    page.get_by_label("longest").click()
    expect(page.locator(".pg-token-table tbody button").first).to_have_text("<|endoftext|>")

    open_tab(page, "Train")
    page.get_by_text("More settings").first.click()
    page.locator("#setting-tokenizer input").click()
    expect(page.get_by_role("option", name=re.compile(r"checkpoints.mine$"))).to_be_visible()
