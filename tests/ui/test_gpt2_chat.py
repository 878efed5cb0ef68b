"""A model with GPT-2's vocabulary, which knows no turns, is taught to answer and then to prefer, all on the page."""

import json
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from core import checkpoint
from core.checkpoint import Card
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from tests.ui.steps import choose, choose_model, open_tab, wait_for_state
from tests.ui.test_chat import answered, send
from tests.ui.test_train import fill, use_file

# The book's layout of both files: instructions, and what was preferred.
BOOK = [
    {"instruction": f"Add 1 to {n}.", "input": "", "output": str(n + 1), "chosen": f"{n + 1}.", "rejected": "Why?"}
    for n in range(24)
]


@pytest.mark.slow
def test_gpt2s_vocabulary_gets_turns_and_the_model_answers(
    page: Page, url: str, workspace: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=64, vocab_size=50257)
    checkpoint.save(workspace / "small-gpt2", GPT(config), Tokenizer.gpt2(), Card("imported"))
    page.goto(f"{url}?tab=train&part=instructions")
    choose(page, "sft-parent", "small-gpt2")
    added = "<|user|> (50,257) and <|assistant|> (50,258) are added to the vocabulary"
    expect(page.locator("#sft-plan")).to_contain_text(added, timeout=60_000)
    use_file(page, "sft", tmp_path / "instruction-data.json", json.dumps(BOOK))
    train(page, "sft", "talker", ".pg-run")

    open_tab(page, "Align")
    open_tab(page, "DPO")
    choose(page, "dpo-parent", "talker")
    use_file(page, "dpo", tmp_path / "instruction-data-with-preference.json", json.dumps(BOOK))
    train(page, "dpo", "aligned", "#align-view .pg-run")

    loaded = checkpoint.load(workspace / "aligned")
    assert loaded.tokenizer.special_tokens == {"<|endoftext|>": 50256, "<|user|>": 50257, "<|assistant|>": 50258}
    choose_model(page, "aligned")
    open_tab(page, "Chat")
    page.locator("#chat-max_new_tokens input").fill("5")
    send(page, "Add 1 to 3.")
    expect(page.locator(".pg-talk")).to_contain_text("aligned was taught to answer in turns.")
    answered(page)


def train(page: Page, stage: str, name: str, view: str) -> None:
    fill(page, f"{stage}-name", name)
    page.locator("#tabs").get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    fill(page, f"{stage}-warmup_steps", "0")
    fill(page, f"{stage}-max_steps", "4")
    page.locator(f"#{stage}-start").click()
    wait_for_state(page, name, "finished", seconds=300, view=view)
