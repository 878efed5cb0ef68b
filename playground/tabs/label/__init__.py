"""Label tab: say which of two answers is better, and see what your votes say about your taste."""

import gradio as gr

from playground.panels.voting.panel import voting
from playground.services.services import Services
from playground.tabs.label import annotators, choose, insight, rule, table
from playground.ui.components import Page, bind, intro

EMPTY = "Choose a model that answers: one that was fine-tuned on instructions in the Train tab."


def build(services: Services, page: Page) -> None:
    intro(
        "Two answers to one prompt: which is better? A model can be trained on your votes.",
        "Vote with the keys 1 and 2, and see whether your taste can be foretold.",
    )
    chosen = choose.build(services, page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=480):
            vote = voting(services.labelling, "label-vote", chosen.read, EMPTY)
        with gr.Column(scale=3, min_width=320):
            insight.build(services)
    bind(vote, page, **chosen.widgets)
    with gr.Tabs(elem_id="label-parts"):
        with gr.Tab("Votes", elem_id="label-part-votes"):
            table.build(services)
        with gr.Tab("Annotators", elem_id="label-part-annotators"):
            annotators.build(services)
        with gr.Tab("Let a rule vote", elem_id="label-part-rule"):
            rule.build(services, page, chosen.model)
