"""Tokenizer tab: how a text becomes numbers, where vocabularies come from, and what is in them."""

from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.tabs.tokenizer import chat_turn, scrubber, table, tokens, training
from playground.tabs.tokenizer.common import Pickers
from playground.ui.components import Page, intro

EXAMPLE = "But soft, what light through yonder window breaks? 🌞"
WITHOUT_TEXT = "pg-without-text"  # panels in which the box of text does nothing: style.css hides it


def build(services: Services, page: Page) -> None:
    def refresh() -> list[dict[str, Any]]:
        return [gr.update(choices=services.vocabularies.choices())] * len(pickers.made)

    intro("A model reads numbers, not letters: a vocabulary cuts text into tokens, and each token has an id.")
    pickers = Pickers(services.vocabularies)
    with gr.Column(elem_classes="pg-tokenizer"):
        text = gr.Textbox(
            EXAMPLE,
            label="Text",
            show_label=False,
            container=False,
            lines=2,
            max_lines=8,
            elem_id="tokenizer-text",
            max_length=1_000_000,
        )
        page.share_text(text)
        with gr.Tabs(elem_id="tokenizer-panels"):
            with gr.Tab("Tokens", id="tokens"):
                chosen, opened = tokens.build(services, page, pickers, text)
            with gr.Tab("Merge scrubber", id="scrubber"):
                scrubber.build(services, page, pickers, text)
            with gr.Tab("Train a vocabulary", id="training", elem_classes=WITHOUT_TEXT):
                learning = training.build(services, page, chosen)
            with gr.Tab("Table of tokens", id="table", elem_classes=WITHOUT_TEXT):
                table.build(services, page, pickers)
            with gr.Tab("Chat turn", id="turn", elem_classes=WITHOUT_TEXT):
                chat_turn.build(services, page, pickers)
    for event in (page.blocks.load, page.tab.select, learning.changed, opened.then):
        event(refresh, None, pickers.made, queue=False, show_progress="hidden", api_name="refresh_pickers")
