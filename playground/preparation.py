"""What a training that has not begun yet would be: its memory, its time, and what the model would see. No gradio."""

import functools
import math
from pathlib import Path
from typing import Any

from core.checkpoint import read_config
from core.data import classification
from core.data import corpus as corpora
from core.data.chat import Example
from core.data.corpus import CORPORA
from core.data.instructions import dialogues, split
from core.model import GPTConfig
from core.stages import sft
from core.stages.classify import ClassifyConfig
from core.stages.pretrain import PretrainConfig, named_tokenizer
from core.stages.sft import PLAYS, SFTConfig
from core.tokenizer import Tokenizer
from core.train import memory
from core.train.device import pick_device, total_memory
from core.train.estimate import step_seconds
from core.train.loop import FitConfig

SHOWN = 3  # examples
SHOWN_TOKENS = 160  # of each
BUDGETS = {"8 GB": 8, "12 GB": 12, "16 GB (RTX 5070 Ti)": 16, "24 GB": 24, "80 GB": 80}  # of GPUs, in their makers' GB
HERE = "this machine"


# --- memory and time ------------------------------------------------------------------------------------------


def shape_of(config: Any) -> GPTConfig:
    """The shape of the model that would be trained. Raises ValueError if it is a parent's, and that cannot be read."""
    if isinstance(config, PretrainConfig):
        return shape_at(config.init_from) if config.init_from else config.model
    return shape_at(parent_of(config))


def parent_of(config: Any) -> str:
    return config.to_dict()["parent"]


def shape_at(directory: str) -> GPTConfig:
    return read_config(Path(directory) / "config.json")


def fitted(config: Any, hardware: str) -> FitConfig:
    """The micro-batch and recomputation with which the training fits into the hardware. ValueError if none do."""
    if hardware == HERE:
        device = pick_device(config.fit.device)
        room = total_memory(device)
        if room is None:
            raise ValueError(f"how much memory the {device.type} has is not known here: choose a size")
        return memory.suggest(shape_of(config), config.fit, device.type, room / 1024)
    return memory.suggest(shape_of(config), config.fit, "cuda", BUDGETS[hardware])


def plan(stage: str, config: Any) -> dict[str, Any]:
    """Memory by part, and time, as the page shows them under the form."""
    shape, fit = shape_of(config), config.fit
    device = pick_device(fit.device)
    planned = memory.plan(shape, fit, device.type) if device.type in ("cpu", "cuda") else None
    room = total_memory(device)
    rows = memory.micro_batch_size(fit)
    tokens = mean_tokens(stage, config) * fit.batch_size
    seconds = step_seconds(shape, fit, tokens) * fit.max_steps
    return {
        "facts": [
            ["weights", f"{shape.n_params:,}"],
            ["tokens a step", f"{tokens:,.0f}"],
            ["tokens in all", f"{tokens * fit.max_steps:,.0f}"],
            ["micro-batches a step", f"{math.ceil(fit.batch_size / rows)} of {rows}"],
        ],
        "parts": [[name, size / memory.GIB] for name, size in vars(planned).items() if name != "peak"]
        if planned
        else [],
        "peak": planned.peak / memory.GIB if planned else None,
        "room": room / 1024 if room else None,
        "fits": not (planned and room) or planned.peak <= memory.usable(room / 1024, device.type),
        "device": device.type,
        "seconds": seconds,
    }


def mean_tokens(stage: str, config: Any) -> float:
    """Tokens of one example, about: the whole context in pre-training, far fewer where examples have an end."""
    block_size = shape_of(config).block_size
    if stage == "pretrain":
        return block_size
    return sample(stage, config)["mean_length"]


# --- what the model will see ----------------------------------------------------------------------------------


def preview(stage: str, config: Any) -> dict[str, Any]:
    """A few examples as tokens with those that count, and how many there are; problems of the data by line."""
    if stage == "pretrain":
        return preview_text(config)
    found = sample(stage, config)
    return {name: found[name] for name in ("facts", "examples", "problems", "note")}


def sample(stage: str, config: Any) -> dict[str, Any]:
    """What is known of the examples of a fine-tuning, read anew when the data or the vocabulary changes."""
    path = Path(config.data).expanduser()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return SAMPLERS[stage](config.data, parent_of(config), changed, config.skip_bad_lines, config.val_share)


