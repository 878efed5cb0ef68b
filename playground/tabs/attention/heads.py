"""All heads at once, beside the text, and what the model would say after it."""

from typing import Any

import gradio as gr

from core.interpretability import activations
from core.tokenizer import Tokenizer
from playground.tabs.attention.activation_cache import (
    MOST_CHARACTERS,
    MOST_TOKENS,
    ActivationCache,
    ForwardPass,
    head_grid,
)
from playground.ui.components import Page, bind, view
from playground.ui.errors import server_function
from playground.ui.text import page_text

GUESSES = 6  # of the next token


def what_was_cut(tokenizer: Tokenizer, text: str, shown: int, context: int) -> str:
    """A sentence if not all of the text is looked at."""
    total = len(tokenizer.encode(text))
    if shown == total:
        return ""
    picture = f"a picture holds {MOST_TOKENS}, Long text more"
    why = f"the model's context holds {context:,}" if context <= MOST_TOKENS else picture
    return f"Only the first {shown} tokens are shown, of {total:,}: {why}."


def next_tokens(look: ForwardPass) -> list[list[Any]]:
    """[token, probability] of what would most likely follow the text, from the pass that is there."""
    best = activations.next_token(look.model, look.trace).topk(min(GUESSES, look.model.config.vocab_size))
    tokens, probabilities = best.indices.tolist(), best.values.tolist()
    return [[look.token(id), round(p, 4)] for id, p in zip(tokens, probabilities, strict=True)]


def build(looks: ActivationCache, page: Page, text: gr.Textbox) -> None:
    @server_function
    def read(request: dict[str, Any]) -> dict[str, Any]:
        typed, model = page_text(request["text"]), request["model"]
        if not typed:
            return {"empty": "Type a few words to see where each head looks."}
        key = {"model": model, "text": typed[:MOST_CHARACTERS]}
        look = looks.at(key)
        cut = what_was_cut(look.tokenizer, typed, len(look.ids), look.model.config.block_size)
        return head_grid(look) | {"key": key, "cut": cut, "next": next_tokens(look)}

    heads = view("attention-heads", "tabs/attention/heads.js", "pg-attention", functions=[read])
    bind(heads, page, opened=[page.tab.select], text=text, model=page.model)
