"""Feedback of every kind: thumbs and an edited answer in Chat become votes, files and a model."""

import re
import shutil
import time
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from core import checkpoint
from core.checkpoint import Card
from core.datasets.conversation_files import read_conversations
from core.datasets.thumbs import Thumb, read_feedback
from core.learned_votes import LearnedVotes
from core.model import GPT, GPTConfig
from core.preferences.vote_store import FILE, Votes
from core.training.run_directory import Run
from playground.tabs.align import before_after
from tests.helpers.planted_vote import planted_run
from tests.ui.steps import choose, open_tab, wait_for_state


@pytest.fixture
def workspace(tmp_path: Path, tokenizer) -> Path:
    """A tiny model that answers, one that DPO has made of it, and six thumbs."""
    directory = tmp_path / "checkpoints"
    shutil.copytree(Path(__file__).parents[2] / "checkpoints" / "bard-tiny", directory / "bard-tiny")
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=256, vocab_size=tokenizer.vocab_size))
    checkpoint.save(directory / "talker", model, tokenizer, Card("sft"))
    planted_run(directory, "bent", 15, parent=str(directory / "talker"))
    Votes(directory / FILE).thumbs.add([Thumb(f"Who goes, {n}?", "A friend.", n % 2 == 0) for n in range(6)], "you")
    return directory


