"""Conversations: as tokens, which of them are learned, as batches, and as people keep them in files.

    <|user|>What is the matter?<|assistant|>Between who?<|endoftext|>

Only what the assistant says counts in the loss, its closing <|endoftext|> included, so that the model learns to answer
and to stop, and not to ask (Touvron et al. 2023, arXiv:2307.09288, section 3.1, which also leaves the user's tokens out
of the loss).
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.config import describe_os_error
from core.datasets.batch import Batch
from core.datasets.length_buckets import Buckets
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import ASSISTANT, END_OF_TEXT, USER, Tokenizer

ROLES = {"user": USER, "assistant": ASSISTANT}


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[bool]]:
    """Ids of a conversation of {"role", "content"} messages, and its mask: which TOKENS are targets of the loss.

    What people type never becomes a special token. Raises ValueError for a vocabulary without the special tokens, an
    unknown role, no message or an empty one.
    """
    missing = [token for token in (USER, ASSISTANT, END_OF_TEXT) if token not in tokenizer.special_tokens]
    if missing:
        raise ValueError(
            f"this vocabulary has no {' and no '.join(missing)}, so it cannot say whose turn it is: "
            "choose one that was trained here"
        )
    if not messages:
        raise ValueError("the conversation is empty: it needs at least one message")
    ids: list[int] = []
    mask: list[bool] = []
    for number, message in enumerate(messages, 1):
        role, content = message["role"], message["content"]
        if role not in ROLES:
            raise ValueError(f"message {number} has the role {role!r}: it must be {' or '.join(ROLES)}")
        if not content:
            raise ValueError(f"message {number}, of the {role}, is empty")
        said = tokenizer.encode(content)
        counts = role == "assistant"
        ids += [tokenizer.special_tokens[ROLES[role]], *said]
        mask += [False, *[counts] * len(said)]
        if counts:
            ids.append(tokenizer.eot)
            mask.append(True)
    return ids, mask


def encode_prompt(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """Ids of a conversation so far, and the sign that it is the assistant's turn. ValueErrors as in `encode_chat`."""
    return [*encode_chat(tokenizer, messages)[0], tokenizer.special_tokens[ASSISTANT]]


def turn_ends(tokenizer: Tokenizer) -> set[int]:
    """The ids with which an answer ends."""
    return {tokenizer.eot, *(tokenizer.special_tokens[token] for token in ROLES.values())}


# --- batches --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A conversation as tokens, and which of them are targets."""

    ids: list[int]
    mask: list[bool]


def examples(
    tokenizer: Tokenizer, conversations: Sequence[Sequence[Mapping[str, str]]], block_size: int
) -> tuple[list[Example], int]:
    """The conversations that fit into the context, and how many are too long for it and left out."""
    encoded = [Example(*encode_chat(tokenizer, messages)) for messages in conversations]
    fitting = [example for example in encoded if len(example.ids) <= block_size + 1]  # the last is only a target
    return fitting, len(encoded) - len(fitting)


def collate(chosen: Sequence[Example]) -> Batch:
    """The examples side by side, (B, T), filled up on the right with what does not count."""
    T = max(len(example.ids) for example in chosen) - 1
    inputs = torch.zeros(len(chosen), T, dtype=torch.long)
    targets = torch.full((len(chosen), T), IGNORE_INDEX)
    for row, example in enumerate(chosen):
        ids, counts = torch.tensor(example.ids), torch.tensor(example.mask)
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = torch.where(counts, ids, IGNORE_INDEX)[1:]
    return Batch(inputs, targets)


class ChatBatches:
    """Training batches of examples of about equal length, as a pure function of the step (see `Buckets`)."""

    def __init__(self, chosen: Sequence[Example], batch_size: int, seed: int):
        if not chosen:
            raise ValueError("there is no conversation to learn from: give more, or shorter ones")
        self.examples = chosen
        self.buckets = Buckets([len(example.ids) for example in chosen], batch_size, seed)

    def __call__(self, step: int) -> Batch:
        return collate([self.examples[i] for i in self.buckets(step)])


