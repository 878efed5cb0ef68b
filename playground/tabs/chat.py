"""Chat tab: the chosen model writes on, token by token."""

import time
from collections.abc import Collection, Iterator
from typing import Any

import gradio as gr

from core.data.chat import encode_prompt, turn_ends
from core.decode import PRECISIONS
from core.generate import Model, Sampling, context_start, stream_text
from core.tokenizer import Tokenizer
from playground.services import Services
from playground.widgets import Form, Page, handler, intro, live, page_text

PAINT_SECONDS = 0.045  # the browser paints no faster, so tokens are sent in bunches
EXAMPLE = "ROMEO:\nBut soft, what light through yonder window breaks?\n\nJULIET:\n"

Message = tuple[str, str]  # ("person" or "model", what was said)


def scene(messages: list[Message]) -> str:
    """The conversation as one text for a base model to continue; what a person adds begins a new paragraph."""
    text = ""
    for role, said in messages:
        if text and role == "person":
            text = text.rstrip("\n") + "\n\n"
        text += said
    return text


def conversation(messages: list[Message]) -> list[dict[str, str]]:
    """The same for a model that was fine-tuned to answer: turns, which special tokens will keep apart."""
    roles = {"person": "user", "model": "assistant"}
    return [{"role": roles[role], "content": said.strip()} for role, said in messages]


def write(
    model: Model, tokenizer: Tokenizer, ids: list[int], sampling: Sampling, stop: Collection[int]
) -> Iterator[tuple[str, str]]:
    """What the model adds to `ids`: the text so far and a line about its speed, about twenty times a second.

    Of a text longer than the context the model reads the end, and the line says so.
    """
    block_size = model.config.block_size
    seen = ids[context_start(len(ids), block_size) :]
    began = painted = time.perf_counter()
    first, count, text = 0.0, 0, ""

    def note() -> str:
        now = time.perf_counter()
        speed = f"{count} tokens · {count / (now - began):.0f} tokens/s · first after {first * 1000:.0f} ms"
        cut = f" · it read the last {len(seen):,} of {len(ids):,} tokens (context {block_size:,})"
        return speed + (cut if len(seen) < len(ids) else "")

    for step in stream_text(model, tokenizer, seen, sampling, stop):
        now = time.perf_counter()
        count, text = count + 1, text + step.text
        if count == 1 or now - painted > PAINT_SECONDS:
            first, painted = first or now - began, now
            yield text, note()
    yield text, note() if count else "The model ends the text here: add a line, or clear the scene."


def about(precision: str) -> str:
    what = PRECISIONS[precision]
    return f"{what[0].upper()}{what[1:]}. Fewer bits are read faster."


def build(services: Services, page: Page) -> None:
    def show(messages: list[Message]) -> dict[str, Any]:
        return {"messages": messages}

    @handler
    def add(text: str, messages: list[Message]) -> tuple[str, list[Message], dict[str, Any]]:
        if text.strip():
            messages = [*messages, ("person", page_text(text))]
        if not messages:
            raise ValueError("write a line first, for the model to continue")
        return "", messages, show(messages)

    @handler
    def answer(values: dict[Any, Any]) -> Iterator[tuple[list[Message], dict[str, Any], str]]:
        before, sampling = values[said], form.read(values)
        model, tokenizer = services.checkpoints.writer(values[page.model], values[precision])
        answers = services.checkpoints.load(values[page.model]).card.answers
        ids = encode_prompt(tokenizer, conversation(before)) if answers else tokenizer.encode(scene(before))
        stop = turn_ends(tokenizer) if answers else {tokenizer.eot}
        for text, note in write(model, tokenizer, ids, sampling, stop):
            messages = [*before, ("model", text)] if text else before
            yield messages, show(messages), note

    intro(
        "A base model continues your text as one growing scene; one fine-tuned on instructions answers it.",
        "End with a name and a colon, such as JULIET:, for the one; ask the other to answer in two lines.",
    )
    said = gr.State([])
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            log = live(
                "chat-log",
                "playground.scene(element, props, watch)",
                "pg-scene",
                empty="The scene is empty. Write its first line below.",
            )
            text = page.share_text(
                gr.Textbox(
                    EXAMPLE,
                    label="Your line",
                    lines=3,
                    max_lines=10,
                    elem_id="chat-text",
                    info="Shift+Enter sends",
                    max_length=200_000,
                ),
                keep_empty=False,
            )
            with gr.Row():
                send = gr.Button("Continue the scene", variant="primary", elem_id="chat-send", scale=2, min_width=212)
                stop = gr.Button("Stop", variant="stop", elem_id="chat-stop", min_width=80)
                clear = gr.Button("Clear", elem_id="chat-clear", min_width=80)
            speed_note = gr.Markdown("", elem_id="chat-speed", elem_classes="pg-note")
        with gr.Column(scale=2, min_width=280):
            form = Form(Sampling(), ("max_new_tokens", "seed", "temperature"))
            precision = gr.Dropdown(
                list(PRECISIONS),
                label="precision",
                info=about("float32"),
                elem_id="chat-precision",
                visible=services.checkpoints.device.type == "cpu",  # elsewhere the model writes as it is
            )

    asked = gr.on(
        [send.click, text.submit], add, [text, said], [text, said, log], show_progress="hidden", api_name="add_line"
    )
    answered = asked.success(
        answer,
        {page.model, said, precision, *form.widgets.values()},
        [said, log, speed_note],
        show_progress="hidden",
        api_name="continue_scene",
    )
    precision.input(
        lambda chosen: gr.update(info=about(chosen)),
        precision,
        precision,
        show_progress="hidden",
        api_name="precision",
    )
    stop.click(None, None, None, cancels=[answered], api_name="stop_scene")
    clear.click(
        lambda: ([], show([]), ""),
        None,
        [said, log, speed_note],
        cancels=[answered],
        show_progress="hidden",
        api_name="clear_scene",
    )
