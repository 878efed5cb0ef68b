"""The conversation: what is said, by one model or two side by side, as a tree of turns that the page keeps."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from core.preferences.vote_store import CHOICES
from core.stages import registry
from core.task_arithmetic import dialled
from playground.services.answer_stream import AnswerStream, GenerationRequest
from playground.services.services import Services
from playground.tabs.chat.conversation_store import ConversationStore
from playground.tabs.chat.feedback import feedback_functions
from playground.tabs.chat.said import LONGEST, conversation
from playground.tabs.chat.settings import sampling
from playground.tabs.chat.starters import about_model
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import Page, module, view
from playground.ui.errors import explain, handler, server_function
from playground.ui.palette import SCALE

VOTES = ("left", "tie", "right", "bad")  # in the order in which they stand below two answers


def log(services: Services, page: Page, inspector: TokenInspector, store: ConversationStore) -> gr.HTML:
    """Where the conversation is shown. Its script keeps the turns; here answers are written."""
    checkpoints = services.checkpoints
    answers = AnswerStream(checkpoints)

    @server_function
    def begin_answers(request: dict[str, Any]) -> dict[str, Any]:
        wish = request["wish"]
        drawn = sampling(wish)
        drawn = replace(drawn, seed=seed_at(drawn.seed, request["place"]))
        orders = [
            GenerationRequest(
                wanted["model"],
                conversation(checkpoints, wanted["model"], request),
                drawn,
                wish["precision"],
                tuple(wanted["written"]),
                dialled(wanted["model"], float(wanted["dial"])),
            )
            for wanted in request["answers"]
        ]
        return {"names": [answers.begin(order) for order in orders], "seed": drawn.seed}

    @server_function
    def more_of_answers(request: dict[str, Any]) -> dict[str, Any]:
        return {"answers": answers.more(request["known"])}

    @server_function
    def stop_answers(request: dict[str, Any]) -> dict[str, Any]:
        answers.stop(request["names"])
        return {}

    @server_function
    def about_conversation(request: dict[str, Any]) -> dict[str, Any]:
        """Of each model whether it answers, which one would if it does not, and how full its context is with what was
        said; where nothing was, what to begin with.
        """
        found: list[dict[str, Any]] = []
        for model in request["models"]:
            try:
                answers = registry.answers(checkpoints.load(model).card)
                said = request | {"messages": read_by(request["messages"], answers)}
                offer = "" if answers else next(iter(checkpoints.chat_names()), "")
                read = conversation(checkpoints, model, said) if has_text(said) else None
                context = inspector.context(model, read) if read else None
                about = {"answers": answers, "offer": offer, "context": context, **about_model(checkpoints, model)}
                found.append({"model": model, **about})
            except ValueError as error:
                found.append({"model": model, "error": explain(error)})
        return {"models": found}

    @server_function
    def keep_conversation(request: dict[str, Any]) -> dict[str, Any]:
        return {"id": store.keep(request["id"], request["content"], request["known"], request["revision"])}

    shown = view(
        "chat-log",
        "tabs/chat/log.js",
        "pg-talk",
        functions=[
            *(begin_answers, more_of_answers, stop_answers),
            *(about_conversation, keep_conversation),
            *feedback_functions(services),
        ],
        events=["model_wanted"],
        palette=SCALE,
        choices=[(choice, CHOICES[choice].side_label) for choice in VOTES],
    )

    @handler
    def use_model(value: dict[str, Any], current: str | None) -> dict[str, Any]:
        """The model that a conversation was held with, or that answers, becomes that of the header, if it is there."""
        names = checkpoints.names()
        return gr.update(choices=names, value=value["use"] if value["use"] in names else current)

    shown.model_wanted(use_model, [shown, page.model], page.model, api_name="use_chat_model", show_progress="hidden")
    return shown


def seed_at(seed: int, place: Sequence[int]) -> int:
    """The seed of an answer: another one at each place in the tree of turns, the same one at the same place."""
    return random.Random(f"{seed} {[*map(int, place)]}").getrandbits(53)


def read_by(messages: Sequence[dict[str, str]], answers: bool) -> list[dict[str, str]]:
    """What a model reads of what was said: one that `answers`, up to the last line of the person; another one, all."""
    asked = [i for i, message in enumerate(messages, 1) if message["role"] == "user"]
    return list(messages[: max(asked, default=0)]) if answers else list(messages)


def has_text(request: dict[str, Any]) -> bool:
    return any(message["content"].strip() for message in request["messages"])


def composer(page: Page) -> gr.Textbox:
    """The box in which a person writes, with its buttons. All that they do is done in the page."""
    with gr.Row(elem_classes="pg-composer"):
        box = gr.Textbox(
            label="Your line",
            info="Enter sends, Shift+Enter breaks the line",
            placeholder="Write a line",
            lines=1,  # with more, Enter would break the line
            max_lines=6,
            max_length=LONGEST,
            elem_id="chat-text",
            min_width=0,
        )
        send = gr.Button("Send", variant="primary", elem_id="chat-send", scale=0, min_width=96)
        stop = gr.Button("Stop", variant="stop", elem_id="chat-stop", scale=0, min_width=96)
    text = page.share_text(box, keep_empty=False)
    conversation = f"(await {module('playground/tabs/chat/this_conversation.js')})"
    say = f"async (text) => {conversation}.send(text)"
    does: dict[str, Any] = {"show_progress": "hidden"}
    gr.on([send.click, text.submit], None, text, text, js=say, api_name="chat_send", **does)
    stop.click(None, None, None, js=f"async () => {conversation}.stop()", api_name="chat_stop", **does)
    return text
