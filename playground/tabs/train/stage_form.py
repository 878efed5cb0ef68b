"""The left half: one form a stage, with what the training will cost and what the model will see below it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.model import PRESETS, GPTConfig
from core.stages.classify import RECIPES, ClassifyConfig
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from core.train.run import step_number
from playground import preparation
from playground.services import Services
from playground.tabs.train.live_view import View
from playground.widgets import Form, Page, feed, handler, live, server_function

BEGINNING = "the beginning"
AS_SET = "as set below"


@dataclass(frozen=True)
class Spec:
    """What is particular to the form of a stage."""

    stage: str
    title: str
    prefix: str  # of the elem_ids
    about: str
    main: tuple[str, ...]  # the settings that matter
    data: str  # the setting that names the data
    files: list[str]  # kinds of files that may be uploaded as data
    stem: str  # of the suggested names

    @property
    def config(self) -> type[Any]:
        return STAGES[self.stage].config


PRETRAIN = Spec(
    "pretrain",
    "Pre-train",
    "setting",
    "From random weights, or on from a checkpoint, on a plain text: every next token is a lesson.",
    ("corpus", "max_steps", "batch_size", "learning_rate", "vocab_size"),
    "corpus",
    [".txt"],
    "nano",
)
SFT = Spec(
    "sft",
    "Instructions",
    "sft",
    "From a model that continues texts to one that answers and obeys: only the answers are lessons.",
    ("parent", "data", "method", "max_steps", "learning_rate"),
    "data",
    [".json", ".jsonl"],
    "chat",
)
CLASSIFY = Spec(
    "classify",
    "Classify",
    "classify",
    "From a language model to one that sorts texts: a new head reads the state at a text's last token.",
    ("parent", "data", "train_what", "max_steps", "learning_rate"),
    "data",
    [".csv"],
    "classes",
)


@dataclass(frozen=True)
class StageForm:
    """A stage's controls."""

    spec: Spec
    tab: gr.Tab
    form: Form
    preset: gr.Dropdown | None  # where a model is made: of which size
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


def lay_out(spec: Spec, services: Services, tab: gr.Tab) -> StageForm:
    id = "train" if spec is PRETRAIN else spec.prefix
    config = first_config(spec, services)
    gr.Markdown(spec.about, elem_classes="pg-note")
    preset = None
    if spec is PRETRAIN:
        preset = gr.Dropdown(
            [(f"{name} · {millions(GPTConfig.preset(name).n_params)}", name) for name in PRESETS],
            value="nano",
            label="preset",
            info="Size of the model, with settings that suit it",
            elem_id="train-preset",
        )
    name = gr.Textbox(label="name", info="What the new model will be called", elem_id=f"{id}-name", max_lines=1)
    form = Form(config, spec.main, choices(spec, services), spec.prefix)
    plan = cost(spec, services, form, id)
    start = gr.Button("Start training", variant="primary", elem_id=f"{id}-start")
    upload = gr.UploadButton(
        f"Use a file of yours ({', '.join(spec.files)})", file_types=spec.files, elem_id=f"{id}-upload", size="sm"
    )
    with gr.Row(elem_classes="pg-numbers"):
        hardware = gr.Dropdown(
            [AS_SET, preparation.HERE, *preparation.BUDGETS],
            value=AS_SET,
            label="fit into",
            info="Sets micro_batch_size and recompute so that it fits",
            elem_id=f"{id}-hardware",
            min_width=150,
        )
        begin_at = gr.Dropdown(
            [BEGINNING],
            value=BEGINNING,
            label="begin at",
            info="Or fork an earlier run where it was saved",
            elem_id=f"{id}-begin",
            min_width=150,
        )
    preview = seen(spec, services, form, id)
    return StageForm(spec, tab, form, preset, name, begin_at, hardware, upload, start, plan, preview)


def millions(n: int) -> str:
    return f"{n / 1e6:.1f}M" if n < 1e8 else f"{n / 1e6:.0f}M"


def first_config(spec: Spec, services: Services) -> Any:
    """The stage's defaults, with a parent that is there."""
    if spec is PRETRAIN:
        return PretrainConfig.preset("nano")
    parents = parent_choices(services)
    return spec.config.from_dict({"parent": parents[0][1]} if parents else {})


def parent_choices(services: Services) -> list[tuple[str, str]]:
    return [(name, str(services.checkpoints.directory / name)) for name in services.checkpoints.names()]


def choices(spec: Spec, services: Services) -> dict[str, list[Any]]:
    """What the settings that name something on this machine offer; other paths may be typed."""
    data = [*preparation.DATA[spec.stage], *uploaded(spec, services)]
    if spec is PRETRAIN:
        vocabularies = ["train", "gpt2", *services.vocabularies.paths()]
        parents = [("random weights", ""), *parent_choices(services)]
        return {"corpus": data, "tokenizer": vocabularies, "init_from": parents}
    return {"data": data, "parent": parent_choices(services)}


# --- own data -------------------------------------------------------------------------------------------------


def uploads(services: Services) -> Path:
    return services.checkpoints.directory / "data"


