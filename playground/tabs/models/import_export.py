"""Import and export: GPT-2's weights from elsewhere, and a checkpoint as a file or on the hub."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from core.export import export
from core.gguf_file import TYPES
from playground.services.services import Services
from playground.tabs.models.tasks import IMPORT, UPLOAD, ModelTasks
from playground.ui.components import Page, about, offer, view
from playground.ui.errors import handler, server_function
from playground.ui.press import message_line, press

ZIP, PAGE = "zip", "html"
FORMATS = [
    ("zip, for Hugging Face", ZIP),
    ("A page that chats by itself", PAGE),
    *((f"GGUF {name}", name) for name in TYPES),
]
QUIET: dict[str, Any] = {"show_progress": "hidden"}
ABOUT_IMPORT = (
    "GPT-2 from Hugging Face, from Raschka's book or nanoGPT: a directory or file on this machine, or, connected to "
    "the internet, a model's id such as gpt2. It becomes a model of the name that you type, beside the others."
)
ABOUT_EXPORT = (
    "A zip is a directory that Hugging Face opens; a GGUF is for llama.cpp, LM Studio and Ollama. The page is one HTML "
    "file that holds the model, rounded to 8 bits, and chats in any browser, a phone's too, without a network; with a "
    "dial to its parent, if that is here."
)


def build(services: Services, page: Page, tasks: ModelTasks) -> None:
    @server_function
    def task_status(_: dict[str, Any]) -> dict[str, Any]:
        return tasks.status()

    @server_function
    def stop_task(_: dict[str, Any]) -> dict[str, Any]:
        tasks.stop()
        return tasks.status()

    def progress(what: str) -> gr.HTML:
        script = "tabs/models/progress.js"
        return view(f"models-{what}-view", script, "pg-progress-line", functions=[task_status, stop_task], what=what)

    with gr.Row(equal_height=False, elem_classes="pg-transfer"):
        with gr.Column(min_width=320):
            about(ABOUT_IMPORT, "Import a model")
            build_import(tasks, progress)
        with gr.Column(min_width=320):
            about(ABOUT_EXPORT, "Export a model")
            chosen = build_export(services, page)
            with gr.Accordion("Upload to huggingface.co", open=False, elem_id="models-upload-part"):
                build_upload(tasks, progress, chosen)


def build_import(tasks: ModelTasks, progress: Callable[[str], gr.HTML]) -> None:
    source = gr.Textbox(
        label="Source",
        info="A directory or file here, or an id on huggingface.co",
        elem_id="models-source",
        max_lines=1,
        max_length=4096,
    )
    name = gr.Textbox(label="Name", info="What it will be called here", elem_id="models-name", max_lines=1)
    start = gr.Button("Import", variant="primary", elem_id="models-import")
    said, shown = message_line("models-import-said"), progress(IMPORT)

    def import_model(source: str, name: str) -> dict[Any, Any]:
        """Import a GPT-2 from a directory or the hub, in the background."""
        tasks.import_model(source, name.strip())
        return {shown: {"begun": time.time()}}

    press(start, import_model, [source, name], [shown], busy="Starting …", said=said, api_name="import_model")


def build_export(services: Services, page: Page) -> gr.Dropdown:
    """Returns the picker of the model."""
    chosen = gr.Dropdown([], label="Model to export", elem_id="models-zip")
    format = gr.Dropdown(FORMATS, value=ZIP, label="Format", elem_id="models-format")
    make = gr.Button("Make the file", elem_id="models-make-zip")
    said = message_line("models-file-said")
    files = gr.Files(label="Files", interactive=False, visible=False, elem_id="models-zip-file")

    def make_file(name: str | None, format: str) -> dict[Any, Any]:
        """A checkpoint as a file to take along; beside a GGUF lies the Modelfile."""
        written, sentences = write_file(services, name, format)
        text = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
        return {files: gr.update(value=written, visible=True), said: text}

    @handler
    def refresh_zips(chosen: str | None) -> Any:
        """What can be exported."""
        names = [path.name for path in services.checkpoints.found()]
        return offer({"choices": names}, chosen, chosen if chosen in names else next(iter(names), None))

    press(make, make_file, [chosen, format], [files], busy="Making the file …", said=said, api_name="make_zip")
    gr.on([page.tab.select, chosen.focus], refresh_zips, chosen, chosen, api_name="refresh_zips", **QUIET)
    return chosen


def build_upload(tasks: ModelTasks, progress: Callable[[str], gr.HTML], chosen: gr.Dropdown) -> None:
    model = gr.Textbox(label="Id", info="OWNER/NAME on the hub", elem_id="models-upload-id", max_lines=1)
    token_box = gr.Textbox(
        label="Token",
        info="One that may write; it is not kept. Empty: HF_TOKEN, or that of hf auth login",
        type="password",
        elem_id="models-upload-token",
        max_lines=1,
    )
    license = gr.Textbox(
        label="Licence", info="For the model card, e.g. mit", elem_id="models-upload-license", max_lines=1
    )
    private = gr.Checkbox(True, label="Private", info="For your eyes only", elem_id="models-upload-private")
    start = gr.Button("Upload", elem_id="models-upload")
    said, shown = message_line("models-upload-said"), progress(UPLOAD)

    def upload_model(name: str | None, model: str, token: str, license: str, private: bool) -> dict[Any, Any]:
        """Upload a checkpoint with its model card, in the background. The token is forgotten."""
        tasks.upload(name, model.strip(), token, license.strip(), private)
        return {shown: {"begun": time.time()}, token_box: ""}

    given = [chosen, model, token_box, license, private]
    press(start, upload_model, given, [shown, token_box], busy="Starting …", said=said, api_name="upload_model")


def write_file(services: Services, name: str | None, format: str) -> tuple[list[str], list[str]]:
    """The paths of what was written, and what is to be said about it."""
    directory = services.checkpoints.path(name)
    target = Path(os.environ["GRADIO_TEMP_DIR"]) / "exports"  # the next one of the model replaces it
    target.mkdir(parents=True, exist_ok=True)
    if format in (ZIP, PAGE):
        packed = target / f"{directory.name}.{format}"
        sentences = export(directory, packed, force=True, find=services.checkpoints.roots.path)
        return [str(packed)], sentences[1:]  # the first says where it is
    gguf = target / f"{directory.name}-{format}.gguf"
    sentences = export(directory, gguf, format, force=True)
    return [str(gguf), str(gguf.with_suffix(".Modelfile"))], sentences[1:]
