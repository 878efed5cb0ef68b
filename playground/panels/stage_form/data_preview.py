"""What a model will see of its data: a few examples as tokens, with those that count."""

import functools
from pathlib import Path
from typing import Any

from core.checkpoint import read_config
from core.datasets import classification
from core.datasets import shakespeare as corpora
from core.datasets.conversations import Example
from core.datasets.instructions import dialogues, split
from core.model import GPTConfig
from core.stages import sft
from core.stages.classify import ClassifyConfig
from core.stages.pretrain import PretrainConfig, named_tokenizer
from core.stages.sft import PLAYS, SFTConfig
from core.tokenizer import Tokenizer

SHOWN = 3  # examples
SHOWN_TOKENS = 160  # of each


def shape_at(directory: str) -> GPTConfig:
    return read_config(Path(directory) / "config.json")


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
    view = shown(tokenizer, last, at_most=len(example.ids))
    return view | {"title": f"Class: {example.label}", "read": "class", "cut": example.n_cut}


def conversations(config: SFTConfig) -> dict[str, Any]:
    return sample_conversations(*what_decides(config))


def labelled_texts(config: ClassifyConfig) -> dict[str, Any]:
    return sample_labelled(*what_decides(config))


def what_decides(config: SFTConfig | ClassifyConfig) -> tuple[str, str, int, bool, float]:
    """The settings on which examples depend, and when the data was changed last."""
    path = Path(config.data).expanduser()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return config.data, config.to_dict()["parent"], changed, config.skip_bad_lines, config.val_share
