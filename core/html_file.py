"""A language model as one HTML file that chats by itself: in any browser, without a network, from a disk or a phone.

The file holds the weights, the vocabulary and the scripts of core/html_page/, a forward pass of GPT-2 in plain
JavaScript. Matrices are rounded to 8 bits with a scale for each row (Dettmers et al. 2022, arXiv:2208.07339, section 2,
calls it vector-wise). Token embedding and head are float16, since whatever is read and drawn goes through them: that
halves what rounding does to the predictions, for a tenth more bytes. All arithmetic is float32.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.atomic_files import write_text
from core.chat_template import encode_marks, template_of, turn_ends
from core.checkpoint import Checkpoint
from core.generate import Sampling
from core.model import GPT
from core.model_card import how_made
from core.stages.registry import answers
from core.tokenizer import SPLIT_PATTERN, Tokenizer

PARTS = Path(__file__).parent / "html_page"
MOST_WEIGHTS = 30_000_000  # more would be a file of 40 MB, read in full by a browser, and a second a token
VOCABULARY = ("transformer.wte.weight", "lm_head.weight")  # a row for each token
STEPS = 127  # of the 8 bits, to either side of 0
IMPORT = re.compile(r'(?<=from ")\./(?=[a-z]+\.js";)')  # as Prettier writes it


def write(path: Path, loaded: Checkpoint[GPT], name: str) -> None:
    """Write the file.

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
    weights, entries = packed(model)
    data = describe(loaded, name) | {"entries": entries}
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    parts = {
        "title": html.escape(name),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "data": json.dumps(data).replace("<", "\\u003c"),  # no tag can begin
        "weights": base64.b64encode(weights).decode(),
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


def template_ids(tokenizer: Tokenizer) -> dict[str, Any]:
    """What stands around each message, in ids. Raises ValueError for a template that is not known here."""
    template = template_of(tokenizer)
    marks = {"user": template.user, "assistant": template.assistant}
    return {"head": encode_marks(tokenizer, template.head)} | {
        role: [encode_marks(tokenizer, mark) for mark in pair] for role, pair in marks.items()
    }


# --- weights --------------------------------------------------------------------------------------------------


def packed(model: GPT) -> tuple[bytes, list[dict[str, Any]]]:
    """All weights one after the other, and where each tensor begins; a tied head is not there twice."""
    content, entries = bytearray(), []
    for name, tensor in tensors(model):
        content += bytes(-len(content) % 4)  # float32 begins at a multiple of four
        kind = kind_of(name, tensor)
        rows = len(tensor) if kind == "int8" else 0
        entries.append({"name": name, "start": len(content), "kind": kind, "rows": rows, "size": tensor.numel()})
        if kind == "int8":
            scales, rounded = round_rows(tensor)
            content += little_endian(scales, "f4") + rounded.numpy().tobytes()
        else:
            content += little_endian(tensor, "f2" if kind == "float16" else "f4")
    return bytes(content), entries


def kind_of(name: str, tensor: Tensor) -> str:
    """In which of its three kinds of numbers a page holds a tensor."""
    if name in VOCABULARY:
        return "float16"
    return "int8" if tensor.dim() == 2 else "float32"


def tensors(model: GPT) -> Iterator[tuple[str, Tensor]]:
    """The model's own names and tensors, without rows that pad the vocabulary."""
    for name, parameter in model.named_parameters():  # a tied head comes once, as the embedding
        tensor = parameter.detach().float().cpu()
        yield name, tensor[: model.config.vocab_size] if name in VOCABULARY else tensor


def round_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) as scales (N,) and int8 (N, K): each row's largest weight is 127 of its steps."""
    scales = (matrix.abs().amax(1) / STEPS).clamp(min=1e-12)
    return scales, (matrix / scales[:, None]).round().to(torch.int8)


def little_endian(tensor: Tensor, kind: str) -> bytes:
    return tensor.numpy().astype(np.dtype(f"<{kind}")).tobytes()


# --- scripts --------------------------------------------------------------------------------------------------


def modules() -> Iterator[tuple[str, str]]:
    """(name, address) of each script: a file that is opened from a disk may load no module beside it."""
    for path in sorted(PARTS.glob("*.js")):
        code = IMPORT.sub("", path.read_text(encoding="utf-8"))
        yield path.name, f"data:text/javascript;base64,{base64.b64encode(code.encode()).decode()}"
