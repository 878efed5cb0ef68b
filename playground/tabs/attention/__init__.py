"""Attention tab: what every head of the model looks at, on a text of your own, and why."""

import gradio as gr

from playground.services.services import Services
from playground.tabs.attention import (
    attribution,
    compare,
    edit,
    head,
    heads,
    lens,
    lines,
    long_text,
    neurons,
    patching,
    scaling,
    steps,
    switch_off,
    timelapse,
)
from playground.tabs.attention.activation_cache import ActivationCache
from playground.ui.components import Page, intro

# It breaks off, so that something is left to be said; and it repeats a word, so that heads can find what came after.
EXAMPLE = "O Romeo, Romeo! wherefore art thou Romeo?\nDeny thy father and refuse thy"
# What looks at a pass of the model, in the first row of names, and what changes one or compares several, below it.
LOOKING = {
    "Head": head,
    "Lines": lines,
    "Q and K": steps,
    "Why √d_k": scaling,
    "Lens": lens,
    "Attribution": attribution,
    "Neurons": neurons,
    "Long text": long_text,
}
CHANGING = {
    "Switch off": switch_off,
    "Edit": edit,
    "Patching": patching,
    "Time-lapse": timelapse,
    "Two models": compare,
}
SECOND_ROW = next(iter(CHANGING))


def build(services: Services, page: Page) -> None:
    looks = ActivationCache(services.checkpoints)
    intro(
        "To choose the next token, each attention head looks back at some of the tokens before it, in its own way.",
        "Find a head that looks at the token just before, and one that looks far back to a comma or a name.",
    )
    with gr.Row(elem_classes=["pg-work", "pg-attend"]):
        with gr.Column(min_width=0, elem_classes="pg-always"):
            box = gr.Textbox(
                EXAMPLE,
                label="Text",
                show_label=False,
                container=False,
                lines=2,
                max_lines=6,
                elem_id="attention-text",
                max_length=200_000,
            )
            heads.build(looks, page, page.share_text(box))
        with gr.Column(min_width=0), gr.Tabs(elem_id="attention-panels", overflow_behavior="wrap"):
            for name, panel in (LOOKING | CHANGING).items():
                with gr.Tab(name, id=name, elem_id="attention-second-row" if name == SECOND_ROW else None):
                    panel.build(looks, services)
