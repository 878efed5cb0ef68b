"""Panel: all tokens of a vocabulary, to search and to sort."""

from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np

from core.tokenizer import Tokenizer
from playground.services.services import Services
from playground.tabs.tokenizer.common import Pickers, details, parts_of
from playground.ui.components import Page, bind, view
from playground.ui.errors import server_function
from playground.ui.text import page_text

PAGE_ROWS = 50
BY_ID, LONGEST, FREQUENT = ORDERS = ("Id", "Longest", "Most frequent")


@lru_cache(maxsize=4)
def texts(tokenizer: Tokenizer) -> list[str]:
    """What a search looks through: each token in small letters, a part of a character as U+FFFD."""
    return [tokenizer.token_bytes(id).decode("utf-8", "replace").lower() for id in range(tokenizer.vocab_size)]


def matching(tokenizer: Tokenizer, search: str) -> np.ndarray:
    """Ids whose text contains `search`, in small or capital letters; a number also finds the token with that id."""
    wanted = search.lower()
    found = [id for id, text in enumerate(texts(tokenizer)) if wanted in text]
    if wanted.isascii() and wanted.isdigit() and int(wanted) < tokenizer.vocab_size:
        found = [int(wanted), *(id for id in found if id != int(wanted))]
    return np.array(found, dtype=np.int64)


def ordered(ids: np.ndarray, tokenizer: Tokenizer, order: str, frequencies: np.ndarray) -> np.ndarray:
    """`ids` as `order` wants them; equals stay as they were."""
    if order == LONGEST:
        return ids[np.argsort([-len(tokenizer.token_bytes(id)) for id in ids.tolist()], kind="stable")]
    if order == FREQUENT:
        return ids[np.argsort(-frequencies[ids], kind="stable")]
    return ids


def row(tokenizer: Tokenizer, id: int, frequency: int) -> list[Any]:
    """[id, bytes, number of the merge that made it (0: a byte, None: special), its two parts, frequency]."""
    token = tokenizer.token_bytes(id)
    if id >= len(tokenizer.ranks):
        return [id, token.hex(), None, [], frequency]
    return [id, token.hex(), max(0, id - 255), [part.hex() for part in parts_of(token, tokenizer)], frequency]


def build(services: Services, page: Page, pickers: Pickers) -> None:
    @server_function
    def find(request: dict[str, Any]) -> dict[str, Any]:
        name = services.vocabularies.resolve(request["vocabulary"], request["model"])
        tokenizer = services.vocabularies.load(name)
        frequencies = services.vocabularies.frequencies(tokenizer)
        ids = ordered(matching(tokenizer, page_text(request["search"])), tokenizer, request["order"], frequencies)
        pages = max(1, -(-len(ids) // PAGE_ROWS))
        at = min(max(request["page"], 0), pages - 1)
        shown = ids[at * PAGE_ROWS : (at + 1) * PAGE_ROWS].tolist()
        return {
            "name": name,
            "found": f"{len(ids):,} of the {tokenizer.vocab_size:,} tokens of {name}",
            "rows": [row(tokenizer, id, int(frequencies[id])) for id in shown],
            "page": at,
            "pages": pages,
        }

    with gr.Row(elem_classes="pg-toolbar"):
        chosen = pickers.one("tokenizer-table-vocabulary", label="Vocabulary", scale=2)
        search = gr.Textbox(
            "",
            label="Search",
            placeholder="A piece of a token, or an id",
            elem_id="tokenizer-search",
            max_lines=1,
            scale=2,
        )
        order = gr.Radio(list(ORDERS), value=BY_ID, label="Order", elem_id="tokenizer-order", scale=2)
    shown = view(
        "vocabulary-table",
        "tabs/tokenizer/table.js",
        "pg-vocabulary",
        empty="Reading the vocabulary …",
        functions=[find, details(services)],
    )
    bind(shown, page, vocabulary=chosen, model=page.model, search=search, order=order)
