"""Under the classification form: type a text, see what a classifier says, with its probabilities."""

from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.ui.components import Page, bind, offer, view
from playground.ui.errors import server_function
from playground.ui.text import page_text

EXAMPLE = "Once more unto the breach, dear friends, once more;\nOr close the wall up with our English dead."


def build(services: Services, page: Page, tab: gr.Tab) -> None:
    @server_function
    def classify(request: dict[str, Any]) -> dict[str, Any]:
        loaded = services.checkpoints.load_classifier(request["model"])
        ids = loaded.tokenizer.encode(page_text(request["text"]))
        if not ids:
            raise ValueError("type a few words to see their class")
        most = loaded.card.config.get("max_tokens") or loaded.model.config.block_size
        likely = loaded.model.predict(ids[:most])
        cut = f"Only the first {most:,} of {len(ids):,} tokens are read." if len(ids) > most else ""
        return {"likely": sorted(likely.items(), key=lambda pair: -pair[1]), "note": cut}

    def refresh(chosen: str | None) -> dict[str, Any]:
        names = services.checkpoints.classifiers()
        return offer({"choices": names}, chosen, chosen if chosen in names else next(iter(names), None))

    with gr.Accordion("Try it", open=True, elem_id="try-it"):
        model = gr.Dropdown([], label="classifier", info="Any that was trained here", elem_id="try-model")
        text = gr.Textbox(EXAMPLE, label="Text", lines=3, max_lines=8, elem_id="try-text", max_length=200_000)
        answer = view(
            "try-view",
            "tabs/train/try_it.js",
            "pg-try",
            empty="Train a classifier first: then its answer stands here.",
            functions=[classify],
        )
    bind(answer, page, model=model, text=text)
    events = [page.blocks.load, tab.select, model.focus]
    gr.on(events, refresh, model, model, api_name="refresh_classifiers", show_progress="hidden")
