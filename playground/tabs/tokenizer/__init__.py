"""Tokenizer tab: how a text becomes numbers, in the model's own vocabulary and in GPT-2's."""

from functools import cache
from typing import Any

import gradio as gr

from core.tokenizer import Tokenizer
from playground.services import Services
from playground.widgets import Page, handler, intro, live, page_text, visible_token

EXAMPLE = "But soft, what light through yonder window breaks? 🌞"
MOST_CHIPS = 2000  # drawn; everything is counted

gpt2 = cache(Tokenizer.gpt2)


def view(tokenizer: Tokenizer, title: str, text: str, ids: bool, spaces: bool) -> dict[str, Any]:
    """What the page draws: counts, and the first tokens as [text, id, bytes in hexadecimal]."""
    tokens = tokenizer.inspect(text)
    n_bytes = sum(len(token.bytes) for token in tokens)
    counts = [
        ["tokens", f"{len(tokens):,}"],
        ["characters", f"{len(text):,}"],
        ["bytes", f"{n_bytes:,}"],
        ["bytes per token", f"{n_bytes / len(tokens):.2f}" if tokens else "-"],
    ]
    shown = [[visible_token(token.bytes), token.id, token.bytes.hex(" ")] for token in tokens[:MOST_CHIPS]]
    hidden = len(tokens) - len(shown)
    return {"title": title, "counts": counts, "tokens": shown, "hidden": hidden, "ids": ids, "spaces": spaces}


def build(services: Services, page: Page) -> None:
    @handler
    def tokenize(text: str, model: str | None, ids: bool, spaces: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        text = page_text(text)
        own = services.checkpoints.load(model).tokenizer
        titles = [f"{name}: {t.vocab_size:,} tokens" for name, t in ((model, own), ("GPT-2", gpt2()))]
        return view(own, titles[0], text, ids, spaces), view(gpt2(), titles[1], text, ids, spaces)

    intro(
        "A model reads numbers, not letters: a vocabulary cuts text into tokens, and each token has an id.",
        "Try your name, an emoji, a word that Shakespeare never heard; point at a token to see its bytes.",
    )
    text = page.share_text(
        gr.Textbox(EXAMPLE, label="Text", lines=3, max_lines=12, elem_id="tokenizer-text", max_length=1_000_000)
    )
    with gr.Row():
        ids = gr.Checkbox(True, label="Show ids", elem_id="tokenizer-ids", container=False)
        spaces = gr.Checkbox(False, label="Show spaces and line breaks", elem_id="tokenizer-spaces", container=False)
    with gr.Row(equal_height=False):
        script = "playground.tokens(element, props, watch)"
        with gr.Column(min_width=320):
            own_view = live("tokens-own", script, "pg-tokens")
        with gr.Column(min_width=320):
            gpt2_view = live("tokens-gpt2", script, "pg-tokens")

    inputs, outputs = [text, page.model, ids, spaces], [own_view, gpt2_view]
    gr.on(
        [text.change, page.model.change, ids.change, spaces.change, page.blocks.load],
        tokenize,
        inputs,
        outputs,
        show_progress="hidden",
        trigger_mode="always_last",
        api_name="tokenize",
    )
