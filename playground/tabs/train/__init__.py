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
from playground.ui.components import Page, intro


def place(stages: list[Stage]) -> Place:
    return Place(
        prefix="train",
        stages=tuple(stage.name for stage in stages),
        empty="Nothing has been trained here yet. Press Start training: the first points come within seconds.",
    )


def spec_of(stage: Stage) -> Spec:
    """The first form is older than the others: links and tests know its parts without its name."""
    return Spec(stage, prefix="setting", id="train") if stage is pretrain.STAGE else Spec.of(stage)


def build(services: Services, page: Page) -> None:
    intro(
        "Training shows a model examples until it can guess what comes next; its curves tell how it goes.",
        "Start the nano preset and read what it writes as the loss falls; the page may be closed meanwhile.",
    )
    stages, forms = [stage for stage in STAGES.values() if not stage.aligns], []
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=340), gr.Tabs(elem_id="train-stages"):
            for stage in stages:
                with gr.Tab(stage.title, id=stage.name, elem_id=f"train-stage-{stage.name}") as tab:
                    gr.Markdown(stage.lesson, elem_classes="pg-note")
                    forms.append(stage_form.lay_out(spec_of(stage), services, tab))
                    if stage.held_out:  # it makes classifiers
                        try_it.build(services, page, tab)
        with gr.Column(scale=5, min_width=560):
            view = live_run.build(services, page, place(stages))
    for form in forms:
        stage_form.wire(form, services, page, view)
    lab.build(services, forms)
