"""Chat tab: talk with one model or two, see how each token was drawn, and look inside one."""

from typing import Any

import gradio as gr

from core.conversation import personas
from core.generate import Sampling
from core.packed_model import PRECISIONS
from playground.services.services import Services
from playground.tabs.chat import inside, next_token, talk
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import Page, bind, intro, summarise
from playground.ui.errors import handler
from playground.ui.forms import Form

ALONE, NOBODY = "no second model", "nobody in particular"
# Of the model, who answers beside it, the persona and the system text.
SUMMARY = f"""(model, beside, persona, system) => [
  model ?? "no model", beside ? `beside ${{beside}}` : "{ALONE}", persona ? `speaks as ${{persona}}` : "{NOBODY}",
  ...(system.trim() ? ["a system text"] : []), "change"].join(" · ")"""


def precision_info(precision: str) -> str:
    what = PRECISIONS[precision]
    return f"{what[0].upper()}{what[1:]}. Fewer bits run faster."


def build(services: Services, page: Page) -> None:
    def sampling(values: dict[str, Any]) -> Sampling:
        return form.parse(values)

    inspector = TokenInspector(services.checkpoints)
    intro(
        "A base model continues your text; a fine-tuned one answers it.",
        "Set a second model beside the first, ask for a voice, or switch the X-ray on and click a token.",
    )
    with gr.Row(elem_classes="pg-work pg-main-first"):
        with gr.Column(elem_classes="pg-controls"):
            form = Form(Sampling(), ("temperature", "top_p", "top_k", "max_new_tokens"))
            next_token.build(services, inspector, sampling)
            precision = gr.Dropdown(
                list(PRECISIONS),
                label="Precision",
                info=precision_info("float32"),
                elem_id="chat-precision",
                visible=services.checkpoints.device.type == "cpu",  # elsewhere the model writes as it is
            )
        with gr.Column(elem_classes="pg-chat"):
            beside, persona, system = manner(page)
            log = talk.log(services, inspector, sampling)
            inside.build(services, inspector)
            text = talk.composer(page)

    wiring(services, page, beside, persona, precision)
    widgets = {"model": page.model, "beside": beside, "persona": persona, "system": system, "precision": precision}
    bind(log, page, **widgets, **form.widgets, draft=text)


def manner(page: Page) -> tuple[gr.Dropdown, gr.Dropdown, gr.Textbox]:
    """Who answers beside the model, in whose voice, and what is read before all: folded, with a line that says it."""
    with gr.Accordion(f"{ALONE} · {NOBODY}", elem_id="chat-manner", elem_classes="pg-folded") as folded:
        beside = gr.Dropdown(
            [(ALONE, "")],
            value="",
            label="Second model",
            info="Answers the same lines; your vote between the two is kept",
            elem_id="chat-beside",
            interactive=True,
        )
        persona = gr.Dropdown(
            [(NOBODY, "")],
            value="",
            label="Speak as",
            info="A character, or any name you type",
            elem_id="chat-persona",
            allow_custom_value=True,
            interactive=True,
        )
        system = gr.Textbox(
            label="System text",
            info="Read before your first line; these models were not trained to follow it",
            elem_id="chat-system",
            lines=1,
            max_lines=4,
            max_length=2000,
        )
    summarise(folded, page, SUMMARY, page.model, beside, persona, system)
    return beside, persona, system


def wiring(services: Services, page: Page, beside: gr.Dropdown, persona: gr.Dropdown, precision: gr.Dropdown) -> None:
    @handler
    def offer(second: str, spoken: str) -> list[Any]:
        """The models that can answer beside the one above, and the characters of the plays."""
        characters = [(NOBODY, ""), *((name, name) for name in personas())]
        return [others(second), gr.update(choices=characters, value=spoken)]

    @handler
    def others(chosen: str) -> dict[str, Any]:
        names = services.checkpoints.names()
        there = chosen if chosen in names else ""
        return gr.update(choices=[(ALONE, ""), *((name, name) for name in names)], value=there)

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    page.tab.select(offer, [beside, persona], [beside, persona], api_name="chat_choices", **quiet)
    beside.focus(others, beside, beside, api_name="refresh_second_models", **quiet)
    precision.input(
        lambda chosen: gr.update(info=precision_info(chosen)), precision, precision, api_name="precision", **quiet
    )
