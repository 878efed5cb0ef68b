"""Train tab: choose what to do to a model, watch it learn, and be told what its curves mean."""

import gradio as gr

from core.stages import pretrain
from core.stages.base import Stage
from core.stages.registry import STAGES
from playground.panels.live_run import panel as live_run
from playground.panels.live_run.panel import Place
from playground.panels.stage_form import panel as stage_form
from playground.panels.stage_form.spec import Spec
from playground.services.services import Services
from playground.tabs.train import lab, try_it
from playground.tabs.train.experiments import Experiments
from playground.ui.components import Page, intro

PREFIX = "train"


def place(stages: list[Stage]) -> Place:
    return Place(
        prefix=PREFIX,
        stages=tuple(stage.name for stage in stages),
        empty="Nothing has been trained here yet. Press Start training: the first points come within seconds.",
    )


def spec_of(stage: Stage) -> Spec:
    """The first form is older than the others: links and tests know its parts without its name."""
    return Spec(stage, prefix="setting", id="train") if stage is pretrain.STAGE else Spec.of(stage)


def build(services: Services, page: Page) -> None:
    intro("Start the nano preset and read what it writes as the loss falls; you can close the page, it goes on.")
    stages, experiments = [stage for stage in STAGES.values() if not stage.aligns], Experiments(services.jobs)
    with gr.Row(elem_classes="pg-work"):
        with gr.Column(elem_classes="pg-controls"), gr.Tabs(elem_id="train-stages"):
            for stage in stages:
                with gr.Tab(stage.title, id=stage.name, elem_id=f"train-stage-{stage.name}") as tab:
                    stage_form.build(spec_of(stage), services, PREFIX, lab.tools(experiments, stage))
                    if stage.held_out:  # it makes classifiers
                        try_it.build(services, page, tab)
        with gr.Column():
            lab.build(experiments)
            live_run.build(services, page, place(stages))
