"""A person sees what a model has copied: underlined, counted, and with the place where it stands."""

import shutil
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from core import checkpoint
from core.checkpoint import Card
from core.datasets import shakespeare as corpora
from core.model import GPT, GPTConfig
from core.stages.pretrain import PretrainConfig
from core.tokenizer import Tokenizer
from tests.conftest import SENTENCES

STEPS = 80


@pytest.fixture
def workspace(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """A model that knows its text by heart, and the shipped model with which the page opens."""
    directory = tmp_path / "checkpoints"
    shutil.copytree(Path(__file__).parents[2] / "checkpoints" / "bard-tiny", directory / "bard-tiny")
    (tmp_path / "book.txt").write_text(SENTENCES + "\n" * 60, encoding="utf-8")  # its end is held out
    corpus = corpora.load(str(tmp_path / "book.txt"))
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=64, block_size=256, vocab_size=tokenizer.vocab_size))
    ids = torch.tensor([tokenizer.encode(SENTENCES)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(ids[:, :-1], ids[:, 1:])[1].backward()
        optimizer.step()
    config = PretrainConfig().to_dict() | {"corpus": str(tmp_path / "book.txt")}
    card = Card("pretrain", config=config, data={"corpus": corpus.name, "sha256": corpus.digest})
    checkpoint.save(directory / "by-heart", model, tokenizer, card)
    return directory


@pytest.mark.slow
def test_what_a_model_has_copied_is_underlined_and_told_by_its_place(page: Page, url: str, workspace: Path) -> None:
    page.goto(f"{url}?tab=chat&model=by-heart")
    log = page.locator("#chat-log")
    page.locator("#chat-text textarea").fill("Tomorrow, and tomorrow, and")
    page.locator("#chat-send").click()
    expect(log.locator(".pg-said-model[data-state=finished]")).to_be_visible()
    said = log.locator(".pg-said-model .pg-said-text")
    text = said.inner_text()
    expect(log.locator("mark")).to_have_count(0)  # off until one asks for it

    toggle = log.get_by_role("button", name="Copied text")
    toggle.press("Enter")
    expect(log.locator(".pg-copied-legend")).to_contain_text("tokens stand in the text it learned from (book.txt)")
    mark = said.locator("mark").first
    assert said.inner_text() == text
    quoted = mark.inner_text().strip()
    assert len(quoted) > 20 and quoted in SENTENCES
    mark.focus()
    expect(page.locator(".pg-tip")).to_contain_text("book.txt")
    expect(page.locator(".pg-tip")).to_contain_text("line")
    page.keyboard.press("Escape")
    expect(page.locator(".pg-tip")).to_be_hidden()

    toggle.press("Enter")
    expect(log.locator("mark")).to_have_count(0)
    assert said.inner_text() == text
