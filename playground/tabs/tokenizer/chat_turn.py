"""Panel: a chat turn as the model reads it, and which of its tokens fine-tuning learns from."""

from typing import Any

import gradio as gr

from core.chat_template import encode_chat
from playground.services.services import Services
from playground.tabs.tokenizer.common import Pickers, details
from playground.ui.components import Page, bind, view
from playground.ui.errors import server_function
from playground.ui.text import page_text

ASKED, ANSWERED = "Who's there?", "Nay, answer me: stand, and unfold yourself."


def build(services: Services, page: Page, pickers: Pickers) -> None:
    @server_function
    def turn(request: dict[str, Any]) -> dict[str, Any]:
        name = services.vocabularies.resolve(request["vocabulary"], request["model"])
        tokenizer = services.vocabularies.load(name)
        said = [("user", request["asked"]), ("assistant", request["answered"])]
        ids, mask = encode_chat(tokenizer, [{"role": role, "content": page_text(text)} for role, text in said])
        return {
            "name": name,
            "ids": ids,
            "hexes": [tokenizer.token_bytes(id).hex() for id in ids],
            "special": [id in tokenizer.special_tokens.values() for id in ids],
            "mask": mask,
            "counts": [["tokens", f"{len(ids):,}"], ["count in the loss", f"{sum(mask):,}"]],
            "why": "Only the answer counts: the model is to learn to answer and to stop, not to ask. It reads the "
            "question all the same, so that the answer can depend on it.",
        }

    with gr.Row(elem_classes="pg-work"):
        with gr.Column(elem_classes="pg-controls"):
            asked = gr.Textbox(
                ASKED, label="The person says", lines=2, max_lines=6, elem_id="turn-asked", max_length=20_000
            )
            answered = gr.Textbox(
                ANSWERED, label="The model answers", lines=2, max_lines=6, elem_id="turn-answered", max_length=20_000
            )
            chosen = pickers.one("turn-vocabulary", label="Vocabulary")
        shown = view(
            "chat-turn",
            "tabs/tokenizer/chat_turn.js",
            "pg-turn",
            empty="Reading the conversation …",
            functions=[turn, details(services)],
        )
    bind(shown, page, asked=asked, answered=answered, vocabulary=chosen, model=page.model)
