"""Panel: the same text after no merge, after all of them, and after any number between."""

from typing import Any

import gradio as gr
import numpy as np

from core.checkpoint import read_config
from core.merge_tree import boundary_merges
from playground.services.services import Services
from playground.tabs.tokenizer.common import Pickers, details, parts_of
from playground.tabs.tokenizer.merge_figures import stops, tokens_against_merges
from playground.ui.components import Page, bind, view
from playground.ui.errors import server_function
from playground.ui.text import page_text

MOST_BYTES = 4000  # drawn anew at every position of the slider


def build(services: Services, page: Page, pickers: Pickers, text: gr.Textbox) -> None:
    @server_function
    def boundaries(request: dict[str, Any]) -> dict[str, Any]:
        name = services.vocabularies.resolve(request["vocabulary"], request["model"])
        tokenizer = services.vocabularies.load(name)
        content = page_text(request["text"]).encode()
        if not content:
            raise ValueError("there is nothing to cut yet: type a few words above")
        shown = content[:MOST_BYTES].decode("utf-8", "ignore")
        gone = boundary_merges(tokenizer, shown)
        n_merges = len(tokenizer.ranks) - 256
        positions = stops(n_merges)
        left = len(gone) - np.searchsorted(np.sort(gone), positions, side="right")
        cut = f"Only the first {len(shown.encode()):,} of {len(content):,} bytes are shown and counted here. "
        return {
            "name": name,
            "bytes": shown.encode().hex(),
            "boundaries": gone.tolist(),
            "merges": n_merges,
            "specials": len(tokenizer.special_tokens),
            **model_shape(request["model"]),
            "positions": positions,
            "figure": tokens_against_merges(positions, (left + 1).tolist()),
            "note": (cut if len(content) > MOST_BYTES else "")
            + ("This vocabulary has no merges: every byte stays a token." if n_merges == 0 else ""),
        }

    def model_shape(model: str | None) -> dict[str, Any]:
        """What the size of a vocabulary means for the header's model, if there is one."""
        if model not in services.checkpoints.names():
            return {"n_embd": None, "block_size": None}
        config = read_config(services.checkpoints.roots.path(model) / "config.json")
        return {"n_embd": config.n_embd, "block_size": config.block_size}

    @server_function
    def merge(request: dict[str, Any]) -> dict[str, Any]:
        """The merge with this number: the token that it made, and of which two."""
        tokenizer = services.vocabularies.load(request["vocabulary"])
        token = tokenizer.token_bytes(255 + request["merge"])
        return {"token": token.hex(), "parts": [part.hex() for part in parts_of(token, tokenizer)]}

    chosen = pickers.one("tokenizer-scrubbed", label="Vocabulary", elem_classes="pg-inline")
    shown = view(
        "merge-scrubber",
        "tabs/tokenizer/scrubber.js",
        "pg-scrubber",
        empty="Following the merges …",
        functions=[boundaries, merge, details(services)],
    )
    bind(shown, page, text=text, model=page.model, vocabulary=chosen)