def uploaded(spec: Spec, services: Services) -> list[str]:
    found = uploads(services).glob("*") if uploads(services).is_dir() else []
    return sorted(str(path) for path in found if path.suffix in spec.files)


def keep_upload(path: str, services: Services) -> str:
    """Copy an uploaded file to where a training that outlives the page can read it, also when it is resumed."""
    kept = uploads(services) / Path(path).name
    kept.parent.mkdir(exist_ok=True)
    shutil.copy(path, kept)
    return str(kept)


# --- what it costs, what the model sees -----------------------------------------------------------------------


def cost(spec: Spec, services: Services, form: Form, id: str) -> gr.HTML:
    @server_function
    def plan(values: dict[str, Any]) -> dict[str, Any]:
        busy = services.jobs.active()
        return preparation.plan(spec.stage, form.parse(values)) | {"busy": busy.name if busy else ""}

    script = "playground.trainPlan(element, props, watch, server)"
    return live(f"{id}-plan", script, "pg-plan", empty="Counting memory and time …", server_functions=[plan])


def seen(spec: Spec, services: Services, form: Form, id: str) -> gr.HTML:
    @server_function
    def preview(values: dict[str, Any]) -> dict[str, Any]:
        return preparation.preview(spec.stage, form.parse(values))

    script = "playground.trainPreview(element, props, watch, server)"
    with gr.Accordion("What the model will see", open=False, elem_id=f"{id}-see"):
        return live(f"{id}-preview", script, "pg-preview", empty="Reading the data …", server_functions=[preview])


# --- wiring ---------------------------------------------------------------------------------------------------


def wire(c: StageForm, services: Services, page: Page, view: View) -> None:
    jobs, spec, form = services.jobs, c.spec, c.form

    def suggestion(stem: str = spec.stem) -> str:
        return jobs.free_names(stem)[0]

    def forkable() -> list[str]:
        own = [run for name in jobs.names() if (run := jobs.run(name)).read()[0] == spec.stage]
        return [f"{run.name}, step {step_number(path)}" for run in own for path in reversed(run.saved_steps())]

    def refresh() -> dict[Any, Any]:
        offered = {form.widgets[name]: gr.update(choices=some) for name, some in choices(spec, services).items()}
        return offered | {c.begin_at: gr.update(choices=[BEGINNING, *forkable()])}

    @handler
    def fill(preset: str) -> dict[Any, Any]:
        return form.show(PretrainConfig.preset(preset)) | {c.name: suggestion(preset)}

    @handler
    def suit(train_what: str) -> dict[Any, Any]:
        suited = ClassifyConfig.preset(train_what).to_dict()
        return {form.widgets[name]: suited[name] for name in RECIPES[train_what]}

    @handler
    def start(values: dict[Any, Any]) -> dict[Any, Any]:
        name, config = values[c.name].strip(), form.read(values)
        if values[c.begin_at] == BEGINNING:
            run = jobs.start(name, spec.stage, config)
        else:
            origin, step = values[c.begin_at].rsplit(", step ", 1)
            run = jobs.fork(name, origin, int(step), config)
        stem = values[c.preset] if c.preset else spec.stem
        return view.look_at(run.name, jobs.names()) | {c.name: suggestion(stem)}

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
        fitted = preparation.fitted(form.read(values), values[c.hardware])
        return {form.widgets[name]: getattr(fitted, name) for name in ("micro_batch_size", "recompute")}

    @handler
    def use_file(path: str) -> dict[Any, Any]:
        kept = keep_upload(path, services)
        return {form.widgets[spec.data]: gr.update(choices=choices(spec, services)[spec.data], value=kept)}

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    if c.preset:
        c.preset.input(fill, c.preset, [*c.settings, c.name], api_name="preset", **quiet)
    if spec is CLASSIFY:
        what = form.widgets["train_what"]
        what.input(suit, what, [form.widgets[name] for name in RECIPES["all"]], api_name="suit", **quiet)
    chosen = {c.name, c.begin_at, *c.settings} | ({c.preset} if c.preset else set())
    c.start.click(start, chosen, [*view.parts, c.name], api_name=f"start_{spec.stage}", **quiet)
    c.begin_at.input(take_settings, c.begin_at, [*c.settings, c.name], api_name=f"take_settings_{spec.stage}", **quiet)
    sizes = [form.widgets[name] for name in ("micro_batch_size", "recompute")]
    c.hardware.input(fit_into, {c.hardware, *c.settings}, sizes, api_name=f"fit_into_{spec.stage}", **quiet)
    c.upload.upload(use_file, c.upload, form.widgets[spec.data], api_name=f"use_file_{spec.stage}", **quiet)
    refreshed = [*(form.widgets[name] for name in choices(spec, services)), c.begin_at]
    for event in (page.blocks.load, page.tab.select, c.tab.select, c.begin_at.focus, view.curves.changed):
        event(refresh, None, refreshed, api_name=f"refresh_{spec.stage}", **quiet)
    page.blocks.load(suggestion, None, c.name, api_name=f"suggest_{spec.stage}", **quiet)
    for part in (c.plan, c.preview):
        feed(part, page, **form.widgets)
