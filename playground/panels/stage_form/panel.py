"""One form a stage, with what the training will cost and what the model will see below it."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.stages.registry import STAGES
from core.training.run_directory import step_number
from playground.panels.live_run.panel import View
from playground.panels.stage_form import cost as preparation
from playground.services.services import Services
from playground.ui.components import Page, bind, live
from playground.ui.errors import handler, server_function
from playground.ui.forms import Form

BEGINNING = "the beginning"
AS_SET = "as set below"


def as_it_is(services: Services, config: Any, directory: Path) -> Any:
    return config


@dataclass(frozen=True)
class Spec:
    """What is particular to the form of a stage."""

    stage: str
    title: str
    prefix: str  # of the settings' elem_ids
    id: str  # of those of all else
    main: tuple[str, ...]  # the settings that matter
    data: str  # the setting that names the data
    files: list[str]  # kinds of files that may be uploaded as data
    stem: str  # of the suggested names
    defaults: Callable[[Services], Any]  # the settings that the form shows at first
    # What the settings that name something on this machine offer; other paths may be typed.
    choices: Callable[[Services], dict[str, list[Any]]]
    # The configuration as a training can take it, with files that it needs written into the directory. Raises
    # ValueError in words if that cannot be.
    resolve: Callable[[Services, Any, Path], Any] = as_it_is
    depending: tuple[str, ...] = ()  # settings that name something too, but what they offer depends on other settings
    # A sentence about data that may change while the form is open, such as votes.
    status_text: Callable[[Services, Any], str] | None = None

    @property
    def config(self) -> type[Any]:
        return STAGES[self.stage].config


@dataclass(frozen=True)
class StageForm:
    """A stage's controls."""

    spec: Spec
    tab: gr.Tab
    form: Form
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
        return self.spec.resolve(services, self.form.read(values), uploads(services))


def lay_out(spec: Spec, services: Services, tab: gr.Tab, size: gr.Dropdown | None = None) -> StageForm:
    name = gr.Textbox(label="name", info="What the new model will be called", elem_id=f"{spec.id}-name", max_lines=1)
    choices = spec.choices(services) | {name: [] for name in spec.depending}
    form = Form(spec.defaults(services), spec.main, choices, spec.prefix)
    plan = cost_view(spec, services, form)
    start = gr.Button("Start training", variant="primary", elem_id=f"{spec.id}-start")
    upload = gr.UploadButton(
        f"Use a file of yours ({', '.join(spec.files)})", file_types=spec.files, elem_id=f"{spec.id}-upload", size="sm"
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
            value=BEGINNING,
            label="begin at",
            info="Or fork an earlier run where it was saved",
            elem_id=f"{spec.id}-begin",
            min_width=150,
        )
    preview = preview_view(spec, services, form)
    return StageForm(spec, tab, form, size, name, begin_at, hardware, upload, start, plan, preview)


# --- own data -------------------------------------------------------------------------------------------------


def uploads(services: Services) -> Path:
    return services.checkpoints.directory / "data"


def uploaded(files: list[str], services: Services) -> list[str]:
    """The paths of the uploaded files of these kinds."""
    found = uploads(services).glob("*") if uploads(services).is_dir() else []
    return sorted(str(path) for path in found if path.suffix in files)


def keep_upload(path: str, services: Services) -> str:
    """Copy an uploaded file to where a training that outlives the page can read it, also when it is resumed."""
    kept = uploads(services) / Path(path).name
    kept.parent.mkdir(exist_ok=True)
    shutil.copy(path, kept)
    return str(kept)


def paths(names: list[str], services: Services) -> list[tuple[str, str]]:
    """Checkpoints as choices: (what is read, its path)."""
    return [(name, str(services.checkpoints.directory / name)) for name in names]


# --- what it costs, what the model sees -----------------------------------------------------------------------


def with_resolved(
    spec: Spec, services: Services, config: Any, look: Callable[[str, Any], dict[str, Any]]
) -> dict[str, Any]:
    """What `look` says of the stage and its configuration; files that it needs are there only meanwhile."""
    with tempfile.TemporaryDirectory() as scratch:
        return look(spec.stage, spec.resolve(services, config, Path(scratch)))


def cost_view(spec: Spec, services: Services, form: Form) -> gr.HTML:
    @server_function
    def plan(values: dict[str, Any]) -> dict[str, Any]:
        busy = services.jobs.active()
        config = form.parse(values)
        planned = with_resolved(spec, services, config, preparation.plan)
        told = spec.status_text(services, config) if spec.status_text else ""
        return planned | {"busy": busy.name if busy else "", "told": told}

    script = "playground.trainPlan(element, props, watch, server)"
    return live(f"{spec.id}-plan", script, "pg-plan", empty="Counting memory and time …", server_functions=[plan])


