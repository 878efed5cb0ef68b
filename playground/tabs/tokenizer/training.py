"""Panel: train a vocabulary of one's own."""

import time
from typing import Any

import gradio as gr

from core.datasets.records import ENDINGS
from core.datasets.shakespeare import CORPORA
from playground.services import uploads
from playground.services.services import Services
from playground.services.vocabularies import GPT2
from playground.ui.components import Page, view
from playground.ui.errors import handler, server_function
from playground.ui.press import message_line, press


def build(services: Services, page: Page, compared: gr.Dropdown) -> gr.HTML:
    """Returns the view, whose `changed` says that a training has ended. `compared` picks what a text is shown in."""
    vocabularies = services.vocabularies
    data = services.checkpoints.directory / "data"

    @server_function
    def training(_: dict[str, Any]) -> dict[str, Any]:
        return vocabularies.status()

    @server_function
    def stop(_: dict[str, Any]) -> dict[str, Any]:
        vocabularies.stop()
        return {}

    def corpora() -> list[str | tuple[str, str]]:
        return [*CORPORA, *uploads.kept(data, ENDINGS)]

    def start(source: str | None, size: float | None, name: str) -> dict[Any, Any]:
        source = (source or "").strip()
        if not source:
            raise ValueError("choose a corpus, or use a file of your own")
        if size is None or size != int(size):
            raise ValueError("size must be a whole number of tokens")
        vocabularies.start(name.strip(), source, int(size))
        return {shown: {"begun": time.time()}}

    @handler
    def use_file(path: str) -> Any:
        kept = str(uploads.keep(path, data))
        return gr.update(choices=corpora(), value=kept)

    @handler
    def see() -> Any:
        name = vocabularies.status()["name"]
        return gr.update(choices=vocabularies.choices(), value=[name, GPT2])

    with gr.Row(elem_classes="pg-work"):
        with gr.Column(elem_classes="pg-controls"):
            corpus = gr.Dropdown(
                corpora(),
                value="shakespeare-1mb",
                allow_custom_value=True,
                label="Corpus",
                info="A text to learn from; you can also type the path of one",
                elem_id="vocabulary-corpus",
            )
            upload = gr.UploadButton("Use your own file", elem_id="vocabulary-upload", size="sm")
            with gr.Row(elem_classes="pg-numbers"):
                size = gr.Number(1024, precision=0, label="Size in tokens", elem_id="vocabulary-size", min_width=120)
                name = gr.Textbox("my-vocabulary", label="Name", max_lines=1, elem_id="vocabulary-name", min_width=120)
            begin = gr.Button("Train the vocabulary", variant="primary", elem_id="vocabulary-start")
            said = message_line("vocabulary-said")
        shown = view(
            "vocabulary-training",
            "tabs/tokenizer/training.js",
            "pg-learning",
            empty="When it is done, every picker of vocabularies offers it, and so does the Train tab's tokenizer "
            "setting: a model can be trained on it.",
            functions=[training, stop],
            events=["changed", "see"],
        )
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    press(begin, start, [corpus, size, name], [shown], busy="Starting …", said=said, api_name="train_vocabulary")
    upload.upload(use_file, upload, corpus, api_name="use_corpus", **quiet)
    page.tab.select(lambda: gr.update(choices=corpora()), None, corpus, api_name="refresh_corpora", **quiet)
    shown.see(see, None, compared, api_name="see_vocabulary", **quiet)
    return shown
