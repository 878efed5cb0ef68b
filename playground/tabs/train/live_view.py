"""The right half: one run, its curves, what the doctor says, and the buttons that steer it."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from core.stages.registry import STAGES
from playground.figures.training import curves
from playground.live_run import live_functions
from playground.services import Services
from playground.widgets import Page, handler, live, server_function

EMPTY = "Nothing has been trained here yet. Press Start training: the first points come within seconds."


@dataclass(frozen=True)
class View:
    """The picker of runs, and the parts of the page that show the one picked."""

    run: gr.Dropdown
    curves: gr.HTML
    doctor: gr.HTML

    @property
    def parts(self) -> list[Any]:
        return [self.run, self.curves, self.doctor]

    def look_at(self, run: str | None, names: list[str]) -> dict[Any, Any]:
        """What an event returns to show the run called `run`."""
        return {self.run: gr.update(choices=names, value=run)} | self.show(run)

    def show(self, run: str | None) -> dict[Any, Any]:
        # `opened` makes the views begin anew even for the same run.
        opened = {"name": run, "opened": time.time()}
        return {self.curves: opened | {"figure": curves()} if run else None, self.doctor: opened if run else None}


def build(services: Services, page: Page) -> View:
    jobs = services.jobs

    @handler
    def pause(run: str) -> None:
        jobs.request(run, "pause")

    @handler
    def resume(run: str) -> dict[Any, Any]:
        jobs.resume(run)
        return view.look_at(run, jobs.names())

    @handler
    def stop(run: str) -> None:
        jobs.request(run, "stop")

    @handler
    def open_page() -> dict[Any, Any]:
        active = jobs.active()
        return view.look_at(active.name if active else next(iter(jobs.names()), None), jobs.names())

    @handler
    def forked() -> dict[Any, Any]:
        return view.look_at(jobs.names()[0], jobs.names())

    @server_function
    def findings(request: dict[str, Any]) -> dict[str, Any]:
        return {"findings": [asdict(finding) | {"saved": saved} for finding, saved in jobs.findings(request["name"])]}

    @server_function
    def fork(request: dict[str, Any]) -> dict[str, Any]:
        stage, values = jobs.run(request["name"]).read()
        config = STAGES[stage].config.from_dict(values | request["changes"])
        name = jobs.free_names(f"{request['name']}-fork")[0]
        return {"run": jobs.fork(name, request["name"], request["step"], config).name}

    with gr.Row(elem_classes="pg-toolbar"):
        run = gr.Dropdown([], label="run", info="Any training, past or present", elem_id="train-run", scale=3)
        pausing = gr.Button("Pause", elem_id="train-pause", min_width=90)
        resuming = gr.Button("Resume", elem_id="train-resume", min_width=90)
        stopping = gr.Button("Stop", variant="stop", elem_id="train-stop", min_width=90)
    doctor = live(
        "train-doctor",
        "playground.doctor(element, props, watch, server, () => trigger('changed'))",
        "pg-doctor",
        server_functions=[findings, fork],
    )
    plot = live(
        "train-view",
        "playground.liveRun(element, props, watch, server, () => trigger('changed'))",
        "pg-run",
        empty=EMPTY,
        server_functions=live_functions(jobs),
    )
    view = View(run, plot, doctor)

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    run.input(view.show, run, [plot, doctor], api_name="show_run", **quiet)
    pausing.click(pause, run, api_name="pause_training", **quiet)
    resuming.click(resume, run, view.parts, api_name="resume_training", **quiet)
    stopping.click(stop, run, api_name="stop_training", **quiet)
    doctor.changed(forked, None, view.parts, api_name="show_fork", **quiet)
    page.blocks.load(open_page, None, view.parts, api_name="open_train", **quiet)
    plot.changed(  # a run ended or began again: there may be a new model
        lambda: gr.update(choices=services.checkpoints.names()), None, page.model, api_name="refresh_models", **quiet
    )
    return view
