"""One run, its curves, what the doctor says, and the buttons that steer it: for the stages of a tab."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from core.stages.registry import STAGES
from playground.panels.live_run.curves import curves
from playground.panels.live_run.server import live_functions, queue_functions
from playground.services.services import Services
from playground.ui.components import Page, ServerFunction, view
from playground.ui.errors import handler, server_function


@dataclass(frozen=True)
class Place:
    """What is particular to the live view of a tab."""

    prefix: str  # of the elem_ids
    stages: tuple[str, ...]  # whose runs can be picked
    empty: str  # what stands there before the first run
    script: str = "panels/live_run/run.js"  # or one of the tab's own that draws more, beside the curves
    figure: Callable[[], dict[str, Any]] = dict  # what that one needs


@dataclass(frozen=True)
class View:
    """The picker of runs, and the parts of the page that show the one picked."""

    place: Place
    stage_of: Callable[[str], str]  # the name of a run's stage
    run: gr.Dropdown
    queue: gr.HTML
    curves: gr.HTML
    doctor: gr.HTML

    @property
    def parts(self) -> list[Any]:
        return [self.run, *self.views]

    @property
    def views(self) -> list[gr.HTML]:
        return [self.queue, self.curves, self.doctor]

    def look_at(self, run: str | None, names: list[str]) -> dict[Any, Any]:
        """What an event returns to show the run called `run`."""
        return {self.run: gr.update(choices=names, value=run)} | self.show(run)

    def show(self, run: str | None) -> dict[Any, Any]:
        # `opened` makes the views begin anew even for the same run.
        opened = {"name": run, "opened": time.time()}
        if not run:
            return {self.queue: opened, self.curves: None, self.doctor: None}
        figure = curves(self.stage_of(run)) | self.place.figure()
        return {self.queue: opened, self.curves: opened | {"figure": figure}, self.doctor: opened}


def build(services: Services, page: Page, place: Place) -> View:
    with gr.Row(elem_classes="pg-toolbar"):
        run = gr.Dropdown(
            [], label="run", info="Any of this tab, past or present", elem_id=f"{place.prefix}-run", scale=3
        )
        buttons = {
            "pause": gr.Button("Pause", elem_id=f"{place.prefix}-pause", min_width=90),
            "resume": gr.Button("Resume", elem_id=f"{place.prefix}-resume", min_width=90),
            "stop": gr.Button("Stop", variant="stop", elem_id=f"{place.prefix}-stop", min_width=90),
        }
    queue = view(
        f"{place.prefix}-queue", "panels/live_run/queue.js", "pg-queue", functions=queue_functions(services.jobs)
    )
    doctor = view(
        f"{place.prefix}-doctor",
        "panels/live_run/doctor.js",
        "pg-doctor",
        functions=doctor_functions(services),
        events=["changed"],
    )
    plot = view(
        f"{place.prefix}-view",
        place.script,
        "pg-run",
        empty=place.empty,
        functions=live_functions(services.jobs, place.stages),
        events=["changed"],
    )
    shown = View(place, services.jobs.stage, run, queue, plot, doctor)
    wire(shown, buttons, services, page)
    return shown


def doctor_functions(services: Services) -> list[ServerFunction]:
    jobs = services.jobs

    @server_function
    def findings(request: dict[str, Any]) -> dict[str, Any]:
        return {"findings": [asdict(finding) | {"saved": saved} for finding, saved in jobs.findings(request["name"])]}

    @server_function
    def fork(request: dict[str, Any]) -> dict[str, Any]:
        stage, values = jobs.run(request["name"]).read()
        config = STAGES[stage].config.from_dict(values | request["changes"])
        name = jobs.free_names(f"{request['name']}-fork")[0]
        return {"run": jobs.fork(name, request["name"], request["step"], config).name}

    return [findings, fork]


def wire(view: View, buttons: dict[str, gr.Button], services: Services, page: Page) -> None:
    jobs, stages, prefix = services.jobs, view.place.stages, view.place.prefix

    def request(command: str) -> Callable[[str], Any]:
        return handler(lambda run: jobs.request(run, command))

    @handler
    def resume(run: str) -> dict[Any, Any]:
        jobs.resume(run)
        return view.look_at(run, jobs.names(stages))

    @handler
    def open_page() -> dict[Any, Any]:
        names, active = jobs.names(stages), jobs.active()
        return view.look_at(active.name if active and active.name in names else next(iter(names), None), names)

    @handler
    def forked() -> dict[Any, Any]:
        names = jobs.names(stages)
        return view.look_at(names[0], names)

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    view.run.input(view.show, view.run, view.views, api_name=f"show_run_{prefix}", **quiet)
    for command in ("pause", "stop"):
        buttons[command].click(request(command), view.run, api_name=f"{command}_{prefix}", **quiet)
    buttons["resume"].click(resume, view.run, view.parts, api_name=f"resume_{prefix}", **quiet)
    view.doctor.changed(forked, None, view.parts, api_name=f"show_fork_{prefix}", **quiet)
    page.blocks.load(open_page, None, view.parts, api_name=f"open_{prefix}", **quiet)
    view.curves.changed(  # a run ended or began again: there may be a new model
        lambda: gr.update(choices=services.checkpoints.names()),
        None,
        page.model,
        api_name=f"refresh_models_{prefix}",
        **quiet,
    )
