"""Attention tab: what every head of the model looks at, on a text of your own, and why."""

import gradio as gr

from playground.services.services import Services
from playground.tabs.attention import compare, heads, lens, scaling, steps, switch_off, timelapse
from playground.tabs.attention.activation_cache import ActivationCache
from playground.ui.components import Page, intro

EXAMPLE = "ROMEO:\nBut soft, what light through yonder window breaks?\nIt is the east, and Juliet is the sun."
PANELS = {
    "From Q and K to weights": steps,
    "Why √d_k": scaling,
    "Switch heads off": switch_off,
    "Logit lens": lens,
    "Time-lapse": timelapse,
    "Two models": compare,
}


def build(services: Services, page: Page) -> None:
    looks = ActivationCache(services.checkpoints)
    intro(
        "To choose the next token, each attention head looks back at some of the tokens before it, in its own way.",
        "Find a head that looks at the token just before, and one that looks far back to a comma or a name.",
    )
    text = page.share_text(
        gr.Textbox(EXAMPLE, label="Text", lines=3, max_lines=8, elem_id="attention-text", max_length=200_000)
    )
    heads.build(looks, page, text)
    with gr.Tabs(elem_id="attention-panels"):
        for name, panel in PANELS.items():
            with gr.Tab(name, id=name):
                panel.build(looks, services)
