"""Attention tab: what every head of the model looks at, on a text of your own."""

import base64
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from core import probe
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.figures.attention import heatmap
from playground.figures.palette import SCALE
from playground.services import Services
from playground.widgets import Page, handler, intro, live, page_text, server_function, visible_token

EXAMPLE = "ROMEO:\nBut soft, what light through yonder window breaks?\nIt is the east, and Juliet is the sun."
MOST_TOKENS = 128  # a head's picture has a row of pixels a token; a longer text is cut
MOST_CHARACTERS = 4000  # more than enough for them


@dataclass(frozen=True)
class Look:
    """Attention weights (n_layer, n_head, T, T) on the first T tokens of a text."""

    weights: Tensor
    tokens: list[str]
    is_cut: bool
    seconds: float


@lru_cache(maxsize=4)
def look(model: GPT, tokenizer: Tokenizer, text: str) -> Look:
    ids = tokenizer.encode(text)  # at most MOST_CHARACTERS of it
    shown = ids[: min(MOST_TOKENS, model.config.block_size)]
    began = time.perf_counter()
    weights = probe.attention(model, shown).float().cpu()
    seconds = time.perf_counter() - began
    return Look(weights, [visible_token(tokenizer.token_bytes(id)) for id in shown], len(shown) < len(ids), seconds)


def grid(seen: Look) -> dict[str, Any]:
    """The grid of all heads: one byte a weight, the lower triangles only, row after row."""
    n_layer, n_head, T, _ = seen.weights.shape
    rows, columns = torch.tril_indices(T, T)
    levels = (seen.weights[:, :, rows, columns] * 255).round().to(torch.uint8)
    cut = f"Only the first {T} tokens are shown. " if seen.is_cut else ""
    return {
        "n_layer": n_layer,
        "n_head": n_head,
        "n_tokens": T,
        "weights": base64.b64encode(levels.numpy().tobytes()).decode(),
        "scale": SCALE,
        "note": f"{cut}{n_layer * n_head} heads, {T} tokens; forward pass {seen.seconds * 1000:.0f} ms. "
        "In each picture a row is a token and its bright cells are the earlier tokens it looks at. "
        "Click a head, or walk with the arrow keys.",
    }


def build(services: Services, page: Page) -> None:
    def seen(model: str | None, text: str) -> Look:
        loaded = services.checkpoints.load(model)
        return look(loaded.model, loaded.tokenizer, page_text(text))

    @handler
    def show_heads(text: str, model: str | None) -> dict[str, Any]:
        if not text:
            return {"empty": "Type a few words to see where each head looks."}
        text = text[:MOST_CHARACTERS]
        return grid(seen(model, text)) | {"key": {"model": model, "text": text}}

    @server_function
    def focus_head(request: dict[str, Any]) -> dict[str, Any]:
        this = seen(**request["key"])
        layer, head = request["layer"], request["head"]
        return heatmap(this.weights[layer, head], this.tokens, layer, head)

    intro(
        "To choose the next token, each attention head looks back at some of the tokens before it, in its own way.",
        "Find a head that looks at the token just before, and one that looks far back to a comma or a name.",
    )
    text = page.share_text(
        gr.Textbox(EXAMPLE, label="Text", lines=3, max_lines=8, elem_id="attention-text", max_length=200_000)
    )
    heads = live(
        "attention-heads",
        "playground.headGrid(element, props, watch, server)",
        "pg-attention",
        server_functions=[focus_head],
    )
    gr.on(
        [text.change, page.model.change, page.tab.select],
        show_heads,
        [text, page.model],
        heads,
        show_progress="hidden",
        trigger_mode="always_last",
        api_name="attention",
    )