def preview_view(spec: Spec, services: Services, form: Form) -> gr.HTML:
    @server_function
    def preview(values: dict[str, Any]) -> dict[str, Any]:
        return with_resolved(spec, services, form.parse(values), preparation.preview)

    script = "playground.trainPreview(element, props, watch, server)"
    with gr.Accordion("What the model will see", open=False, elem_id=f"{spec.id}-see"):
        return live(f"{spec.id}-preview", script, "pg-preview", empty="Reading the data …", server_functions=[preview])


# --- wiring ---------------------------------------------------------------------------------------------------


def wire(c: StageForm, services: Services, page: Page, view: View) -> None:
    jobs, spec, form = services.jobs, c.spec, c.form

    def suggestion(stem: str = spec.stem) -> str:
        return jobs.free_names(stem)[0]

    def forkable() -> list[str]:
        own = [run for name in jobs.names([spec.stage]) if (run := jobs.run(name)).saved_steps()]
        return [f"{run.name}, step {step_number(path)}" for run in own for path in reversed(run.saved_steps())]

    def refresh() -> dict[Any, Any]:
        offered = {form.widgets[name]: gr.update(choices=some) for name, some in spec.choices(services).items()}
        return offered | {c.begin_at: gr.update(choices=[BEGINNING, *forkable()])}

    @handler
    def start(values: dict[Any, Any]) -> dict[Any, Any]:
        name, config = values[c.name].strip(), c.read(values, services)
        if values[c.begin_at] == BEGINNING:
            run = jobs.start(name, spec.stage, config)
        else:
            origin, step = values[c.begin_at].rsplit(", step ", 1)
            run = jobs.fork(name, origin, int(step), config)
        stem = values[c.size] if c.size else spec.stem
        return view.look_at(run.name, jobs.names(view.place.stages)) | {c.name: suggestion(stem)}

    @handler
    def take_settings(begin_at: str) -> dict[Any, Any]:
        if begin_at == BEGINNING:
            return {c.name: suggestion()}
        origin, _ = begin_at.rsplit(", step ", 1)
        config = spec.config.from_dict(jobs.run(origin).read()[1])
        return form.show(config) | {c.name: suggestion(f"{origin}-fork")}

    @handler
    def fit_into(values: dict[Any, Any]) -> dict[Any, Any]:
        if values[c.hardware] == AS_SET:
            return {}

        def find(stage: str, config: Any) -> dict[str, Any]:
            return vars(preparation.fit_to_hardware(stage, config, values[c.hardware]))

        fitted = with_resolved(spec, services, form.read(values), find)
        return {form.widgets[name]: fitted[name] for name in ("micro_batch_size", "recompute")}

    @handler
    def use_file(path: str) -> dict[Any, Any]:
        kept = keep_upload(path, services)
        return {form.widgets[spec.data]: gr.update(choices=spec.choices(services)[spec.data], value=kept)}

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    chosen = {c.name, c.begin_at, *c.settings} | ({c.size} if c.size else set())
    c.start.click(start, chosen, [*view.parts, c.name], api_name=f"start_{spec.stage}", **quiet)
    c.begin_at.input(take_settings, c.begin_at, [*c.settings, c.name], api_name=f"take_settings_{spec.stage}", **quiet)
    sizes = [form.widgets[name] for name in ("micro_batch_size", "recompute")]
    c.hardware.input(fit_into, {c.hardware, *c.settings}, sizes, api_name=f"fit_into_{spec.stage}", **quiet)
    c.upload.upload(use_file, c.upload, form.widgets[spec.data], api_name=f"use_file_{spec.stage}", **quiet)
    refreshed = [*(form.widgets[name] for name in spec.choices(services)), c.begin_at]
    for event in (page.blocks.load, page.tab.select, c.tab.select, c.begin_at.focus, view.curves.changed):
        event(refresh, None, refreshed, api_name=f"refresh_{spec.stage}", **quiet)
    page.blocks.load(suggestion, None, c.name, api_name=f"suggest_{spec.stage}", **quiet)
    opened = (page.tab.select, c.tab.select) if spec.status_text else ()
    for part in (c.plan, c.preview):
        bind(part, page, *opened, **form.widgets)
