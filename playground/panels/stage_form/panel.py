"""One form a stage, with what the training will cost and what the model will see below it."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.datasets.labelled_files import read_columns
from core.training.run_directory import step_number
from playground.panels.live_run.panel import View
from playground.panels.stage_form import cost as preparation
from playground.panels.stage_form.spec import Spec, data_directory, paths, with_same_vocabulary
from playground.services import uploads
from playground.services.services import Services
from playground.ui.components import Page, bind, view
from playground.ui.errors import handler, server_function
from playground.ui.forms import Form

BEGINNING = ("the beginning", "")  # otherwise the value is a saved step: see `fork_choice`
AS_SET = "as set below"


@dataclass(frozen=True)
class StageForm:
    """A stage's controls."""

    spec: Spec
    tab: gr.Tab
    form: Form[Any]
    size: gr.Dropdown | None  # after whose value names are suggested
    name: gr.Textbox
    begin_at: gr.Dropdown
    hardware: gr.Dropdown
    upload: gr.UploadButton
    start: gr.Button
    plan: gr.HTML
    preview: gr.HTML

    @property
    def settings(self) -> list[Any]:
        return list(self.form.widgets.values())

    def read(self, values: dict[Any, Any], services: Services) -> Any:
        """The configuration to train with, from an event's {widget: value}. Raises ValueError in words."""
        return self.spec.resolve(services, self.form.read(values), data_directory(services))


def lay_out(spec: Spec, services: Services, tab: gr.Tab) -> StageForm:
    stage = spec.stage
    size = preset_picker(spec) if stage.has_preset_flag else None
    name = gr.Textbox(label="name", info="What the new model will be called", elem_id=f"{spec.id}-name", max_lines=1)
    choices = spec.choices(services) | {name: [] for name in (*spec.depending, *spec.columns)}
    form = Form(spec.defaults(services), stage.main_settings, choices, spec.prefix)
    plan = cost_view(spec, services, form)
    start = gr.Button("Start training", variant="primary", elem_id=f"{spec.id}-start")
    upload = gr.UploadButton(
        "Use a file of yours",  # of any ending, or none: what it is, its content says
        visible=bool(stage.data),
        elem_id=f"{spec.id}-upload",
        size="sm",
    )
    with gr.Row(elem_classes="pg-numbers"):
        hardware = gr.Dropdown(
            [AS_SET, preparation.HERE, *preparation.BUDGETS],
            value=AS_SET,
            label="fit into",
            info="Sets micro_batch_size and recompute so that it fits",
            elem_id=f"{spec.id}-hardware",
            min_width=150,
        )
        begin_at = gr.Dropdown(
            [BEGINNING],
            value=BEGINNING[1],
            label="begin at",
            info="Or fork an earlier run where it was saved",
            elem_id=f"{spec.id}-begin",
            min_width=150,
        )
    preview = preview_view(spec, services, form)
    return StageForm(spec, tab, form, size, name, begin_at, hardware, upload, start, plan, preview)


# --- what it costs, what the model sees -----------------------------------------------------------------------


def with_resolved(
    spec: Spec, services: Services, config: Any, look: Callable[[str, Any], dict[str, Any]]
) -> dict[str, Any]:
    """What `look` says of the stage and its configuration; files that it needs are there only meanwhile."""
    with tempfile.TemporaryDirectory() as scratch:
        return look(spec.stage.name, spec.resolve(services, config, Path(scratch)))


def cost_view(spec: Spec, services: Services, form: Form[Any]) -> gr.HTML:
    @server_function
    def plan(values: dict[str, Any]) -> dict[str, Any]:
        busy = services.jobs.active()
        config = form.parse(values)
        planned = with_resolved(spec, services, config, preparation.plan)
        return planned | {"busy": busy.name if busy else "", "told": spec.status_text(services, config)}

    script = "panels/stage_form/plan.js"
    return view(f"{spec.id}-plan", script, "pg-plan", empty="Counting memory and time …", functions=[plan])


def preview_view(spec: Spec, services: Services, form: Form[Any]) -> gr.HTML:
    @server_function
    def preview(values: dict[str, Any]) -> dict[str, Any]:
        return with_resolved(spec, services, form.parse(values), preparation.preview)

    script = "panels/stage_form/preview.js"
    with gr.Accordion("What the model will see", open=False, elem_id=f"{spec.id}-see"):
        return view(f"{spec.id}-preview", script, "pg-preview", empty="Reading the data …", functions=[preview])


# --- wiring ---------------------------------------------------------------------------------------------------


