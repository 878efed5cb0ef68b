"""What the panels of the tokenizer tab share: pickers of vocabularies, and the details of one token."""

from typing import Any

import gradio as gr
import torch.nn.functional as F

from core.merge_tree import MergeTree, merge_tree
from core.model import GPT
from core.tokenizer import Tokenizer, merge_parts
from playground.services.services import Services
from playground.services.vocabularies import BYTES, GPT2, OWN, Vocabularies
from playground.ui.errors import server_function

NEIGHBOURS = 10


class Pickers:
    """The dropdowns that offer vocabularies, so that all learn of a new one."""

    def __init__(self, vocabularies: Vocabularies):
        self.vocabularies = vocabularies
        self.made: list[gr.Dropdown] = []

    def one(self, elem_id: str, **options: Any) -> gr.Dropdown:
        return self.add(gr.Dropdown(self.vocabularies.choices(), value=OWN, elem_id=elem_id, **options))

    def several(self, elem_id: str, **options: Any) -> gr.Dropdown:
        picked = [OWN, GPT2]
        return self.add(
            gr.Dropdown(self.vocabularies.choices(), value=picked, multiselect=True, elem_id=elem_id, **options)
        )

    def add(self, picker: gr.Dropdown) -> gr.Dropdown:
        self.made.append(picker)
        return picker


def title(name: str, tokenizer: Tokenizer) -> str:
    return f"{name}: {tokenizer.vocab_size:,} tokens"


# --- one token ------------------------------------------------------------------------------------------------


def details(services: Services) -> Any:
    """The server function that tells all about one token: how it was built, how frequent it is, what is near it."""
    vocabularies = services.vocabularies

    @server_function
    def details(request: dict[str, Any]) -> dict[str, Any]:
        name = vocabularies.resolve(request["vocabulary"], request["model"])
        tokenizer = vocabularies.load(name)
        token = bytes.fromhex(request["hex"]) if "hex" in request else tokenizer.token_bytes(request["id"])
        id = tokenizer.ranks[token] if "hex" in request else request["id"]
        model, why = embedding(services, name, tokenizer, request["model"])
        near = neighbours(model, id) if model else []
        return {
            "vocabulary": name,
            "id": id,
            "hex": token.hex(),
            "frequency": int(vocabularies.frequencies(tokenizer)[id]),
            **origin(tokenizer, token, id),
            "neighbours": [[tokenizer.token_bytes(other).hex(), other, round(cosine, 4)] for other, cosine in near],
            "why": why,
        }

    return details


def origin(tokenizer: Tokenizer, token: bytes, id: int) -> dict[str, Any]:
    if id >= len(tokenizer.ranks):
        return {"tree": None, "story": "A special token: it was not built but added, and no typed text becomes it."}
    if len(token) > 1 and not parts_of(token, tokenizer):
        return {"tree": None, "story": "No merges make it: it is a token only where it stands whole in a text."}
    tree = merge_tree(token, tokenizer.ranks)
    story = (
        "Read from below: each merge joined two neighbours, and a lower number was learned earlier, from a more "
        "frequent pair."
        if tree.parts
        else "A single byte: every vocabulary begins with all 256 of them, so no text is ever unreadable."
    )
    return {"tree": nested(tree), "story": story}


def parts_of(token: bytes, tokenizer: Tokenizer) -> tuple[bytes, ...]:
    """The two tokens that a merge made this one of; none of a byte, and of what no merges make."""
    try:
        return merge_parts(token, tokenizer.ranks) if len(token) > 1 else ()
    except ValueError:
        return ()


def nested(tree: MergeTree) -> list[Any]:
    return [tree.token.hex(), tree.merge, [nested(part) for part in tree.parts]]


def embedding(services: Services, name: str, tokenizer: Tokenizer, model: str | None) -> tuple[GPT | None, str]:
    """A model whose embedding has a row for each token of the vocabulary, and a sentence about it or its absence."""
    having = services.checkpoints.names()
    same = [model for model in (name, model) if model in having]
    for candidate in same:
        if services.vocabularies.load(candidate).digest == tokenizer.digest:
            about = f"The rows of {candidate}'s embedding with the highest cosine similarity to this token's row."
            return services.checkpoints.load(candidate).model, about
    what = {GPT2: "OpenAI's vocabulary", BYTES: "The plain bytes are a vocabulary and"}.get(
        name, f"{name} is a vocabulary and"
    )
    return None, f"{what} has no model here, so its tokens have no place in an embedding: train one with it."


def neighbours(model: GPT, id: int) -> list[tuple[int, float]]:
    """The ids with the highest cosine similarity to `id` in the token embedding, nearest first."""
    wte = model.transformer.wte.weight.detach()[: model.config.vocab_size].float()
    cosine = F.cosine_similarity(wte, wte[id : id + 1])  # (V,)
    cosine[id] = -2  # not itself
    best = cosine.topk(min(NEIGHBOURS, len(wte) - 1))
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
