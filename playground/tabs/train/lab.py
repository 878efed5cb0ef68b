"""Before the training: which learning rate suits, and the proof that micro-batches change nothing."""

import time
from typing import Any

import gradio as gr

from playground.panels.live_run.curves import range_curve
from playground.panels.stage_form.panel import StageForm
from playground.services.services import Services
from playground.tabs.train.experiments import Experiments
from playground.ui.components import intro, view
from playground.ui.errors import handler, server_function


def build(services: Services, forms: list[StageForm]) -> None:
    experiments = Experiments(services.jobs)

    @server_function
    def follow_experiment(_: dict[str, Any]) -> dict[str, Any]:
        return experiments.status()

    @handler
    def stop() -> None:
        experiments.stop()

    @handler
    def use_rate() -> list[Any]:
        status = experiments.status()
        return [
            float(f"{status['suggestion']:.2g}") if form.spec.stage.name == status["stage"] else gr.skip()
            for form in forms
        ]

    with gr.Accordion(
        "Before you start: the right learning rate, and a proof about batches", open=False, elem_id="lab"
    ):
        intro(
            "The range test trains a copy at growing rates: good ones lie where the loss falls, before it explodes; "
            "the proof compares the gradients of one batch of 64 and of 8 micro-batches of 8, layer by layer.",
            "Run it for the stage and settings chosen above, then take the suggested rate over.",
        )
        with gr.Row(elem_classes="pg-toolbar"):
            stage = gr.Radio(
                [(form.spec.stage.title, form.spec.stage.name) for form in forms],
                value=forms[0].spec.stage.name,
                label="settings of",
                elem_id="lab-stage",
                scale=2,
            )
            rate = gr.Button("Find the learning rate", elem_id="lab-range", min_width=180)
            proof = gr.Button("Prove that 1x64 = 8x8", elem_id="lab-proof", min_width=180)
            stopping = gr.Button("Stop", variant="stop", elem_id="lab-stop", min_width=90)
        shown = view(
            "lab-view", "tabs/train/experiment.js", "pg-lab", functions=[follow_experiment], events=["changed"]
        )

    def starter(kind: str) -> Any:
        @handler
        def start(values: dict[Any, Any]) -> dict[str, Any]:
            chosen = next(form for form in forms if form.spec.stage.name == values[stage])
            experiments.start(kind, values[stage], chosen.read(values, services))
            return {"figure": range_curve(), "begun": time.time()}

        return start

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    settings = {stage, *(widget for form in forms for widget in form.settings)}
    rate.click(starter("range"), settings, shown, api_name="find_learning_rate", **quiet)
    proof.click(starter("proof"), settings, shown, api_name="prove_batches", **quiet)
    stopping.click(stop, api_name="stop_experiment", **quiet)
    rates = [form.form.widgets["learning_rate"] for form in forms]
    shown.changed(use_rate, None, rates, api_name="use_learning_rate", **quiet)