def test_thumbs_and_an_edited_answer_become_a_model(
    page: Page, url: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = Votes(workspace / FILE)
    page.goto(f"{url}?tab=chat&model=talker")
    page.locator("#chat-max_new_tokens input").fill("8")
    page.locator("#chat-text textarea").fill("Who goes there?")
    page.locator("#chat-send").click()
    expect(page.locator('.pg-said-model:not([data-state="writing"])')).to_have_count(1)
    written = page.locator(".pg-said-model .pg-said-text").inner_text().strip()
    tool = page.locator("#chat-log").get_by_role("button", name="Good", exact=True)
    tool.click()
    expect(tool).to_have_attribute("aria-pressed", "true")
    assert votes.thumbs.all()[-1].up and votes.thumbs.all()[-1].prompt == "Who goes there?"
    tool.click()
    expect(tool).to_have_attribute("aria-pressed", "false")
    assert len(votes.thumbs.all()) == 6
    bad = page.locator("#chat-log").get_by_role("button", name="Bad", exact=True)
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")

    page.locator("#chat-log .pg-said-model").get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("The answer, to be edited").fill("Nay, answer me.")
    page.get_by_role("button", name="Keep as the better answer").click()
    expect(page.locator(".pg-said-model .pg-said-text")).to_have_text("Nay, answer me.")
    expect(page.locator(".pg-said-note")).to_contain_text("edited by you")
    (kept,) = votes.preferences()
    assert (kept.chosen, kept.rejected.strip()) == ("Nay, answer me.", written)

    open_tab(page, "Label")
    expect(page.locator("#votes-table")).to_contain_text("edited in chat")
    for name, check in (
        ("Export 7 thumbs: 3 up, 4 down", lambda path: len(read_feedback(path).thumbs) == 7),
        ("Export 1 edited answer", lambda path: read_conversations(path).messages[0][-1]["content"] == kept.chosen),
    ):
        with page.expect_download() as saved:
            page.get_by_role("button", name=name).click()
        saved.value.save_as(tmp_path / "saved.jsonl")
        assert check(tmp_path / "saved.jsonl"), name

    open_tab(page, "Align")
    open_tab(page, "DPO")
    choose(page, "dpo-parent", "talker")
    choose(page, "dpo-data", "7 thumbs: 3 up, 4 down")
    form = page.locator("#dpo-form")
    expect(form).to_contain_text(re.compile("thumbs are about single answers: choose .* kto", re.IGNORECASE))
    choose(page, "dpo-loss_type", "kto")
    expect(form).to_contain_text("7 thumbs: 3 up, 4 down, on 7 prompts")
    page.locator("#dpo-max_steps input").fill("8")
    page.locator("#dpo-start").click()
    wait_for_state(page, "dpo-1", "finished", view="#align-view .pg-run")
    assert checkpoint.read_card(workspace / "dpo-1" / "card.json").data["thumbs"] == 7

    monkeypatch.setattr("core.queue.start_next", lambda directory: [])  # what is asked for from here on waits
    most_decisive_votes_are_named_and_proved(page, url, workspace, monkeypatch)


def most_decisive_votes_are_named_and_proved(
    page: Page, url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = open_decisive_votes(page, "dpo-1")
    expect(part).to_contain_text("dpo-1 learned by thumbs")
    choose(page, "compare-after", "bent")
    part.get_by_label("Prompt").fill("Who, 90?")
    part.get_by_role("button", name="Ask the votes").click()
    expect(part).to_contain_text("12 votes, by how much each made the model say this (an estimate)")
    expect(part.get_by_role("checkbox")).to_have_count(12)
    part.get_by_role("button", name="Prove it").click()
    # A form is filled late where a machine is busy: then what is chosen in it may not be undone.
    latest = before_after.latest_aligned
    monkeypatch.setattr(before_after, "latest_aligned", lambda *args: time.sleep(2) or latest(*args))
    page.goto(f"{url}?tab=align")
    part = open_decisive_votes(page, "bent")
    expect(part.locator("[data-measured]")).to_have_attribute("data-measured", "4")
    page.wait_for_timeout(3000)
    expect(page.locator("#compare-after input")).to_have_value("bent")
    expect(part.locator(".pg-decisive-proof .pg-answer-head")).to_contain_text(
        ["With all votes", "Without the most decisive", "Without others at random"]
    )
    expect(part).to_contain_text("times as likely without the 5 most decisive votes")
    part.get_by_role("checkbox").first.check()
    part.get_by_role("button", name="Train the model that never saw the ticked votes").click()
    expect(part).to_contain_text("bent-without-1 is being trained, or waits in the queue")
    first = part.get_by_role("checkbox").first.get_attribute("aria-label")
    assert first == f"Vote {Run(workspace / 'bent-without-1').read()[1]['leave_out']}"
    a_model_that_learned_from_deleted_votes_is_trained_again(page, workspace)


def a_model_that_learned_from_deleted_votes_is_trained_again(page: Page, workspace: Path) -> None:
    learned = LearnedVotes(workspace / "bent")
    Votes(workspace / FILE).import_preferences(list(learned.texts.values()), "you")
    open_tab(page, "Label")
    table = page.locator("#votes-table")
    offer = table.locator(".pg-train-again")
    held_out = next(number for number in learned.texts if number not in learned.numbers)
    for number in (held_out, *learned.numbers[:2]):
        expect(offer.get_by_role("button")).to_have_count(0 if number in (held_out, learned.numbers[0]) else 1)
        table.get_by_label("Search").fill(learned.texts[number].prompt)
        expect(table.locator("tbody [data-vote]")).to_have_count(1)
        for question in ("Delete", "Sure?"):
            table.locator("tbody").get_by_role("button", name=question, exact=True).click()
        expect(table).to_contain_text("1 vote deleted.")
        expect(table.locator("tbody [data-vote]")).to_have_count(0)
    expect(offer).to_contain_text("bent learned from 2 deleted votes.")
    offer.get_by_role("button", name="Train it again without them").click()
    expect(offer).to_contain_text("bent-without-2 is being trained, or waits in the queue.")
    again = Run(workspace / "bent-without-2").read()[1]
    assert again == Run(workspace / "bent").read()[1] | {"leave_out": ",".join(map(str, learned.numbers[:2]))}
    offer.get_by_role("button", name="See it").click()
    expect(page.locator("#align-view .pg-run")).to_contain_text("bent-without-2")


def open_decisive_votes(page: Page, model: str) -> Locator:
    open_tab(page, "Align")
    open_tab(page, "Before and after")
    choose(page, "compare-after", model)
    part = page.locator("#decisive-view")
    part.get_by_role("button", name="Most decisive votes").click()
    return part
