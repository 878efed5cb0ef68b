"""A language model as one HTML file that chats by itself: in any browser, without a network, from a disk or a phone.

The file holds the weights (core/html_weights.py), the vocabulary and the scripts of core/html_page/, a forward pass of
GPT-2 in plain JavaScript, all in float32. Of a model whose parent is there too it has a dial between the two, as
core/task_arithmetic.py mixes them.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.atomic_files import write_text
from core.chat_template import encode_marks, template_of, turn_ends
from core.checkpoint import Checkpoint
from core.generate import Sampling
from core.html_weights import as_text, packed, packed_difference
from core.model import GPT
from core.model_card import how_made
from core.rlhf.task_vectors import LEAST, MOST
from core.stages.registry import answers
from core.task_arithmetic import Family
from core.tokenizer import SPLIT_PATTERN, Tokenizer

PARTS = Path(__file__).parent / "html_page"
MOST_WEIGHTS = 30_000_000  # more would be a file of 40 MB, read in full by a browser, and a second a token
IMPORT = re.compile(r'(?<=from ")\./(?=[a-z]+\.js";)')  # as Prettier writes it


def write(path: Path, loaded: Checkpoint[GPT], name: str, family: Family | None = None) -> None:
    """Write the file. family: the model and its parent, for a dial.

    Raises ValueError if the model is too large for it, or its vocabulary is not one that the page can read.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    if model.config.n_params > MOST_WEIGHTS:
        raise ValueError(
            f"a page holds at most {MOST_WEIGHTS / 1e6:.0f} million weights, and {name} has "
            f"{model.config.n_params / 1e6:.0f}: export it as GGUF"
        )
    if tokenizer.words.ids or tokenizer.split_pattern != SPLIT_PATTERN:
        raise ValueError(
            f"the vocabulary of {name} has words or a pattern of its own, which a page cannot read: export it as GGUF"
        )
    weights = bytearray()
    data = describe(loaded, name) | {"model": {"entries": packed(model, weights)}, "dial": None}
    if family:
        data["about"].append(about_dial(name, family.name))
        learned = packed_difference(model, family.parent.model, weights)
        data["dial"] = {"parent": family.name, "least": LEAST, "most": MOST, "entries": learned}
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    parts = {
        "title": html.escape(name),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "data": json.dumps(data).replace("<", "\\u003c"),  # no tag can begin
        "weights": as_text(bytes(weights)),
        "modules": json.dumps({"imports": dict(modules())}),
    }
    write_text(path, re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], page))


def describe(loaded: Checkpoint[GPT], name: str) -> dict[str, Any]:
    """All that the page must know beside the weights."""
    config, tokenizer, sampling = loaded.model.config, loaded.tokenizer, Sampling()
    in_turns = answers(loaded.card)
    return {
        "name": name,
        "about": [
            f"{name} is a GPT-2 with {config.n_params:,} weights: {config.n_layer} layers, {config.n_head} heads, "
            f"{config.n_embd} wide, a context of {config.block_size:,} tokens.",
            how_made(loaded.card),
            "It runs in this page alone, with its weights rounded to 8 bits. Nothing is sent anywhere. The less sure "
            "it was of a word, the stronger the line below it.",
        ],
        "shape": {key: getattr(config, key) for key in ("n_layer", "n_head", "n_embd", "block_size")}
        | {
            "vocab_size": min(config.vocab_size, tokenizer.vocab_size),  # rows beyond the vocabulary are never drawn
            "tanh": config.activation_function == "gelu_new",
            "epsilon": config.layer_norm_epsilon,
            "scale": loaded.model.blocks[0].attn.scale,
        },
        "tokens": [token.decode("latin-1") for token in tokenizer.ranks],
        "special": tokenizer.special_tokens,
        "template": template_ids(tokenizer) if in_turns else None,
        "ends": sorted(turn_ends(tokenizer) if in_turns else {tokenizer.eot}),
        "sampling": {key: asdict(sampling)[key] for key in ("temperature", "top_p", "max_new_tokens")},
    }


def about_dial(name: str, parent: str) -> str:
    return (
        f"The dial mixes it with {parent}, from which it was made: at 1 it is {name} as it is, at 0 nearly {parent}, "
        f"below that it is led away from what it has learned, and above 1 farther than it was taught. What it has "
        "learned is held in one bit a weight."
    )


def template_ids(tokenizer: Tokenizer) -> dict[str, Any]:
    """What stands around each message, in ids. Raises ValueError for a template that is not known here."""
    template = template_of(tokenizer)
    marks = {"user": template.user, "assistant": template.assistant}
    return {"head": encode_marks(tokenizer, template.head)} | {
        role: [encode_marks(tokenizer, mark) for mark in pair] for role, pair in marks.items()
    }


# --- scripts --------------------------------------------------------------------------------------------------


def modules() -> Iterator[tuple[str, str]]:
    """(name, address) of each script: a file that is opened from a disk may load no module beside it."""
    for path in sorted(PARTS.glob("*.js")):
        code = IMPORT.sub("", path.read_text(encoding="utf-8"))
        yield path.name, f"data:text/javascript;base64,{base64.b64encode(code.encode()).decode()}"
