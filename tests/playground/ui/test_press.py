"""What came of a press stands in the line beside the button, and nothing that anybody writes becomes markup."""

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from playground.ui.press import message_line, press


def pressed(function: Callable[[gr.HTML], Callable[[], dict[Any, Any]]]) -> tuple[dict[Any, Any], gr.HTML]:
    """What the handler of a button answers, and the line beside it."""
    with gr.Blocks() as blocks:
        button, said = gr.Button("Delete", elem_id="delete"), message_line("said")
        press(button, function(said), None, [], busy="Deleting …", said=said, api_name="delete")
    handler = next(fn for fn in blocks.fns.values() if fn.api_name == "delete").fn
    assert handler is not None
    return handler(), said


def test_a_refusal_is_a_sentence_beside_the_button() -> None:
    def refuse() -> dict[Any, Any]:
        raise ValueError("<b>this</b> name is taken: choose another")

    answer, said = pressed(lambda _: refuse)
    assert "&lt;b&gt;this&lt;/b&gt; name is taken: choose another." in answer[said] and "pg-error" in answer[said]


@pytest.mark.parametrize(("found", "shown"), [("2 votes & no more.", "2 votes &amp; no more."), ("", "")])
def test_what_a_function_says_is_shown_as_text(found: str, shown: str) -> None:
    answer, said = pressed(lambda line: lambda: {line: found})
    assert (shown in answer[said]) and "pg-error" not in answer[said]
    assert bool(answer[said]) == bool(found)
