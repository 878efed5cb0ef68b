"""The page: header, tabs in order, and how they share the model and the text."""

import html
from pathlib import Path
from typing import Any

import gradio as gr

from core.stages.registry import STAGES
from core.training.device import describe_device, device_name
from playground import api
from playground.panels.copied_text import panel as copied_text
from playground.services.checkpoints import is_shipped
from playground.services.learned_texts import LearnedTexts
from playground.services.services import Services
from playground.services.training_jobs import stage
from playground.tabs import align, attention, chat, label, learn, models, tokenizer, train
from playground.tabs.learn.progress import FILE
from playground.tour import stops
from playground.ui.components import Page, about_html, module, offer, view
from playground.ui.errors import server_function
from playground.ui.palette import BLUE

TABS = {
    "Learn": learn,
    "Tokenizer": tokenizer,
    "Attention": attention,
    "Train": train,
    "Chat": chat,
    "Label": label,
    "Align": align,
    "Models": models,
}
CACHE = (3600, 86_400)  # seconds between two looks for files that were sent or received, and the age at which they go
DARK_BLUE = "#005a8c"  # BLUE under the pointer
THEME = gr.themes.Base(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
).set(  # Gradio's own are paler than WCAG allows
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_300",
    color_accent=BLUE,
    button_primary_background_fill=BLUE,
    button_primary_background_fill_dark=BLUE,
    button_primary_background_fill_hover=DARK_BLUE,
    button_primary_background_fill_hover_dark=DARK_BLUE,
)


def build(services: Services) -> gr.Blocks:
    blocks = gr.Blocks(title="GPT Playground", analytics_enabled=False, delete_cache=CACHE)
    with blocks:
        page = header(blocks, services)
        with gr.Tabs(selected="learn" if is_newcomer(services) else "tokenizer", elem_id="tabs"):
            for name, tab in TABS.items():
                with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}") as page.tab:
                    gr.HTML(f"<h2>{name}</h2>", elem_classes="pg-unseen")  # heads the parts, for who hears the page
                    tab.build(services, page)
        for event in blocks.fns.values():
            event.api_visibility = "private"  # their arguments are the page's widgets: programs have api.py
        api.build(services)
    return blocks


def is_newcomer(services: Services) -> bool:
    """Has nobody made a model here, or begun a lesson? The page then opens with the lessons."""
    shipped = {path.name for path in services.checkpoints.directories() if is_shipped(path)}
    made = {path.name for path in services.checkpoints.directories()}.union(services.jobs.names()) - shipped
    return not made and not (services.workspace.directory / FILE).exists()


def kept_in(services: Services) -> str:
    """Where what the person makes is kept."""
    directory = services.workspace.directory.absolute()
    here = Path.cwd()
    if directory.is_relative_to(here):
        return f"./{directory.relative_to(here).as_posix()}"
    try:
        return f"~/{directory.relative_to(Path.home()).as_posix()}"
    except (RuntimeError, ValueError):  # there is no home, or it lies elsewhere
        return str(directory)


def header(blocks: gr.Blocks, services: Services) -> Page:
    @server_function
    def running(_: Any = None) -> dict[str, Any]:
        run, queued = services.jobs.active(), len(services.jobs.queue())
        if run is None:
            return {"queued": queued, "run": None}
        status, known = run.status(), STAGES.get(stage(run))
        tab = "align" if known and known.aligns else "train"
        steps = {"state": status.state, "step": status.step, "max_steps": status.max_steps}
        return {"queued": queued, "run": {"name": run.name, "tab": tab, **steps}}

    @server_function
    def tour_figures(request: dict[str, Any]) -> dict[str, Any]:
        return stops.figures(services.checkpoints, request["model"], request["text"])

    def refresh(chosen: str | None) -> dict[str, Any]:
        """The models there are; the chosen one stays as long as it is there."""
        names = services.checkpoints.names()
        return offer({"choices": names}, chosen, chosen if chosen in names else services.checkpoints.first())

    def open_link(chosen: str | None, request: gr.Request) -> dict[str, Any]:
        """The model that the address asks for: `?model=bard-chat`."""
        wanted = request.query_params.get("model")
        if wanted and wanted not in services.checkpoints.names():
            gr.Info(html.escape(f"There is no model called {wanted} here."))
        return refresh(chosen) | ({"value": wanted} if wanted in services.checkpoints.names() else {})

    names = services.checkpoints.names()
    with gr.Row(elem_classes="pg-header", equal_height=False):
        kept = f"The life of a language model, on your machine. All that you make is kept in {kept_in(services)}."
        gr.HTML(f"<h1>GPT Playground</h1>{about_html(kept)}", elem_classes=["pg-title", "pg-flush"], min_width=0)
        model = gr.Dropdown(
            names,
            value=services.checkpoints.first(),
            label="Model",
            elem_id="model-picker",
            interactive=True,
            min_width=0,
        )
        view(
            "badge",
            "badge.js",
            "pg-header-badge",
            functions=[running],
            min_width=0,
            device=device_name(services.checkpoints.device),
            about=describe_device(services.checkpoints.device),
        )
        view(
            "tour",
            "tour/tour.js",
            "pg-tour-start",
            functions=[tour_figures],
            min_width=0,
            script=stops.script(),
        )
        copied_text.build(LearnedTexts(services.checkpoints), services.preferences)
    opened = blocks.load(open_link, model, model, api_name="open_link", show_progress="hidden")
    set_address = f"(await {module('assets/address.js')}).setAddress({{ model }})"
    correct = f"async (model) => {{ if (new URLSearchParams(location.search).has('model')) {set_address}; }}"
    opened.then(None, model, None, js=correct, api_name="correct_address")
    model.change(None, model, None, js=f"async (model) => {{ {set_address}; }}", api_name="address")
    model.focus(refresh, model, model, api_name="refresh_picker", show_progress="hidden")
    return Page(blocks, model, opened)
