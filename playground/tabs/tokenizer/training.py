"""Panel: train a vocabulary of one's own."""

import time
from typing import Any

import gradio as gr

from core.datasets.shakespeare import CORPORA
from playground.services.services import Services
from playground.ui.components import intro, view
from playground.ui.errors import handler, server_function


def build(services: Services) -> gr.HTML:
    """Returns the view, whose `changed` says that a training has ended."""
    vocabularies = services.vocabularies

    @server_function
    def training(_: dict[str, Any]) -> dict[str, Any]:
        return vocabularies.status()

    @handler
    def start(corpus: str | None, upload: str | None, size: float | None, name: str) -> dict[str, Any]:
        source = upload or (corpus or "").strip()
        if not source:
            raise ValueError("choose a corpus, or upload a text")
        if size is None or size != int(size):
            raise ValueError("size must be a whole number of tokens")
        vocabularies.start(name.strip(), source, int(size))
        return {"begun": time.time()}

    @handler
    def stop() -> None:
        vocabularies.stop()

    intro(
        "Training a vocabulary counts pairs of neighbours, merges the most frequent one, and begins again.",
        "Give it a text in your language or a program's source, then compare its tokens with GPT-2's.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            corpus = gr.Dropdown(
                list(CORPORA),
                value="shakespeare-1mb",
                allow_custom_value=True,
                label="corpus",
                info="A text to learn from; the path of one may be typed",
                elem_id="vocabulary-corpus",
            )
            upload = gr.File(
                label="… or a text of yours, or a table or JSON of texts",
                height=150,
                elem_id="vocabulary-upload",
            )
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                size = gr.Number(
                    1024,
                    precision=0,
                    label="size",
                    info="Tokens: 256 bytes, 3 special ones, the rest merges",
                    elem_id="vocabulary-size",
                    min_width=150,
                )
                name = gr.Textbox(
                    "my-vocabulary",
                    label="name",
                    info="It gets a directory under checkpoints/",
                    max_lines=1,
                    elem_id="vocabulary-name",
                    min_width=150,
                )
            with gr.Row(elem_classes="pg-toolbar"):
                begin = gr.Button("Train the vocabulary", variant="primary", elem_id="vocabulary-start", min_width=200)
                end = gr.Button("Stop", variant="stop", elem_id="vocabulary-stop", min_width=90)
            shown = view(
                "vocabulary-training",
                "tabs/tokenizer/training.js",
                "pg-learning",
                empty="When it is done, you find it in every picker of vocabularies, and in the Train tab's tokenizer "
                "setting: a model can be trained on it.",
                functions=[training],
                events=["changed"],
            )
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    begin.click(start, [corpus, upload, size, name], shown, api_name="train_vocabulary", **quiet)
    end.click(stop, api_name="stop_vocabulary", **quiet)
    return shown
