"""Panel: the text as tokens, in several vocabularies side by side, with the places where they disagree."""

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np

from core.tokenizer import Tokenizer
from playground.services.services import Services
from playground.services.vocabularies import COUNTED_CORPUS
from playground.tabs.tokenizer.common import Pickers, details, title
from playground.ui.components import Page, bind, view
from playground.ui.errors import explain, server_function
from playground.ui.press import message, message_line
from playground.ui.text import page_text

PAGE_TOKENS = 1000  # about so many in the vocabulary that cuts finest


@dataclass(frozen=True)
class Cut:
    """A text in one vocabulary: ids (n,), the n + 1 byte offsets between them, and how often each id occurs (V,)."""

    tokenizer: Tokenizer
    ids: np.ndarray
    edges: np.ndarray
    counts: np.ndarray

    @property
    def spans(self) -> np.ndarray:
        """Each token's place as one number, to compare with another vocabulary's."""
        places: np.ndarray = self.edges[:-1] << 32 | self.edges[1:]
        return places


@lru_cache(maxsize=16)
def cut(tokenizer: Tokenizer, text: str) -> Cut:
    ids = np.array(tokenizer.encode(text), dtype=np.int64)
    edges = np.concatenate([[0], np.cumsum(token_lengths(tokenizer)[ids])])
    return Cut(tokenizer, ids, edges, np.bincount(ids, minlength=tokenizer.vocab_size))


@lru_cache(maxsize=16)
def token_lengths(tokenizer: Tokenizer) -> np.ndarray:
    return np.array([len(tokenizer.token_bytes(id)) for id in range(tokenizer.vocab_size)])


def disagreements(cuts: list[Cut]) -> list[np.ndarray]:
    """For each vocabulary, which of its tokens (n,) are not tokens, from byte to byte, in all others."""
    spans = [one.spans for one in cuts]
    shared = spans[0] if spans else np.empty(0)
    for others in spans[1:]:
        shared = np.intersect1d(shared, others, assume_unique=True)
    return [~np.isin(own, shared, assume_unique=True) for own in spans]


def passage(cuts: list[Cut], page: int) -> tuple[int, int, int, int]:
    """(first byte, byte behind the last, page, pages): all vocabularies show the same part of the text."""
    n_bytes = int(cuts[0].edges[-1]) if cuts else 0
    pages = max([1, *(-(-len(one.ids) // PAGE_TOKENS) for one in cuts)])
    page = min(max(page, 0), pages - 1)
    return n_bytes * page // pages, n_bytes * (page + 1) // pages, page, pages


def column(name: str, one: Cut, odd: np.ndarray, start: int, end: int, compared: bool) -> dict[str, Any]:
    """What the page draws of one vocabulary: figures on the whole text, tokens that begin in [start, end)."""
    shown = slice(*np.searchsorted(one.edges[:-1], [start, end]).tolist())
    ids = one.ids[shown]
    n_tokens, n_bytes = len(one.ids), int(one.edges[-1])
    counts = [["tokens", f"{n_tokens:,}"], ["bytes per token", f"{n_bytes / n_tokens:.2f}" if n_tokens else "-"]]
    if compared:
        counts.append(["cut differently", f"{int(odd.sum()):,}"])
    tokenizer = one.tokenizer
    entries = {
        str(id): [tokenizer.token_bytes(id).hex(), max(0, id - 255), int(one.counts[id])]
        for id in np.unique(ids).tolist()
    }
    return {
        "name": name,
        "title": title(name, tokenizer),
        "digest": tokenizer.digest,
        "total": n_tokens,
        "merges": len(tokenizer.ranks) - 256,
        "counts": counts,
        "tokens": ids.tolist(),
        "odd": odd[shown].tolist(),
        "entries": entries,
    }


def compare(named: dict[str, Cut], text: str, page: int) -> dict[str, Any]:
    """The text in each vocabulary: one page of tokens, and figures on all of it."""
    cuts = [*named.values()]
    start, end, page, pages = passage(cuts, page)
    several = len(cuts) > 1
    columns = [
        column(name, one, odd, start, end, several)
        for (name, one), odd in zip(named.items(), disagreements(cuts), strict=True)
    ]
    counts = [["characters", f"{len(text):,}"], ["bytes", f"{len(text.encode()):,}"]]
    return {"counts": counts, "columns": columns, "page": page, "pages": pages}


def build(services: Services, page: Page, pickers: Pickers, text: gr.Textbox) -> tuple[gr.Dropdown, Any]:
    """Returns the picker of the vocabularies that are compared, and the event that a file was opened as one."""
    vocabularies = services.vocabularies

    @server_function
    def tokenize(request: dict[str, Any]) -> dict[str, Any]:
        named: dict[str, Cut] = {}
        failed, text = [], page_text(request["text"])
        for choice in request["vocabularies"] or []:
            try:
                name = vocabularies.resolve(choice, request["model"])
                named[name] = cut(vocabularies.load(name), text)
            except Exception as error:  # the others are shown all the same
                failed.append({"name": choice, "title": choice, "error": explain(error)})
        if not named and not failed:
            raise ValueError("choose a vocabulary to see the text in it")
        answer = compare(named, text, request["page"])
        for one in answer["columns"]:
            one["left_out"] = vocabularies.left_out(one["name"])
        return answer | {"columns": answer["columns"] + failed}

    @server_function
    def all_ids(request: dict[str, Any]) -> dict[str, Any]:
        return {"ids": cut(vocabularies.load(request["vocabulary"]), page_text(request["text"])).ids.tolist()}

    @server_function
    def frequencies(request: dict[str, Any]) -> dict[str, Any]:
        counts = vocabularies.frequencies(vocabularies.load(request["vocabulary"]))
        return {"counts": base64.b64encode(counts.astype("<u4").tobytes()).decode(), "corpus": COUNTED_CORPUS}

    def open_file(path: str, picked: list[str] | None) -> dict[Any, Any]:
        """A file that was given becomes one of the choices, and is compared with what is there."""
        try:
            name = vocabularies.open(path)
        except Exception as error:
            return {said: message(explain(error), trouble=True)}
        picked = [*(one for one in picked or [] if one != name), name]
        return {chosen: gr.update(choices=vocabularies.choices(), value=picked), said: ""}

    with gr.Row(elem_classes=["pg-toolbar", "pg-vocabularies"]):
        chosen = pickers.several("tokenizer-vocabularies", label="Vocabularies", elem_classes="pg-inline", scale=4)
        upload = gr.UploadButton(
            "Open a tokenizer.json", file_types=[".json"], elem_id="tokenizer-open", size="sm", min_width=170
        )
        said = message_line("tokenizer-opened")
    shown = view(
        "tokens",
        "tabs/tokenizer/tokens.js",
        "pg-tokens",
        empty="Counting tokens …",
        functions=[tokenize, all_ids, frequencies, details(services)],
    )
    bind(shown, page, text=text, model=page.model, vocabularies=chosen)
    outputs = [said, chosen]
    opened = upload.upload(open_file, [upload, chosen], outputs, api_name="open_vocabulary", show_progress="hidden")
    return chosen, opened
