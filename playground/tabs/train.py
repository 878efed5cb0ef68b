"""Train tab: start a pre-training, watch it, pause it, stop it, come back to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.data.corpus import CORPORA
from core.model import PRESETS, GPTConfig
from core.stages.pretrain import PretrainConfig
from playground.figures.training import curves
from playground.live_run import live_functions
from playground.services import Services
from playground.widgets import Form, Page, handler, intro, live

PRESET = "nano"
MAIN_SETTINGS = ("corpus", "max_steps", "batch_size", "learning_rate", "vocab_size")


def preset_choices() -> list[tuple[str, str]]:
    return [(f"{name} · {millions(GPTConfig.preset(name).n_params)}", name) for name in PRESETS]


def millions(n: int) -> str:
    return f"{n / 1e6:.1f}M" if n < 1e8 else f"{n / 1e6:.0f}M"


@dataclass(frozen=True)
class Controls:
    """What the tab is made of."""

    preset: gr.Dropdown
    name: gr.Textbox
    form: Form[PretrainConfig]
    start: gr.Button
    run: gr.Dropdown
    pause: gr.Button
    resume: gr.Button
    stop: gr.Button
    view: gr.HTML


def lay_out(functions: list[Callable], vocabularies: list[str]) -> Controls:
    """The form on the left, the run that is looked at on the right; `functions` feed the live view."""
    about_preset = "Size of the model, with settings that suit it"
    nothing_yet = "Nothing has been trained here yet. Press Start training: the first points come within seconds."
    script = "playground.liveRun(element, props, watch, server, () => trigger('changed'))"
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            preset = gr.Dropdown(
                preset_choices(), value=PRESET, label="preset", info=about_preset, elem_id="train-preset"
            )
            name = gr.Textbox(label="name", info="What the new model will be called", elem_id="train-name", max_lines=1)
            choices = {"corpus": list(CORPORA), "tokenizer": vocabularies}
            form = Form(PretrainConfig.preset(PRESET), MAIN_SETTINGS, choices)
            start = gr.Button("Start training", variant="primary", elem_id="train-start")
        with gr.Column(scale=5, min_width=560):
            with gr.Row(elem_classes="pg-toolbar"):
                run = gr.Dropdown([], label="run", info="Any training, past or present", elem_id="train-run", scale=3)
                pause = gr.Button("Pause", elem_id="train-pause", min_width=90)
                resume = gr.Button("Resume", elem_id="train-resume", min_width=90)
                stop = gr.Button("Stop", variant="stop", elem_id="train-stop", min_width=90)
            view = live("train-view", script, "pg-run", empty=nothing_yet, server_functions=functions)
    return Controls(preset, name, form, start, run, pause, resume, stop, view)


def view_of(run: str | None) -> dict[str, Any] | None:
    """What the live view needs to begin; `opened` makes it begin anew even for the same run."""
    return {"name": run, "figure": curves(), "opened": time.time()} if run else None


def build(services: Services, page: Page) -> None:
    jobs = services.jobs

    def suggestion(preset: str) -> str:
        return jobs.free_names(preset)[0]

    def vocabularies() -> list[str]:
        return ["train", "gpt2", *services.vocabularies.paths()]

    def look_at(run: str | None) -> dict[Any, Any]:
        return {c.run: gr.update(choices=jobs.names(), value=run), c.view: view_of(run)}

    @handler
    def fill(preset: str) -> dict[Any, Any]:
        return c.form.show(PretrainConfig.preset(preset)) | {c.name: suggestion(preset)}

    @handler
    def start(values: dict[Any, Any]) -> dict[Any, Any]:
        run = jobs.start(values[c.name].strip(), "pretrain", c.form.read(values))
        return look_at(run.name) | {c.name: suggestion(values[c.preset])}

    @handler
    def pause(run: str) -> None:
        jobs.request(run, "pause")

    @handler
    def resume(run: str) -> dict[Any, Any]:
        jobs.resume(run)
        return look_at(run)

    @handler
    def stop(run: str) -> None:
        jobs.request(run, "stop")

    @handler
    def open_page() -> dict[Any, Any]:
        active = jobs.active()
        return look_at(active.name if active else next(iter(jobs.names()), None)) | {c.name: suggestion(PRESET)}

    intro(
        "Pre-training shows a model text until it can guess the next token: the loss falls from pure chance.",
        "Start the nano preset and read what it writes as the loss goes down; the page may be closed meanwhile.",
    )
    c = lay_out(live_functions(jobs), vocabularies())
    settings, looked_at = list(c.form.widgets.values()), [c.run, c.view]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    c.preset.input(fill, c.preset, [*settings, c.name], api_name="preset", **quiet)
    c.start.click(start, {c.preset, c.name, *settings}, [*looked_at, c.name], api_name="start_training", **quiet)
    c.run.input(view_of, c.run, c.view, api_name="show_run", **quiet)
    c.pause.click(pause, c.run, api_name="pause_training", **quiet)
    c.resume.click(resume, c.run, looked_at, api_name="resume_training", **quiet)
    c.stop.click(stop, c.run, api_name="stop_training", **quiet)
    page.blocks.load(open_page, None, [*looked_at, c.name], api_name="open_train", **quiet)
    page.tab.select(  # a vocabulary may have been trained meanwhile
        lambda: gr.update(choices=vocabularies()),
        None,
        c.form.widgets["tokenizer"],
        api_name="refresh_vocabularies",
        **quiet,
    )
    c.view.changed(  # a run ended or began again: there may be a new model
        lambda: gr.update(choices=services.checkpoints.names()), None, page.model, api_name="refresh_models", **quiet
    )
