"""Buttons that ask Python to do something: each answers at once, where it stands, and says there what came of it."""

import html
import json
from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from playground.ui.components import module
from playground.ui.errors import explain

PRESS = "assets/press.js"


def message_line(elem_id: str) -> gr.HTML:
    """Where a button's outcome is said: put it beside the button. Without a message it takes no room."""
    return gr.HTML("", elem_id=elem_id, elem_classes=["pg-said", "pg-flush"])


def message(text: str, trouble: bool = False) -> str:
    """What stands in a `message_line`."""
    return f'<p role="status" class="{"pg-error" if trouble else "pg-note"}">{html.escape(text)}</p>' if text else ""


def press(
    button: gr.Button,
    function: Callable[..., dict[Any, Any]],
    inputs: Any,
    outputs: Iterable[Any],
    *,
    busy: str,
    said: gr.HTML,
    api_name: str,
) -> Any:
    """Do `function` when `button` is pressed; until it is done, the button is disabled and reads `busy`.

    function: like an event handler of Gradio's; returns {component: update}. What it returns for `said` is a plain
        sentence, and so is whatever it raises: both stand in the line `said` until the next press.
    Returns the event, whose `.then` and `.success` follow.
    """

    def call(*args: Any) -> dict[Any, Any]:
        try:
            found = function(*args)
        except Exception as error:
            return {said: message(explain(error), trouble=True)}
        return found | {said: message(found.get(said, ""))}

    place = json.dumps([button.elem_id, said.elem_id])
    begin = f"async (...values) => {{ (await {module(PRESS)}).begin(...{place}, {json.dumps(busy)}); return values; }}"
    end = f"async () => {{ (await {module(PRESS)}).end(...{place}); }}"
    done = button.click(call, inputs, [*outputs, said], js=begin, api_name=api_name, show_progress="hidden")
    done.then(None, None, None, js=end, api_name=f"{api_name}_done")
    return done
