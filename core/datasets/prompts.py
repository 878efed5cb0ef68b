"""Prompts for a model whose answers are to be compared: lines from the plays, or a person's own."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.chat_template import encode_prompt, with_template
from core.checkpoint import read_config
from core.config import describe_os_error
from core.datasets.conversations import Example
from core.datasets.instructions import exchanges, instruction_sentence, satisfied_instructions, split
from core.datasets.preview import SHOWN, Preview, show_example
from core.datasets.shakespeare import Play, plays
from core.tokenizer import Tokenizer

PLAIN = 0.5  # share of the prompts that are a cue and nothing else
OF_OWN_PROMPTS = ("prompts", "too long, left out")  # counts that say nothing of prompts of which there are always more
KINDS = ("speaker", "lines", "mention", "begin")  # instructions that leave open how an answer ends


def play_prompts(texts: Iterable[Play], count: int, seed: int) -> list[str]:
    """Different cues from the plays, in random order; to half of them an instruction that the real reply follows."""
    chance = random.Random(seed)
    pairs = [(cue, openings) for play in texts for cue, openings in exchanges(play)]
    chance.shuffle(pairs)
    prompts: dict[str, None] = {}
    for cue, openings in pairs:
        if len(prompts) == count:
            break
        possible = [i for i in satisfied_instructions(chance.choice(openings)) if i.kind in KINDS]
        plain = chance.random() < PLAIN or not possible
        prompts[cue if plain else f"{cue}\n\n{instruction_sentence([chance.choice(possible)])}"] = None
    return list(prompts)


def learning_prompts(count: int, seed: int) -> list[str]:
    """From the plays that models learn from."""
    return play_prompts(split(plays())[0], count, seed)


def held_out_prompts(count: int, seed: int = 0) -> list[str]:
    """From the two plays that no model here has learned from: to measure on."""
    return play_prompts(split(plays())[1], count, seed)


def read_prompts(path: str | Path) -> list[str]:
    """A person's own prompts, without repetitions: a .txt with one a line, or JSON lines with "prompt".

    "prompt" is a text, or a conversation of which the last message of the user counts. Raises ValueError that names
    what cannot be read, and if nothing is there.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"prompts {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start:,} cannot be read)") from error
    found: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            prompt = line if path.suffix != ".jsonl" else prompt_of(line, f"{path.name}, line {number}")
            found[prompt.strip()] = None
    if not found:
        raise ValueError(f"{path.name} holds no prompt: write one a line")
    return list(found)


def prompt_of(line: str, place: str) -> str:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: this is no JSON ({error})") from None
    prompt = item.get("prompt") if isinstance(item, dict) else None
    if isinstance(prompt, list):
        said = [m.get("content") for m in prompt if isinstance(m, dict) and m.get("role") == "user"]
        prompt = said[-1] if said else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f'{place}: there is no text called "prompt"')
    return prompt


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
