"""All heads at once, one of them in focus, and both as files."""

from typing import Any

import gradio as gr
import torch

from core.tokenizer import Tokenizer
from playground.tabs.attention.activation_cache import MOST_CHARACTERS, MOST_TOKENS, ActivationCache, encoded, head_grid
from playground.tabs.attention.export_html import export_html
from playground.tabs.attention.heatmaps import heatmap
from playground.ui.components import Page, view
from playground.ui.errors import handler, server_function
from playground.ui.text import page_text

# Of the large picture, by what it is of; the exported page fills them in, too.
TITLES = {
    "head": "Layer {layer}, head {head}",
    "layer": "Layer {layer}, mean over its heads",
    "all": "Mean over all heads",
}


def what_was_cut(tokenizer: Tokenizer, text: str, shown: int, context: int) -> str:
    """A sentence if not all of the text is looked at."""
    total = len(tokenizer.encode(text))
    if shown == total:
        return ""
    why = f"the model's context holds {context:,}" if context <= MOST_TOKENS else f"a picture holds {MOST_TOKENS}"
    return f"Only the first {shown} tokens are shown, of {total:,}: {why}."


def build(looks: ActivationCache, page: Page, text: gr.Textbox) -> None:
    @handler
    def show_heads(typed: str, model: str | None) -> dict[str, Any]:
        if not typed:
            return {"empty": "Type a few words to see where each head looks."}
        tokenizer = looks.checkpoints.load(model).tokenizer
        typed = page_text(typed)
        key = {"model": model, "text": typed[:MOST_CHARACTERS]}
        look = looks.at(key)
        cut = what_was_cut(tokenizer, typed, len(look.ids), look.model.config.block_size)
        return head_grid(look) | {"key": key, "cut": cut}

    @server_function
    def focus_head(request: dict[str, Any]) -> dict[str, Any]:
        look, layer, head = looks.at(request["key"]), request["layer"], request["head"]
        over = request["over"]
        weights = {
            "head": lambda: look.weights[layer, head],
            "layer": lambda: look.weights[layer].mean(0),
            "all": lambda: look.weights.mean((0, 1)),
        }[over]()
        return heatmap(weights, look.tokens, TITLES[over].format(layer=layer + 1, head=head + 1))

    @server_function
    def standalone(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        grid = head_grid(look) | {"cut": "", "key": request["key"]}
        exact = encoded(look.weights * 65535, torch.int32)
        return {"html": export_html(grid, exact, heatmap(look.weights[0, 0], look.tokens, ""), TITLES)}

    heads = view(
        "attention-heads",
        "tabs/attention/heads.js",
        "pg-attention",
        functions=[focus_head, standalone],
    )
    gr.on(
        [text.change, page.model.change, page.tab.select],
        show_heads,
        [text, page.model],
        heads,
        show_progress="hidden",
        trigger_mode="always_last",
        api_name="look_at_heads",
    )