def wire(c: StageForm, services: Services, page: Page, view: View) -> None:
    jobs, spec, stage, form = services.jobs, c.spec, c.spec.stage, c.form

    def suggestion(stem: str = spec.stem) -> str:
        return jobs.free_names(stem)[0]

    def forkable() -> list[tuple[str, str]]:
        own = [jobs.run(name) for name in jobs.names([stage.name])]
        return [fork_choice(run.name, step_number(path)) for run in own for path in reversed(run.saved_steps())]

    def refresh() -> dict[Any, Any]:
        offered = {form.widgets[name]: gr.update(choices=some) for name, some in spec.choices(services).items()}
        return offered | {c.begin_at: gr.update(choices=[BEGINNING, *forkable()])}

    @handler
    def start(values: dict[Any, Any]) -> dict[Any, Any]:
        name, config = values[c.name].strip(), c.read(values, services)
        if values[c.begin_at] == BEGINNING[1]:
            run = jobs.start(name, stage.name, config)
        else:
            origin, step = json.loads(values[c.begin_at])
            run = jobs.fork(name, origin, step, config)
        stem = values[c.size] if c.size else spec.stem
        return view.look_at(run.name, jobs.names(view.place.stages)) | {c.name: suggestion(stem)}

    @handler
    def take_settings(begin_at: str) -> dict[Any, Any]:
        if begin_at == BEGINNING[1]:
            return {c.name: suggestion()}
        origin, _ = json.loads(begin_at)
        config = stage.config.from_dict(jobs.run(origin).read()[1])
        return form.show(config) | {c.name: suggestion(f"{origin}-fork")}

    @handler
    def fit_into(values: dict[Any, Any]) -> dict[Any, Any]:
        if values[c.hardware] == AS_SET:
            return dict.fromkeys(sizes, gr.skip())

        def find(_: str, config: Any) -> dict[str, Any]:
            return vars(preparation.fit_to_hardware(stage.name, config, values[c.hardware]))

        fitted = with_resolved(spec, services, form.read(values), find)
        return {form.widgets[name]: fitted[name] for name in ("micro_batch_size", "recompute")}

    @handler
    def use_file(path: str) -> dict[Any, Any]:
        kept = str(uploads.keep(path, data_directory(services)))
        return {form.widgets[stage.data]: gr.update(choices=spec.choices(services)[stage.data], value=kept)}

    @handler
    def offer_columns(data: str) -> Any:
        there = [] if data in stage.offers else read_columns(data)
        updates = [gr.update(choices=[("recognised", ""), *there]) for _ in spec.columns]
        return updates if len(updates) > 1 else updates[0]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    chosen = {c.name, c.begin_at, *c.settings} | ({c.size} if c.size else set())
    c.start.click(start, chosen, [*view.parts, c.name], api_name=f"start_{stage.name}", **quiet)
    c.begin_at.input(take_settings, c.begin_at, [*c.settings, c.name], api_name=f"take_settings_{stage.name}", **quiet)
    sizes = [form.widgets[name] for name in ("micro_batch_size", "recompute")]
    c.hardware.input(fit_into, {c.hardware, *c.settings}, sizes, api_name=f"fit_into_{stage.name}", **quiet)
    if stage.data:
        c.upload.upload(use_file, c.upload, form.widgets[stage.data], api_name=f"use_file_{stage.name}", **quiet)
    if spec.columns:
        columns, data = [form.widgets[name] for name in spec.columns], form.widgets[stage.data]
        data.change(offer_columns, data, columns, api_name=f"columns_{stage.name}", **quiet)
    refreshed = [*(form.widgets[name] for name in spec.choices(services)), c.begin_at]
    opened = (page.tab.select, c.tab.select)
    for event in (*opened, c.begin_at.focus, view.curves.changed):
        event(refresh, None, refreshed, api_name=f"refresh_{stage.name}", **quiet)
    page.blocks.load(suggestion, None, c.name, api_name=f"suggest_{stage.name}", **quiet)
    again = opened if stage.settings_that_name("votes") else ()  # they may have changed
    bind([c.plan, c.preview], page, *again, opened=opened, **form.widgets)
    wire_presets(c, services)
    for name in spec.depending:
        suit_parent(c, name, services, page)


def fork_choice(run: str, step: int) -> tuple[str, str]:
    """(what is read, its value) of a saved step to go on from."""
    return f"{run}, step {step}", json.dumps([run, step])


# --- presets, and what suits the parent -----------------------------------------------------------------------


def preset_picker(spec: Spec) -> gr.Dropdown:
    stage, presets = spec.stage, spec.stage.presets
    assert presets is not None

    def label(name: str) -> str:
        n = stage.shape(stage.configure({}, name)).n_params
        return f"{name} · {n / 1e6:.{1 if n < 1e8 else 0}f}M"

    return gr.Dropdown(
        [(label(name), name) for name in presets.recipes],
        value=presets.default,
        label=presets.flag,
        info=presets.help,
        elem_id=f"{spec.id}-preset",
    )


def wire_presets(c: StageForm, services: Services) -> None:
    """The chosen word fills the form with what suits it."""
    stage, presets, widgets = c.spec.stage, c.spec.stage.presets, c.form.widgets
    if presets is None:
        return

    @handler
    def fill(chosen: str) -> dict[Any, Any]:
        return c.form.show(stage.configure({}, chosen)) | {c.name: services.jobs.free_names(chosen)[0]}

    @handler
    def suit(chosen: str) -> dict[Any, Any]:
        return {widgets[name]: value for name, value in presets.recipes[chosen].items()}

    if c.size:
        c.size.input(fill, c.size, [*c.settings, c.name], api_name="preset", show_progress="hidden")
    else:
        changed = [widgets[name] for name in presets.recipes[presets.default]]
        widgets[presets.flag].input(suit, widgets[presets.flag], changed, api_name="suit", show_progress="hidden")


def suit_parent(c: StageForm, name: str, services: Services, page: Page) -> None:
    """Only those reward models are offered that read what the parent writes; what was typed stays."""
    parent, reward_model = c.form.widgets["parent"], c.form.widgets[name]

    @handler
    def suit(parent: str, chosen: str) -> Any:
        there = with_same_vocabulary(parent, services)
        known = [path for _, path in paths(services.checkpoints.reward_models(), services)]
        fits = chosen in [path for _, path in there] or (chosen and chosen not in known)
        return gr.update(choices=there, value=chosen if fits else next((path for _, path in there), ""))

    for event in (page.tab.select, c.tab.select, parent.change):
        event(suit, [parent, reward_model], reward_model, api_name=f"suit_{name}", show_progress="hidden")
