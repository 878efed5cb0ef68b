"""GPT-2's weights from elsewhere, and a checkpoint to take along."""

import os
import time
from pathlib import Path
from typing import Any

import gradio as gr

from core.workspace import Workspace
from playground.services.services import Services
from playground.tabs.models.tasks import ModelTasks
from playground.ui.components import Page, intro
from playground.ui.errors import handler


def build(services: Services, page: Page, library: Workspace, tasks: ModelTasks, shelf: gr.HTML) -> None:
    intro(
        "GPT-2 as Hugging Face keeps it becomes a model here; a model from here becomes a zip that Hugging Face opens.",
        "Import the directory of a GPT-2 that you have, or, connected to the internet, gpt2 by its name.",
    )
    with gr.Row(elem_classes="pg-numbers"):
        source = gr.Textbox(
            label="source",
            info="A directory on this machine, or a model's id on huggingface.co",
            elem_id="models-source",
            max_lines=1,
            max_length=4096,
        )
        name = gr.Textbox(label="name", info="What it will be called here", elem_id="models-name", max_lines=1)
        bring = gr.Button("Import", variant="primary", elem_id="models-import", min_width=120)
    with gr.Row(elem_classes="pg-numbers"):
        chosen = gr.Dropdown([], label="model", info="To take along", elem_id="models-zip", min_width=150)
        make = gr.Button("Make a zip", elem_id="models-make-zip", min_width=120)
        file = gr.File(label="zip", interactive=False, visible=False, elem_id="models-zip-file", min_width=200)

    @handler
    def import_model(source: str, name: str) -> dict[str, Any]:
        """Import a GPT-2 from a directory or the hub, in the background."""
        tasks.import_model(source, name.strip())
        return {"opened": time.time()}

    @handler
    def make_zip(name: str | None) -> Any:
        """A checkpoint as one file."""
        if not name:
            raise ValueError("choose a model first")
        target = Path(os.environ["GRADIO_TEMP_DIR"]) / "zips" / f"{name}.zip"  # the next one of the model replaces it
        target.parent.mkdir(parents=True, exist_ok=True)
        library.pack(name, target)
        return gr.update(value=str(target), visible=True)

    @handler
    def refresh_zips(chosen: str | None) -> Any:
        """What can be taken along."""
        names = [path.name for path in services.checkpoints.found()]
        return gr.update(choices=names, value=chosen if chosen in names else next(iter(names), None))

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    bring.click(import_model, [source, name], shelf, api_name="import_model", **quiet)
    make.click(make_zip, chosen, file, api_name="make_zip", **quiet)
    for event in (page.tab.select, chosen.focus):
        event(refresh_zips, chosen, chosen, api_name="refresh_zips", **quiet)
