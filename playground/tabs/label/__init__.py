"""Label tab: say which of two answers is better, and see what your votes say about your taste."""

import gradio as gr

from core.preferences.vote_store import CRITERIA
from playground.panels.voting.panel import voting
from playground.services.services import Services
from playground.tabs.label import annotators, choose, guidelines, insight, learning, rule, table
from playground.ui.components import Page, bind, intro

EMPTY = "Choose a model that answers: one that was fine-tuned on instructions in the Train tab."


def build(services: Services, page: Page) -> None:
    intro(
        "Two answers to one prompt: vote for the better one with the keys 1 and 2; a model can learn from your votes.",
        "Vote thirty times, see whether your taste can be predicted, then train on your votes in the Align tab.",
    )
    with gr.Row(elem_classes="pg-work pg-vote-first"):
        with gr.Column():
            chosen = choose.build(services, page)
            guidelines.build(services)
            vote = voting(services.labelling, "label-vote", chosen.read, EMPTY, trains=True, criteria=CRITERIA)
        with gr.Column():
            learner = learning.build(services, chosen)
            insight.build(services)
    bind([vote, learner], page, **chosen.widgets)
    with gr.Tabs(elem_id="label-parts"):
        with gr.Tab("Votes", elem_id="label-part-votes"):
            table.build(services)
        with gr.Tab("Annotators", elem_id="label-part-annotators"):
            annotators.build(services)
        with gr.Tab("Let a rule vote", elem_id="label-part-rule"):
            rule.build(services, page, chosen.model)
