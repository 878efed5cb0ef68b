"""A model as one HTML file: opened from the disk it computes what the model does, and chats without a network."""

from functools import partial
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from core import checkpoint
from core.chat_template import encode_prompt
from core.conversation import Conversation, Message, generate_reply
from core.export import export
from core.generate import Sampling, context_start
from core.interpretability import activations
from tests.helpers.rounding import rounded, rounded_mixture
from tests.ui.conftest import CHECKPOINTS

SAID = "What say you, my lord?\n\nAnswer in two lines."  # to which child and mixture answer differently
TEXT = '  What  news?\n\nfrom "Padua"—1592, naïve 今天 😀 it\'s\x85\ufeff \t'
LOGITS = """async (ids) => {
  const [{ Dial }, { Model }] = [await import("dial.js"), await import("model.js")];
  const { bytesOf, unpack } = await import("weights.js");
  const saved = JSON.parse(document.getElementById("data").textContent);
  const bytes = await bytesOf(document.getElementById("weights").textContent);
  const dial = new Dial(unpack(bytes, saved.model.entries), unpack(bytes, saved.dial.entries));
  const logits = (a) => {
    dial.turn(a);
    const model = new Model(saved.shape, dial.mixed);
    return ids.map((id) => Array.from(model.read(id).logits));
  };
  return [-0.5, 1].map(logits);
}"""
DRAWN = """async ([logits, uniforms]) => {
  const { draw } = await import("chat.js");
  return uniforms.map((uniform) => draw(Float32Array.from(logits), 0.7, 0.9, uniform));
}"""
STARTS = """async ([lengths, size]) => {
  const { contextStart } = await import("chat.js");
  return lengths.map((length) => contextStart(length, size));
}"""
IDS = """async (text) => {
  const { Tokenizer } = await import("tokenizer.js");
  const saved = JSON.parse(document.getElementById("data").textContent);
  return new Tokenizer(saved.tokens, saved.special).encode(text);
}"""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "bard-chat.html"
    export(CHECKPOINTS / "bard-chat", path)
    return path


def test_a_page_chats_from_the_disk_as_the_model_does(page, written):
    loaded = checkpoint.load(CHECKPOINTS / "bard-chat")
    model, tokenizer = rounded(loaded.model), loaded.tokenizer
    parent = checkpoint.load(CHECKPOINTS / "bard-sft").model
    mixed = partial(rounded_mixture, loaded.model, parent)
    assert written.stat().st_size <= 10_000_000
    page.goto(written.as_uri())
    expect(page.get_by_role("heading", name="bard-chat")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()

    ids = tokenizer.encode(TEXT)
    assert page.evaluate(IDS, TEXT) == ids
    for theirs, ours in zip(page.evaluate(LOGITS, ids), (mixed(-0.5), model), strict=True):
        torch.testing.assert_close(torch.tensor(theirs), ours(torch.tensor([ids]))[0][0], atol=1e-4, rtol=1e-4)

    lengths = [1, 8, 9, 12, 13, 100]
    assert page.evaluate(STARTS, [lengths, 8]) == [context_start(length, 8) for length in lengths]
    logits = [1.0, 3.0, 2.5, -1.0, 2.0]
    drawn = page.evaluate(DRAWN, [logits, [(n + 0.5) / 1000 for n in range(1000)]])
    shares = (torch.tensor(logits) / 0.7).softmax(0)[[1, 2, 4]]  # 0.94 together, and two of them 0.81: top-p is 0.9
    expected = (1000 * shares / shares.sum()).tolist()
    assert [drawn.count(id) for id in (1, 2, 4)] == pytest.approx(expected, abs=1)
    assert len(drawn) == sum(drawn.count(id) for id in (1, 2, 4))

    page.get_by_label("Temperature").fill("0")
    page.get_by_label("What you say").fill(SAID)
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("a second")
    conversation = Conversation((Message("user", SAID),))
    steps = list(generate_reply(model, tokenizer, conversation, Sampling(temperature=0), n_alternatives=8))
    tokens = page.locator(".bubble.assistant .token")
    assert "".join(tokens.all_text_contents()) == "".join(step.text for step in steps)

    tokens.nth(1).press("Enter")
    shares = page.locator("#behind .number").all_text_contents()
    assert shares == [f"{100 * share:.1f} %" for _, share in steps[1].alternatives]
    page.get_by_label("Layer").select_option(label="3")
    page.get_by_label("Head").select_option(label="4")
    read = [*encode_prompt(tokenizer, conversation.turns), steps[0].id]
    weights = activations.attention(model, read)[2, 3, -1]
    assert titles(page) == [f"{100 * weight:.1f} %" for weight in weights.tolist()]

    dial = page.get_by_role("slider", name="Dial")
    expect(page.locator("#dial")).to_contain_text("0 is nearly bard-sft, 1 is bard-chat.")
    expect(dial).to_have_attribute("aria-valuetext", "1: bard-chat")
    for _ in range(10):
        dial.press("ArrowLeft")
    expect(dial).to_have_attribute("aria-valuetext", "0.5: between bard-sft and bard-chat")
    page.get_by_role("button", name="Answer again").click()
    again = page.locator(".bubble.assistant:not(.earlier)")
    expect(again.locator(".place")).to_have_text("0.5: between bard-sft and bard-chat")
    expect(page.get_by_role("button", name="Answer again")).to_be_enabled()
    steps = generate_reply(mixed(0.5), tokenizer, conversation, Sampling(temperature=0))
    text = "".join(step.text for step in steps)
    assert "".join(again.locator(".token").all_text_contents()) == text
    first, last = (again.locator(".token").nth(i).bounding_box() for i in (0, -1))
    assert "\n" in text and first["y"] < last["y"]  # a line that ends, ends on the page

    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#said")).to_have_text("Write a line first.")


def titles(page: Page) -> list[str]:
    return [found or "" for found in page.locator("#behind .seen").evaluate_all("all => all.map(one => one.title)")]
