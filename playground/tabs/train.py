"""Train tab: start a pre-training, watch it, pause it, stop it, come back to it."""

import time
from typing import Any

import gradio as gr

from core.data.corpus import CORPORA
from core.model import PRESETS, GPTConfig
from core.stages.pretrain import PretrainConfig
from playground.figures.training import curves
from playground.services import Services
from playground.widgets import Form, Page, handler, intro, live, server_function

PRESET = "nano"
MAIN_SETTINGS = ("corpus", "max_steps", "batch_size", "learning_rate", "vocab_size")


def preset_choices() -> list[tuple[str, str]]:
    return [(f"{name} · {millions(GPTConfig.preset(name).n_params)}", name) for name in PRESETS]


def millions(n: int) -> str:
    return f"{n / 1e6:.1f}M" if n < 1e8 else f"{n / 1e6:.0f}M"


def free_name(taken: list[str], stem: str) -> str:
    """`stem-1`, or the first number that is not taken."""
    return next(name for i in range(1, len(taken) + 2) if (name := f"{stem}-{i}") not in taken)


def build(services: Services, page: Page) -> None:
    jobs = services.jobs

    def taken() -> list[str]:
        return [path.name for path in jobs.directory.iterdir()]

    def view(name: str | None) -> dict[str, Any] | None:
        """What the live view needs to begin; `opened` makes it begin anew even for the same run."""
        return {"name": name, "figure": curves(), "opened": time.time()} if name else None

    def choices(name: str | None) -> dict[str, Any]:
        return gr.update(choices=jobs.names(), value=name)

    @handler
    def fill(preset: str) -> dict[Any, Any]:
        return form.show(PretrainConfig.preset(preset)) | {name: free_name(taken(), preset)}

    @handler
    def start(values: dict[Any, Any]) -> dict[Any, Any]:
        run = jobs.start(values[name].strip(), "pretrain", form.read(values))
        return {run_picker: choices(run.name), run_view: view(run.name), name: free_name(taken(), values[preset])}

    @handler
    def pause(run_name: str) -> None:
        jobs.request(run_name, "pause")

    @handler
    def resume(run_name: str) -> dict[str, Any] | None:
        jobs.resume(run_name)
        return view(run_name)

    @handler
    def stop(run_name: str) -> None:
        jobs.request(run_name, "stop")

    @handler
    def open_page() -> dict[Any, Any]:
        active = jobs.active()
        shown = active.name if active else next(iter(jobs.names()), None)
        return {run_picker: choices(shown), run_view: view(shown), name: free_name(taken(), PRESET)}

    @server_function
    def follow_run(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.follow(request["name"], request["cursor"])

    intro(
        "Pre-training shows a model text until it can guess the next token: the loss falls from pure chance.",
        "Start the nano preset and read what it writes as the loss goes down; the page may be closed meanwhile.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320):
            preset = gr.Dropdown(
                preset_choices(),
                value=PRESET,
                label="preset",
                elem_id="train-preset",
                info="Size of the model, with settings that suit it",
            )
            name = gr.Textbox(label="name", info="What the new model will be called", elem_id="train-name", max_lines=1)
            form = Form(PretrainConfig.preset(PRESET), MAIN_SETTINGS, choices={"corpus": list(CORPORA)})
            start_button = gr.Button("Start training", variant="primary", elem_id="train-start")
        with gr.Column(scale=5, min_width=560):
            with gr.Row(elem_classes="pg-toolbar"):
                run_picker = gr.Dropdown(
                    [], label="run", info="Any training, past or present", elem_id="train-run", scale=3
                )
                pause_button = gr.Button("Pause", elem_id="train-pause", min_width=90)
                resume_button = gr.Button("Resume", elem_id="train-resume", min_width=90)
                stop_button = gr.Button("Stop", variant="stop", elem_id="train-stop", min_width=90)
            run_view = live(
                "train-view",
                "playground.liveRun(element, props, watch, server, () => trigger('changed'))",
                "pg-run",
                empty="Nothing has been trained here yet. Press Start training: the first points come within seconds.",
                server_functions=[follow_run],
            )

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    outputs = [*form.widgets.values(), name]
    preset.input(fill, preset, outputs, api_name="preset", **quiet)
    start_button.click(
        start, {preset, name, *form.widgets.values()}, [run_picker, run_view, name], api_name="start_training", **quiet
    )
    run_picker.input(view, run_picker, run_view, api_name="show_run", **quiet)
    pause_button.click(pause, run_picker, api_name="pause_training", **quiet)
    resume_button.click(resume, run_picker, run_view, api_name="resume_training", **quiet)
    stop_button.click(stop, run_picker, api_name="stop_training", **quiet)
    page.blocks.load(open_page, None, [run_picker, run_view, name], api_name="open_train", **quiet)
    run_view.changed(  # a run ended or began again: there may be a new model
        lambda: gr.update(choices=services.checkpoints.names()), None, page.model, api_name="refresh_models", **quiet
    )
