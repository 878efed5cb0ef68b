"""Prompts for a model whose answers are to be compared: lines from the plays, or a person's own."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core.chat_template import encode_prompt, with_template
from core.checkpoint import read_config
from core.datasets.conversations import Example
from core.datasets.files import read_file
from core.datasets.instructions import (
    Instruction,
    draw_instructions,
    draw_name,
    exchanges,
    instruction_sentence,
    names_of,
    satisfied_instructions,
    split,
)
from core.datasets.messages import is_messages, read_messages
from core.datasets.preview import SHOWN, Preview, show_example
from core.datasets.records import find_records, parse_records
from core.datasets.shakespeare import Play, plays
from core.tokenizer import Tokenizer

PLAYS = "plays"  # the prompts that need no file
LEARNED_PROMPTS, MEASURED_PROMPTS = 4000, 32  # that a policy learns on and is measured on, at most
PLAIN = 0.5  # share of the prompts that are a cue and nothing else
OF_OWN_PROMPTS = ("prompts", "too long, left out")  # counts that say nothing of prompts of which there are always more
KINDS = ("speaker", "lines", "mention", "begin")  # instructions that leave open how an answer ends


def play_prompts(texts: Iterable[Play], seed: int) -> Iterator[str]:
    """Different cues from the plays, in random order; to half of them an instruction that the real reply follows."""
    chance = random.Random(seed)
    pairs = [(cue, openings) for play in texts for cue, openings in exchanges(play)]
    chance.shuffle(pairs)
    known: set[str] = set()
    for cue, openings in pairs:
        possible = [i for i in satisfied_instructions(chance.choice(openings)) if i.kind in KINDS]
        plain = chance.random() < PLAIN or not possible
        prompt = cue if plain else f"{cue}\n\n{instruction_sentence([chance.choice(possible)])}"
        if prompt not in known:
            known.add(prompt)
            yield prompt


def instructed_prompts(texts: Iterable[Play], count: int, seed: int) -> dict[str, tuple[Instruction, ...]]:
    """Different cues from the plays, each with one or two instructions that its real reply follows, and those.

    Names are drawn as where they are taught.
    """
    chance, texts = random.Random(seed), list(texts)
    cast = names_of(texts)
    pairs = [(cue, openings) for play in texts for cue, openings in exchanges(play)]
    chance.shuffle(pairs)
    prompts: dict[str, tuple[Instruction, ...]] = {}
    for cue, openings in pairs:
        if len(prompts) == count:
            break
        reply = replace(chance.choice(openings), speaker=draw_name(cast, chance))
        chosen = draw_instructions(satisfied_instructions(reply), chance)
        if chosen:
            prompts[f"{cue}\n\n{instruction_sentence(chosen)}"] = tuple(chosen)
    return prompts


def learned_and_measured_prompts(source: str, seed: int) -> tuple[list[str], list[str]]:
    """(prompts to learn on, prompts to measure on): from the plays, or from a person's own file.

    Raises ValueError if the file holds a single one.
    """
    if source == PLAYS:
        return learning_prompts(LEARNED_PROMPTS, seed), held_out_prompts(MEASURED_PROMPTS)
    given = np.random.default_rng(seed).permutation(np.array(read_prompts(source), dtype=object)).tolist()
    if len(given) < 2:
        raise ValueError(f"{Path(source).name} holds one prompt: at least 2 are needed, one to measure on")
    count = min(MEASURED_PROMPTS, max(1, len(given) // 10))
    return given[count:], given[:count]


def learning_prompts(count: int, seed: int) -> list[str]:
    """The first of `every_learning_prompt`."""
    return list(islice(every_learning_prompt(seed), count))


def every_learning_prompt(seed: int) -> Iterator[str]:
    """From the plays that models learn from."""
    return play_prompts(split(plays())[0], seed)


def held_out_prompts(count: int, seed: int = 0) -> list[str]:
    """From the two plays that no model here has learned from: to measure on."""
    return list(islice(play_prompts(split(plays())[1], seed), count))


def read_prompts(path: str | Path) -> list[str]:
    """A person's own prompts, without repetitions: a text with one a line, or records with "prompt".

    "prompt" is a text or one message of the user. Raises ValueError that names what cannot be read, and if nothing is
    there.
    """
    file = read_file(path, "prompts")
    if file.ending in (".json", ".jsonl", ".csv", ".tsv") or file.is_parquet:
        read, _ = parse_records(find_records(file), parse_prompt, skip_bad_lines=False)
        found = dict.fromkeys(prompt for _, prompt in read)
    else:
        found = dict.fromkeys(line.strip() for line in file.text()[0].splitlines() if line.strip())
    if not found:
        raise ValueError(f"{file.name} holds no prompt: write one a line")
    return list(found)


def parse_prompt(item: Any) -> tuple[str, str]:
    """(prompt, name of the layout) of one record."""
    prompt = item.get("prompt") if isinstance(item, dict) else None
    if is_messages(prompt):
        said = read_messages(prompt, "prompt")
        if [message["role"] for message in said] != ["user"]:
            raise ValueError("the prompt has several turns or a system text: only a single question is answered here")
        prompt = said[0]["content"]
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError('there is no text called "prompt"')
    return prompt.strip(), "prompts"


def fitting_prompts(
    tokenizer: Tokenizer, prompts: Iterable[str], max_new_tokens: int, block_size: int
) -> list[list[int]]:
    """As tokens, those that leave room for an answer. Raises ValueError if none does."""
    encoded = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    fitting = [ids for ids in encoded if len(ids) + max_new_tokens < block_size]
    if not fitting:
        raise ValueError(
            f"every prompt leaves less than max_new_tokens = {max_new_tokens} of the context's {block_size} "
            "tokens for the answer: give shorter prompts, or a smaller max_new_tokens"
        )
    return fitting


def preview_prompts(prompts: Sequence[str], parent: str, max_new_tokens: int, note: str) -> Preview:
    """What the model at `parent` will be asked. Raises ValueError in words if no prompt leaves room for an answer."""
    tokenizer = with_template(Tokenizer.load(parent))
    block_size = read_config(Path(parent) / "config.json").block_size
    fitting = fitting_prompts(tokenizer, prompts, max_new_tokens, block_size)
    lengths = [len(ids) for ids in fitting]
    counts = zip(OF_OWN_PROMPTS, (len(fitting), len(prompts) - len(fitting)), strict=True)
    return Preview(
        [
            *counts,
            ("tokens in a prompt, on average", round(sum(lengths) / len(lengths))),
            ("tokens in an answer, at most", max_new_tokens),
        ],
        [show_example(tokenizer, Example(ids, [False] * len(ids))) for ids in fitting[:SHOWN]],
        note,
        mean_length=sum(lengths) / len(lengths) + max_new_tokens / 2,
        longest=max(lengths) + max_new_tokens,
    )
