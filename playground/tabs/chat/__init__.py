"""Chat tab: talk with one model or two, see how each token was drawn, and look inside one."""

from typing import Any

import gradio as gr

from core.conversation import personas
from core.generate import Sampling
from core.packed_model import PRECISIONS
from playground.services.services import Services
from playground.tabs.chat import inside, next_token, talk
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import Page, bind, intro
from playground.ui.errors import handler
from playground.ui.forms import Form

EXAMPLE = "ROMEO:\nBut soft, what light through yonder window breaks?\n\nJULIET:\n"


def about(precision: str) -> str:
    what = PRECISIONS[precision]
    return f"{what[0].upper()}{what[1:]}. Fewer bits are read faster."


def build(services: Services, page: Page) -> None:
    def sampling(values: dict[str, Any]) -> Sampling:
        return form.parse(values)

    foresight = TokenInspector(services.checkpoints)
    intro(
        "A base model continues your text as one growing scene; one fine-tuned on instructions answers it in turns.",
        "Set a second model beside the first, ask for a voice, or switch the X-ray on and click a token.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            beside, persona, system = manner()
            log = talk.log(services, foresight, sampling)
            text = page.share_text(
                gr.Textbox(
                    EXAMPLE,
                    label="Your line",
                    lines=3,
                    max_lines=10,
                    elem_id="chat-text",
                    info="Shift+Enter sends; a base model also goes on with an empty line",
                    max_length=talk.LONGEST,
                ),
                keep_empty=False,
            )
            talk.composer(text)
            inside.build(services, foresight)
        with gr.Column(scale=2, min_width=280):
            next_token.build(services, foresight, sampling)
            form = Form(Sampling(), ("temperature", "top_k", "top_p", "max_new_tokens", "seed"))
            precision = gr.Dropdown(
                list(PRECISIONS),
                label="precision",
                info=about("float32"),
                elem_id="chat-precision",
                visible=services.checkpoints.device.type == "cpu",  # elsewhere the model writes as it is
            )

    wiring(services, page, beside, persona, precision)
    widgets = {"model": page.model, "beside": beside, "persona": persona, "system": system, "precision": precision}
    bind(log, page, **widgets, **form.widgets, draft=text)


def manner() -> tuple[gr.Dropdown, gr.Dropdown, gr.Textbox]:
    """Who answers beside the model, in whose voice, and what is said before all."""
    with gr.Row():
        beside = gr.Dropdown(
            [("no second model", "")],
            value="",
            label="Beside it",
            info="Answers the same turns; your vote is kept",
            elem_id="chat-beside",
            min_width=160,
            interactive=True,
        )
        persona = gr.Dropdown(
            [("nobody in particular", "")],
            value="",
            label="Speak as",
            info="A character, or any name you type",
            elem_id="chat-persona",
            min_width=160,
            allow_custom_value=True,
            interactive=True,
        )
        system = gr.Textbox(
            label="Before all",
            info="Said before your first line; no model was taught to obey it",
            elem_id="chat-system",
            min_width=160,
            lines=1,
            max_lines=4,
            max_length=2000,
        )
    return beside, persona, system


def wiring(services: Services, page: Page, beside: gr.Dropdown, persona: gr.Dropdown, precision: gr.Dropdown) -> None:
    @handler
    def cast(chosen: str) -> dict[str, Any]:
        """The characters that one can choose."""
        return gr.update(choices=[("nobody in particular", ""), *((name, name) for name in personas())], value=chosen)

    @handler
    def others(chosen: str) -> dict[str, Any]:
        """The models that can answer beside the one above."""
        names = services.checkpoints.names()
        there = chosen if chosen in names else ""
        return gr.update(choices=[("no second model", ""), *((name, name) for name in names)], value=there)

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    page.tab.select(cast, persona, persona, api_name="personas", **quiet)
    page.tab.select(others, beside, beside, api_name="second_models", **quiet)
    beside.focus(others, beside, beside, api_name="refresh_second_models", **quiet)
    precision.input(lambda chosen: gr.update(info=about(chosen)), precision, precision, api_name="precision", **quiet)
