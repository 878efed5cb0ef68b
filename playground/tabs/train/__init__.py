"""Train tab: choose what to do to a model, watch it learn, and be told what its curves mean."""

import gradio as gr

from playground.services import Services
from playground.tabs.train import lab, live_view, stage_form, try_it
from playground.tabs.train.stage_form import CLASSIFY, PRETRAIN, SFT
from playground.widgets import Page, intro


def build(services: Services, page: Page) -> None:
    intro(
        "Training shows a model examples until it can guess what comes next; its curves tell how it goes.",
        "Start the nano preset and read what it writes as the loss falls; the page may be closed meanwhile.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=340), gr.Tabs(elem_id="train-stages"):
            forms = []
            for spec in (PRETRAIN, SFT, CLASSIFY):
                with gr.Tab(spec.title, id=spec.stage, elem_id=f"train-stage-{spec.stage}") as tab:
                    forms.append(stage_form.lay_out(spec, services, tab))
                    if spec is CLASSIFY:
                        try_it.build(services, page, tab)
        with gr.Column(scale=5, min_width=560):
            view = live_view.build(services, page)
    for form in forms:
        stage_form.wire(form, services, page, view)
    lab.build(services, forms)