def preview_text(config: PretrainConfig) -> dict[str, Any]:
    corpus = corpora.load(config.corpus)
    size, held_out = (sum(map(len, documents)) for documents in (corpus.train, corpus.val))
    facts = [["characters to learn from", f"{size:,}"], ["characters held out", f"{held_out:,}"]]
    beginning = corpus.train[0][:600]
    if config.tokenizer == "train" and not config.init_from:
        note = "The vocabulary will be learned from this text first, so it has no tokens yet. Every token counts."
        return {"facts": facts, "text": beginning, "examples": [], "problems": [], "note": note}
    tokenizer = Tokenizer.load(config.init_from) if config.init_from else named_tokenizer(config)
    ids = tokenizer.encode(beginning)[:SHOWN_TOKENS]
    example = shown(tokenizer, Example(ids, [True] * len(ids)))
    note = "Blocks of this text, as long as the context, begin anywhere; every token counts in the loss."
    return {"facts": facts, "examples": [example], "problems": [], "note": note}


@functools.lru_cache(maxsize=8)
def sample_conversations(
    data: str, parent: str, changed: int, skip_bad_lines: bool, val_share: float
) -> dict[str, Any]:
    tokenizer, block_size = Tokenizer.load(parent), shape_at(parent).block_size
    if data == PLAYS:
        learned, _ = split(corpora.plays())
        few = [dialogue.messages for dialogue in dialogues(learned[:2], seed=0)]
        chosen, too_long = sft.examples(tokenizer, few, block_size)
        counts = [["plays to learn from", f"{len(learned)}"], ["dialogues in the first two", f"{len(few):,}"]]
        problems: list[str] = []
    else:
        config = SFTConfig.from_dict({"data": data, "skip_bad_lines": skip_bad_lines, "val_share": val_share})
        read = sft.read(config, tokenizer, block_size)
        chosen, too_long, problems = read.train, read.too_long, read.problems
        counts = [["to learn from", f"{len(read.train):,}"], ["held out", f"{len(read.val):,}"]]
    targets, all_tokens = sum(sum(e.mask) for e in chosen), sum(len(e.ids) for e in chosen)
    return {
        "facts": [
            *counts,
            ["tokens in each, on average", f"{all_tokens / len(chosen):.0f}"],
            ["of them count in the loss", f"{targets / all_tokens:.0%}"],
            ["longer than the context, left out", f"{too_long:,}"],
        ],
        "examples": [shown(tokenizer, example) for example in chosen[:: max(1, len(chosen) // SHOWN)][:SHOWN]],
        "problems": problems,
        "note": "Only the answers count in the loss: the model learns to answer and to stop, not to ask.",
        "mean_length": all_tokens / len(chosen),
    }


def shown(tokenizer: Tokenizer, example: Example, at_most: int = SHOWN_TOKENS) -> dict[str, Any]:
    ids = example.ids[:at_most]
    special = set(tokenizer.special_tokens.values())
    return {
        "ids": ids,
        "hexes": [tokenizer.token_bytes(id).hex() for id in ids],
        "special": [id in special for id in ids],
        "mask": example.mask[: len(ids)],
        "cut": len(example.ids) - len(ids),
    }


@functools.lru_cache(maxsize=8)
def sample_labelled(data: str, parent: str, changed: int, skip_bad_lines: bool, val_share: float) -> dict[str, Any]:
    labelled = classification.load(data, val_share, skip_bad_lines=skip_bad_lines)
    tokenizer, most = Tokenizer.load(parent), min(ClassifyConfig().max_tokens, shape_at(parent).block_size)
    found = classification.preview(labelled, tokenizer, most)
    return {
        "facts": [
            *([label, f"{learned:,} + {held_out:,}"] for label, (learned, held_out) in found.counts.items()),
            ["too long, their end cut off", f"{found.n_too_long:,}"],
        ],
        "examples": [shown_class(tokenizer, example) for example in found.examples],
        "problems": list(labelled.problems),
        "note": "Texts of each class: to learn from + held out. The class is read at the last token, which saw all.",
        "mean_length": found.mean_length,
    }


def shown_class(tokenizer: Tokenizer, example: classification.Shown) -> dict[str, Any]:
    """The class is read at the last token, the only one that is coloured."""
    last = Example(example.ids, [False] * (len(example.ids) - 1) + [True])
    return shown(tokenizer, last, at_most=len(example.ids)) | {"label": example.label, "cut": example.n_cut}


SAMPLERS = {"sft": sample_conversations, "classify": sample_labelled}
DATA = {"pretrain": list(CORPORA), "sft": [PLAYS], "classify": [classification.GENRE]}  # what each stage offers itself
