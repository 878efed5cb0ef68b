"""GPT-2's weights from elsewhere, and a checkpoint to take along: as a file, or to the hub."""

import os
import time
from pathlib import Path
from typing import Any

import gradio as gr

from core.export import export
from core.gguf_file import TYPES
from playground.services.services import Services
from playground.tabs.models.tasks import ModelTasks
from playground.ui.components import Page, intro
from playground.ui.errors import handler

ZIP = "zip"
FORMATS = [("zip, for Hugging Face", ZIP), *((f"GGUF {name}", name) for name in TYPES)]
QUIET: dict[str, Any] = {"show_progress": "hidden"}


def build(services: Services, page: Page, tasks: ModelTasks, shelf: gr.HTML) -> None:
    intro(
        "GPT-2 from Hugging Face, Raschka's book or nanoGPT becomes a model here; a model from here becomes a zip that "
        "Hugging Face opens, or a GGUF for llama.cpp, LM Studio and Ollama.",
        "Import a directory or file that you have, or, connected to the internet, gpt2 by its name.",
    )
    build_import(tasks, shelf)
    with gr.Row(elem_classes="pg-numbers"):
        chosen = gr.Dropdown([], label="model", info="To take along", elem_id="models-zip", min_width=150)
        format = gr.Dropdown(FORMATS, value=ZIP, label="as", info="Which file", elem_id="models-format", min_width=150)
        make = gr.Button("Make the file", elem_id="models-make-zip", min_width=120)
        files = gr.Files(label="files", interactive=False, visible=False, elem_id="models-zip-file", min_width=200)
    said = gr.Markdown(visible=False, elem_id="models-file-said")
    build_upload(tasks, shelf, chosen)

    @handler
    def make_file(name: str | None, format: str) -> list[Any]:
        """A checkpoint as a file to take along; beside a GGUF lies the Modelfile."""
        written, sentences = write_file(services, name, format)
        text = "\n\n".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
        return [gr.update(value=written, visible=True), gr.update(value=text, visible=bool(text))]

    @handler
    def refresh_zips(chosen: str | None) -> Any:
        """What can be taken along."""
        names = [path.name for path in services.checkpoints.found()]
        return gr.update(choices=names, value=chosen if chosen in names else next(iter(names), None))

    make.click(make_file, [chosen, format], [files, said], api_name="make_zip", **QUIET)
    for event in (page.tab.select, chosen.focus):
        event(refresh_zips, chosen, chosen, api_name="refresh_zips", **QUIET)


def build_import(tasks: ModelTasks, shelf: gr.HTML) -> None:
    with gr.Row(elem_classes="pg-numbers"):
        source = gr.Textbox(
            label="source",
            info="A directory or file on this machine, or a model's id on huggingface.co",
            elem_id="models-source",
            max_lines=1,
            max_length=4096,
        )
        name = gr.Textbox(label="name", info="What it will be called here", elem_id="models-name", max_lines=1)
        bring = gr.Button("Import", variant="primary", elem_id="models-import", min_width=120)

    @handler
    def import_model(source: str, name: str) -> dict[str, Any]:
        """Import a GPT-2 from a directory or the hub, in the background."""
        tasks.import_model(source, name.strip())
        return {"opened": time.time()}

    bring.click(import_model, [source, name], shelf, api_name="import_model", **QUIET)


def build_upload(tasks: ModelTasks, shelf: gr.HTML, chosen: gr.Dropdown) -> None:
    folded = gr.Accordion("Upload it to huggingface.co", open=False, elem_id="models-upload-part")
    with folded, gr.Row(elem_classes="pg-numbers"):
        model = gr.Textbox(
            label="id", info="OWNER/NAME on the hub", elem_id="models-upload-id", max_lines=1, min_width=150
        )
        token = gr.Textbox(
            label="token",
            info="One that may write; it is not kept. Empty: HF_TOKEN, or that of hf auth login",
            type="password",
            elem_id="models-upload-token",
            max_lines=1,
            min_width=150,
        )
        license = gr.Textbox(
            label="licence", info="For the model card, e.g. mit", elem_id="models-upload-license", max_lines=1
        )
        private = gr.Checkbox(True, label="private", info="For your eyes only", elem_id="models-upload-private")
        upload = gr.Button("Upload", elem_id="models-upload", min_width=120)

    @handler
    def upload_model(name: str | None, model: str, token: str, license: str, private: bool) -> list[Any]:
        """Upload a checkpoint with its model card, in the background. The token is forgotten."""
        tasks.upload(name, model.strip(), token, license.strip(), private)
        gr.Info("The upload has begun: the part All models says how far it is.")
        return [{"opened": time.time()}, ""]

    given = [chosen, model, token, license, private]
    upload.click(upload_model, given, [shelf, token], api_name="upload_model", **QUIET)


def write_file(services: Services, name: str | None, format: str) -> tuple[list[str], list[str]]:
    """The paths of what was written, and what is to be said about it."""
    directory = services.checkpoints.path(name)
    target = Path(os.environ["GRADIO_TEMP_DIR"]) / "exports"  # the next one of the model replaces it
    target.mkdir(parents=True, exist_ok=True)
    if format == ZIP:
        export(directory, packed := target / f"{directory.name}.zip", force=True)
        return [str(packed)], []
    gguf = target / f"{directory.name}-{format}.gguf"
    sentences = export(directory, gguf, format, force=True)
    return [str(gguf), str(gguf.with_suffix(".Modelfile"))], sentences[1:]  # the first says where they are
