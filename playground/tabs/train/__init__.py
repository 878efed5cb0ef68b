"""Train tab: choose what to do to a model, watch it learn, and be told what its curves mean."""

import gradio as gr

from playground.panels.live_run import panel as live_run
from playground.panels.live_run.panel import Place
from playground.panels.stage_form import panel as stage_form
from playground.services.services import Services
from playground.tabs.train import lab, stages, try_it
from playground.tabs.train.stages import ABOUT, CLASSIFY, PRETRAIN, SFT
from playground.ui.components import Page, intro

SPECS = (PRETRAIN, SFT, CLASSIFY)
PLACE = Place(
    prefix="train",
    stages=tuple(spec.stage for spec in SPECS),
    empty="Nothing has been trained here yet. Press Start training: the first points come within seconds.",
)


def build(services: Services, page: Page) -> None:
    intro(
        "Training shows a model examples until it can guess what comes next; its curves tell how it goes.",
        "Start the nano preset and read what it writes as the loss falls; the page may be closed meanwhile.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=340), gr.Tabs(elem_id="train-stages"):
            forms = []
            for spec in SPECS:
                with gr.Tab(spec.title, id=spec.stage, elem_id=f"train-stage-{spec.stage}") as tab:
                    gr.Markdown(ABOUT[spec.stage], elem_classes="pg-note")
                    size = stages.presets() if spec is PRETRAIN else None
                    forms.append(stage_form.lay_out(spec, services, tab, size))
                    if spec is CLASSIFY:
                        try_it.build(services, page, tab)
        with gr.Column(scale=5, min_width=560):
            view = live_run.build(services, page, PLACE)
    for form in forms:
        stage_form.wire(form, services, page, view)
        if form.spec is PRETRAIN:
            stages.fill_by_preset(form, services)
        if form.spec is CLASSIFY:
            stages.suit_what_is_trained(form)
    lab.build(services, forms)