# --- files ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conversations:
    """What a file holds, and what in it could not be used, by line."""

    name: str
    messages: list[list[dict[str, str]]]
    problems: list[str] = field(default_factory=list)

    def split(self, share: float, seed: int) -> tuple[list[list[dict[str, str]]], list[list[dict[str, str]]]]:
        """(to learn from, held out); at least one of each. Raises ValueError if there are fewer than two."""
        if len(self.messages) < 2:
            raise ValueError(f"{self.name} holds {len(self.messages)} usable conversations: at least 2 are needed")
        shuffled = random.Random(seed).sample(self.messages, len(self.messages))
        count = min(max(1, round(share * len(shuffled))), len(shuffled) - 1)
        return shuffled[count:], shuffled[:count]


def read_conversations(path: str | Path, skip_bad_lines: bool = False) -> Conversations:
    """Conversations from a file: Alpaca's JSON, a list of {"instruction", "input", "output"}, or JSON lines.

    A line of a .jsonl holds {"messages": [{"role", "content"}, ...]}, or one of Alpaca's objects. Raises ValueError
    that names the first bad line, unless bad lines are to be skipped; then `problems` names them all.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"conversations {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start:,} cannot be read)") from error
    found: list[list[dict[str, str]]] = []
    problems: list[str] = []
    for line, item in items(text):
        try:
            found.append(conversation(item() if callable(item) else item))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            if not skip_bad_lines:
                hint = "mend it, or switch skip_bad_lines on"
                raise ValueError(f"{path.name}, {problems[0]}; {hint}") from error
    if not found:
        raise ValueError(f"{path.name} holds no conversation" + (f"; {problems[0]}" if problems else ""))
    return Conversations(path.name, found, problems)


def items(text: str) -> Iterator[tuple[int, Any]]:
    """(line number, value or a function that parses it) of a JSON list, or of JSON lines."""
    if text.lstrip().startswith("["):
        yield from parse_json_list(text)
        return
    for number, line in enumerate(text.split("\n"), 1):  # JSON strings may hold other ends of lines, such as U+2028
        if line.strip():
            yield number, lambda line=line: parse_json_line(line)


def parse_json_line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"this is no JSON ({error})") from None


def parse_json_list(text: str) -> Iterator[tuple[int, Any]]:
    """The values of a JSON list with the lines in which they begin; what follows a broken one cannot be read."""
    decoder, position = json.JSONDecoder(), text.index("[") + 1
    gap = re.compile(r"[\s,]*")
    while True:
        match = gap.match(text, position)
        position = match.end() if match else position
        line = text.count("\n", 0, position) + 1
        if text.startswith("]", position):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            reason = f"this is no JSON, and what follows cannot be read ({error})"
            yield line, lambda reason=reason: refuse(reason)
            return
        yield line, value


def refuse(reason: str) -> Any:
    raise ValueError(reason)


def conversation(item: Any) -> list[dict[str, str]]:
    """The messages of one record. Raises ValueError that says what is missing, empty or out of turn."""
    if not isinstance(item, dict):
        raise ValueError("this is no object in braces")
    if "messages" not in item:
        if not isinstance(item.get("instruction"), str) or not isinstance(item.get("output"), str):
            raise ValueError('it holds neither "messages" nor "instruction" and "output"')
        given = str(item.get("input") or "").strip()
        asked = "\n\n".join(part for part in (item["instruction"].strip(), given) if part)
        item = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": item["output"]}]}
    if not isinstance(item["messages"], list) or not item["messages"]:
        raise ValueError('"messages" is no list with messages in it')
    said: list[dict[str, str]] = []
    for message in item["messages"]:
        role, content = (message.get(key) if isinstance(message, dict) else None for key in ("role", "content"))
        if role not in list(ROLES) or not isinstance(content, str):  # a role may be anything, a list, say
            raise ValueError(f'a message needs "content" and the "role" {" or ".join(ROLES)}, not {role!r}')
        if not content.strip():
            raise ValueError(f"the {'answer' if role == 'assistant' else 'question'} is empty")
        said.append({"role": role, "content": content.strip()})
    if said[-1]["role"] != "assistant":
        raise ValueError("the last message is not the assistant's: there is no answer to learn")
    return said
