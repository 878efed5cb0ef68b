"""The model card, README.md, as the hub shows it: made from what a checkpoint knows of itself.

Its card.json says how it was trained, on what, and what was measured; samples.jsonl what it wrote. Only names of files
are told, not where they lay: a card is read by others.
"""

import json
import re
from pathlib import Path
from typing import Any

from core.checkpoint import MIXED, Card, is_classifier, is_reward_model, labels, read_card, read_config
from core.evaluation.report_card import figures
from core.stages.registry import STAGES, answers
from core.training.log_lines import read_lines
from core.training.run_directory import Run

SHIPPED_LICENSE = "mit"  # of the models that come with the project
HUB_MODEL = re.compile(r"(\w[\w.-]*/\w[\w.-]*)@[0-9a-f]{40}", re.ASCII)  # how a card calls what came from the hub
SAMPLES = 2


def model_card(directory: Path, license: str = "", model: str = "") -> str:
    """The README.md of the checkpoint in `directory`; `model` is its id on the hub, if it goes there.

    Raises ValueError if the checkpoint cannot be read.
    """
    card, shape = read_card(directory / "card.json"), read_config(directory / "config.json")
    license = license or (SHIPPED_LICENSE if card.shipped else "")
    parts = [
        front_matter(directory, card, license),
        f"# {directory.name}",
        f"{kind_of(directory, card)} with {shape.n_params:,} weights: {shape.n_layer} layers, {shape.n_head} heads, "
        f"{shape.n_embd} wide, a context of {shape.block_size:,} tokens and a vocabulary of {shape.vocab_size:,}.",
        section("How it was made", how_made(card)),
        section("Notes", card.note),
        section("Data", rows(("", ""), card.data)),
        section("Measured", rows(("what", "value"), {one.metric.meaning: str(one) for one in figures(card.report)})),
        section("Samples", samples(directory)),
        section("Use", usage(directory, model or directory.name)),
        section("Settings", rows(("setting", "value"), card.config)),
        section("Licence", license or "None was given: ask whoever has published this model before you use it."),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(directory: Path, card: Card, license: str) -> str:
    """What the hub reads: YAML, in which every JSON value is one."""
    task = "text-classification" if is_classifier(directory) else "text-generation"
    known: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": task, "tags": ["gpt2", "gpt-playground"]}
    if license:
        known["license"] = license
    if card.parent and (found := HUB_MODEL.fullmatch(card.parent)):
        known["base_model"] = found[1]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in known.items()), "---"])


def kind_of(directory: Path, card: Card) -> str:
    if is_reward_model(directory):
        return "A reward model, which scores answers,"
    if is_classifier(directory):
        return f"A GPT-2 that tells {', '.join(labels(directory))} apart,"
    return "A GPT-2 that answers in turns," if answers(card) else "A GPT-2 that continues texts,"


def how_made(card: Card) -> str:
    """By which stage, from which parent, when, with what."""
    parent = file_name(card.parent) if card.parent else ""
    if card.stage in STAGES:
        begun = f" from `{parent}`" if parent else ""
        made = f"Trained{begun} in {card.step:,} optimiser steps. {STAGES[card.stage].summary}"
    elif mixed := card.data.get(MIXED):
        added = ", ".join(f"{a:g} times what `{name}` has learned" for name, a in mixed.items())
        made = f"Mixed: `{parent}` and {added}, by task arithmetic, without training."
    elif MIXED in card.data:
        made = f"Made of `{parent}` by a steering vector, without training."
    else:
        made = f"Imported from `{parent}`." if parent else "Imported from elsewhere."
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    return f"{made} Made on {card.created[:10]} with {versions}."


def last_samples(directory: Path) -> list[str]:
    """The last texts that it wrote in training, the latest first, each of them once."""
    lines = read_lines(Run(directory).samples)[0]
    return [*dict.fromkeys(f"{line.get('prompt', '')}{line.get('text', '')}" for line in lines[::-1])][:SAMPLES]


def samples(directory: Path) -> str:
    texts = last_samples(directory)
    return "\n\n".join("\n".join(f"    {row}" for row in text.splitlines()) for text in texts)


def usage(directory: Path, place: str) -> str:
    kind = "AutoModelForSequenceClassification" if is_classifier(directory) else "AutoModelForCausalLM"
    return (
        f"```python\nfrom transformers import {kind}, AutoTokenizer\n\n"
        f'model = {kind}.from_pretrained("{place}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{place}")\n```'
    )


def section(title: str, content: str) -> str:
    return f"## {title}\n\n{content}" if content else ""


def rows(head: tuple[str, str], values: dict[str, Any]) -> str:
    """A Markdown table; "" of nothing."""
    lines = (f"| {cell(key)} | {cell(value)} |" for key, value in values.items())
    return "\n".join([f"| {head[0]} | {head[1]} |", "| --- | --- |", *lines]) if values else ""


def cell(value: Any) -> str:
    text = " ".join(map(file_name, str(value).split(" ")))
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def file_name(word: str) -> str:
    """The last part of a path on this machine; anything else, and a model's id on the hub, as it is."""
    is_path = Path(word).is_absolute() or word.startswith(("~/", "./", "../", "checkpoints/"))
    return Path(word).name if is_path else word
