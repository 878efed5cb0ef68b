"""Activation patching: one activation of the clean text's pass in that of a changed text, and what comes back."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from core.checkpoint import Checkpoint
from core.interpretability.activations import trace, unembed
from core.interpretability.patching import PATCHES, Pair, make_pair
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, rounded
from playground.tabs.attention.typed_token import typed_token
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import DIVERGING
from playground.ui.text import page_text, visible_spaces, visible_token

MOST_PATCHED = 64  # tokens: time grows with their square, and a column for each must fit
CLEAR = 1.0  # by so much an example's change moves the difference of the answers' logits where it is offered


@dataclass(frozen=True)
class Example:
    """Two texts of which one word differs, and what each calls for."""

    title: str
    clean: str
    changed: str
    answer: str
    other: str


EXAMPLES = [
    Example(
        "Who speaks next",
        "IAGO:\nWho's there?\n\nOTHELLO:\nA friend.\n\n",
        "DESDEMONA:\nWho's there?\n\nOTHELLO:\nA friend.\n\n",
        "IAGO",
        "DESDEMONA",
    ),
    Example(
        "A line said twice (induction)",
        "I do not know the night.\nI do not know the",
        "I do not know the heart.\nI do not know the",
        " night",
        " heart",
    ),
    Example(
        "He or she",
        "Where is the king? What says",
        "Where is the queen? What says",
        " he",
        " she",
    ),
    Example(
        "Who gets the drink (names)",
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
        " Mary",
        " John",
    ),
    Example("A name and its pronoun", "John was tired, so", "Mary was tired, so", " he", " she"),
]


@torch.inference_mode()
def works(loaded: Checkpoint[GPT], example: Example) -> bool:
    """Are the texts equally many tokens, and does their difference clearly move this model's answer?"""
    model, tokenizer = loaded.model, loaded.tokenizer
    clean, changed = tokenizer.encode(example.clean), tokenizer.encode(example.changed)
    answer, other = tokenizer.encode(example.answer)[0], tokenizer.encode(example.other)[0]
    if len(clean) != len(changed) or len(clean) > model.config.block_size or answer == other:
        return False
    logits = [unembed(model, trace(model, ids).residual[-1, -1]) for ids in (clean, changed)]
    before, after = (float(row[answer] - row[other]) for row in logits)
    return before - after >= CLEAR


def why_unequal(tokenizer: Tokenizer, clean: list[int], changed: list[int]) -> str:
    """Which tokens make two texts differ in length, in a sentence."""
    start = 0
    while start < min(len(clean), len(changed)) and clean[start] == changed[start]:
        start += 1
    end = 0
    while end < min(len(clean), len(changed)) - start and clean[-1 - end] == changed[-1 - end]:
        end += 1
    parts = [named(tokenizer, ids[start : len(ids) - end]) for ids in (clean, changed)]
    return (
        f"the clean text has {len(clean)} tokens, the changed one {len(changed)}: {parts[0]} there, {parts[1]} here. "
        "Choose words of equally many tokens"
    )


def named(tokenizer: Tokenizer, ids: list[int]) -> str:
    tokens = [visible_spaces(visible_token(tokenizer.token_bytes(id))) for id in ids]
    listed = " ".join(f"“{token}”" for token in tokens[:8]) + (f" and {len(tokens) - 8} more" if tokens[8:] else "")
    return f"{listed} ({len(tokens)})" if tokens else "nothing (0)"


def build(looks: ActivationCache, services: Services) -> None:
    offered: dict[tuple[Any, ...], list[dict[str, str]]] = {}  # of the models that were asked about

    def pair_of(request: dict[str, Any]) -> tuple[ForwardPass, ForwardPass, Pair, str]:
        """Both passes, the pair that they make, and what was left out of the typed answers."""
        changed_text = page_text(request["changed"])
        if not changed_text:
            raise ValueError("type the changed text: the text on the left with a word replaced")
        clean = looks.at(request["key"])
        tokenizer = clean.tokenizer
        ids = [tokenizer.encode(text) for text in (page_text(request["key"]["text"]), changed_text)]
        if len(ids[0]) != len(ids[1]):
            raise ValueError(why_unequal(tokenizer, *ids))
        most = min(MOST_PATCHED, clean.model.config.block_size)
        if len(ids[0]) > most:
            raise ValueError(f"patching takes texts of at most {most} tokens, these have {len(ids[0])}: shorten both")
        changed = looks.at(request["key"] | {"text": changed_text})
        typed = [typed_token(tokenizer, text) if text else (None, "") for text in request["answers"]]
        (answer, cut), (other, other_cut) = typed
        pair = make_pair(clean.model, clean.trace, changed.trace, answer, other)
        return clean, changed, pair, f"{cut} {other_cut}".strip()

    @server_function
    def patching_examples(request: dict[str, Any]) -> dict[str, Any]:
        """Those that work on the model: EXAMPLES are for several."""
        name = request["key"]["model"]
        key = looks.checkpoints.key(name)
        if key not in offered:
            loaded = looks.checkpoints.load(name)
            offered[key] = [asdict(example) for example in EXAMPLES if works(loaded, example)]
        return {"examples": offered[key]}

    @server_function
    def patching_pair(request: dict[str, Any]) -> dict[str, Any]:
        clean, changed, pair, note = pair_of(request)
        return {
            "clean": clean.tokens,
            "changed": changed.tokens,
            "answers": [clean.token(pair.answer), clean.token(pair.other)],
            "differences": [pair.clean_difference, pair.changed_difference],
            "n_layer": clean.model.config.n_layer,
            "note": note,
        }

    @server_function
    def patch_layer(request: dict[str, Any]) -> dict[str, Any]:
        clean, _, pair, _ = pair_of(request)
        return {"shares": rounded(PATCHES[request["kind"]](clean.model, pair, request["layer"]))}

    view(
        "attention-patching",
        "tabs/attention/patching.js",
        "pg-patching",
        functions=[patching_examples, patching_pair, patch_layer],
        diverging=DIVERGING,
    )
