"""What of a text stands word for word in the text that its model learned from: asked for by assets/copied.js."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from core.evaluation.memorization import Quotation
from core.learned_text import LearnedText, origin
from core.preferences.vote_store import Votes
from playground.services.learned_texts import LearnedTexts
from playground.ui.components import view
from playground.ui.errors import explain, server_function
from playground.ui.text import page_text

HIDDEN = "what the writer learned from is not known, or only in part"


def build(texts: LearnedTexts, votes: Votes) -> gr.HTML:
    """A part of the page that shows nothing: what the marks of all tabs ask."""

    @server_function
    def find_copied(request: dict[str, Any]) -> dict[str, Any]:
        """Of each text that is `asked` about: what of it is copied, how far the index is, or why it cannot be said."""
        return {"answers": [answer(texts, votes, asked, bool(request["again"])) for asked in request["asked"]]}

    @server_function
    def stop_indexing(_: dict[str, Any]) -> dict[str, Any]:
        texts.stop()
        return {}

    return view(
        "copied-text", "panels/copied_text/connect.js", "pg-copied-text", functions=[find_copied, stop_indexing]
    )


def answer(texts: LearnedTexts, votes: Votes, asked: dict[str, Any], again: bool) -> dict[str, Any]:
    """What is said of a side of a pair does not give away who wrote it."""
    hidden = "pair" in asked
    try:
        learned = texts.get(writer(votes, asked), again)
    except ValueError as error:
        return {"error": HIDDEN if hidden else explain(error)}
    if learned is None:
        status = texts.task.status()
        return {"making": {"model": "" if hidden else status["model"], "share": status["share"]}}
    found = describe(learned, page_text(asked["text"]))
    return found | {"gaps": [HIDDEN]} if hidden and found["gaps"] else found


def writer(votes: Votes, asked: dict[str, Any]) -> str:
    """The model that wrote a text: by its name, or as a side of a pair. Raises ValueError if that is not known."""
    if "model" in asked:
        return str(asked["model"])
    pair = votes.pair(int(asked["pair"]))
    name = (pair.left if asked["side"] == "left" else pair.right).model
    if not name:
        raise ValueError(HIDDEN)
    return name


def describe(learned: LearnedText, text: str) -> dict[str, Any]:
    """pieces: [text, what is known of it if it is copied] one after the other; tokens, and how many are copied."""
    found = learned.find(text)
    pieces: list[tuple[str, dict[str, Any] | None]] = []
    end = 0
    for quotation in found.quotations:
        pieces += [(text[end : quotation.start], None), (text[quotation.start : quotation.end], about(quotation))]
        end = quotation.end
    pieces.append((text[end:], None))
    return {
        "pieces": [piece for piece in pieces if piece[0]],
        "copied": found.copied,
        "tokens": found.tokens,
        "corpora": learned.corpora,
        "gaps": list(map(str, learned.gaps)),
    }


def about(quotation: Quotation) -> dict[str, Any]:
    span = quotation.span
    return {**asdict(origin(quotation)), "tokens": span.end - span.start, "times": span.times}
