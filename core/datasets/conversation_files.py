"""Conversations in files, in the layouts of the best-known data sets: see `LAYOUTS`.

What comes out of all of them is a list of {"role", "content"} messages, by system, user and assistant, whose last one
is an answer. Blanks in answers are kept: of code they are a part.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.atomic_files import write_text
from core.chat_template import BLANK_LINE
from core.datasets.messages import (
    Messages,
    is_absent,
    is_messages,
    is_transcript,
    join_input,
    message,
    read_history,
    read_messages,
    text_of,
    with_system,
)
from core.datasets.recognised import LeftOut, Recognised
from core.datasets.records import parse_records, read_records

ASKED, ANSWERED = {"role": "user", "content": "What is the hour?"}, {"role": "assistant", "content": "Noon."}
LAYOUTS: dict[str, Any] = {  # what is recognised, with an example of each
    "OpenAI messages": {"messages": [{"role": "system", "content": "Be brief."}, ASKED, ANSWERED]},
    "ShareGPT": {"conversations": [{"from": "human", "value": "What is the hour?"}, {"from": "gpt", "value": "Noon."}]},
    "a bare list of messages": [ASKED, ANSWERED],
    "texts by turns": {"data": ["What is the hour?", "Noon."]},
    "Alpaca": {"instruction": "Translate.", "input": "Uhr", "output": "clock", "system": "", "history": []},
    "Dolly": {"instruction": "Translate.", "context": "Uhr", "response": "clock"},
    "prompt and completion": {"prompt": "What is the hour?", "completion": "Noon."},
    "question and answer": {"question": "What is the hour?", "answer": "Noon."},
    "HH-RLHF": {"chosen": "\n\nHuman: What is the hour?\n\nAssistant: Noon."},
}
TURNS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat", "data")
QUESTIONS = ("instruction", "prompt", "question", "query", "problem", "user", "human", "q", "inputs", "input")
CONTEXTS = ("input", "context")  # what the question is about
ANSWERS = (
    *(
        "output",
        "response",
        "completion",
        "answer",
        "reply",
        "solution",
        "target",
        "assistant",
        "gpt",
        "bot",
        "ai",
        "a",
    ),
    *("targets", "outputs"),
)
BY_KEYS = {  # question, answer: how the layout is called; others bear the names of their keys
    ("instruction", "output"): "Alpaca",
    ("instruction", "response"): "Dolly",
}
CUT = "its last turn, which has no answer, is left out; the conversation before it is read"


@dataclass(frozen=True)
class Conversations:
    """What a file holds, and how it was read."""

    name: str
    messages: list[Messages]
    recognised: Recognised = field(default_factory=Recognised)

    @property
    def problems(self) -> list[str]:
        """What was left out, guessed or changed, in words."""
        return self.recognised.sentences

    def split(self, share: float, seed: int) -> tuple[list[Messages], list[Messages]]:
        """(to learn from, held out), by content: what stands there twice is on one side only; at least one of each.

        Raises ValueError if there are fewer than two different ones.
        """
        different = {json.dumps(messages): messages for messages in self.messages}
        if len(different) < 2:
            repeats = f" that differ, of {len(self.messages):,}" if len(self.messages) > len(different) else ""
            raise ValueError(f"{self.name} holds {len(different)} usable conversations{repeats}: at least 2 are needed")
        shuffled = random.Random(seed).sample(list(different), len(different))
        count = min(max(1, round(share * len(shuffled))), len(shuffled) - 1)
        held_out = set(shuffled[:count])
        if len(different) == len(self.messages):
            return [different[key] for key in shuffled[count:]], [different[key] for key in shuffled[:count]]
        return [m for m in self.messages if json.dumps(m) not in held_out], [different[key] for key in shuffled[:count]]


def read_conversations(
    path: str | Path, skip_bad_lines: bool = False, input_heading: str = BLANK_LINE
) -> Conversations:
    """Conversations in any of LAYOUTS, as JSON lines, a JSON list, a table or parquet.

    input_heading: between Alpaca's instruction and its input, see core/chat_template.py.
    Raises ValueError that names the first bad line, unless those are to be skipped, and if nothing is left. A question
    at the end is left out in either case, and counted.
    """
    found = find_conversations(path, skip_bad_lines, input_heading)
    if not found.messages:
        left_out = found.recognised.left_out
        raise ValueError(f"{found.name} holds no conversation{f'; {left_out[0]}' if left_out else ''}")
    return found


def write_conversations(path: str | Path, conversations: Sequence[Messages]) -> None:
    """{"messages": [...]}, one a line. Raises ValueError if there are none."""
    if not conversations:
        raise ValueError("there is no edited answer yet: press Edit under an answer in Chat")
    lines = (json.dumps({"messages": messages}, ensure_ascii=False) + "\n" for messages in conversations)
    write_text(Path(path), "".join(lines))


def find_conversations(path: str | Path, skip_bad_lines: bool, input_heading: str = BLANK_LINE) -> Conversations:
    """The same of a file in which there may be none."""
    found = read_records(path, "conversations")

    def parse(item: Any) -> tuple[tuple[Messages, bool], str]:
        return parse_conversation(join_input(item, input_heading))

    read, recognised = parse_records(found, parse, skip_bad_lines)
    trimmed = [LeftOut(line, CUT, in_part=True) for line, (_, is_cut) in read if is_cut]
    return Conversations(found.file.name, [messages for _, (messages, _) in read], recognised.with_left_out(trimmed))


def parse_conversation(item: Any) -> tuple[tuple[Messages, bool], str]:
    """((messages up to the last answer, was something behind it?), name of the layout) of one record.

    Raises ValueError that says what is missing, empty or unknown.
    """
    messages, layout = recognise(item)
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise ValueError("no message is the assistant's: there is no answer to learn")
    kept = messages[: answers[-1] + 1]
    return (kept, len(kept) < len(messages)), layout


def recognise(item: Any) -> tuple[Messages, str]:
    """All messages of one record, and the name of its layout."""
    if isinstance(item, list):
        return read_messages(item, "the list"), "a bare list of messages"
    if not isinstance(item, dict):
        raise ValueError("this is no object in braces")
    item = {str(key).strip().lower(): value for key, value in item.items()}
    if turns := next((key for key in TURNS if item.get(key) is not None), ""):
        return read_turns(item, turns)
    if is_transcript(item.get("chosen")):
        return read_messages(item["chosen"], "chosen"), "HH-RLHF"
    question = next((key for key in QUESTIONS if not is_absent(item.get(key))), "")
    answer = next((key for key in ANSWERS if key in item and key != question), "")
    if not question or not answer:
        raise ValueError(what_is_missing(item, question))
    return read_exchange(item, question, answer), BY_KEYS.get((question, answer), f"{question} and {answer}")


def what_is_missing(item: Mapping[str, Any], question: str) -> str:
    known = ", ".join(item) or "nothing"
    if "chosen" in item and "rejected" in item:
        return "it is a pair of answers, from which DPO and a reward model learn: give a single answer"
    what = f"no answer to {question!r}" if question else 'neither "messages" nor a question with an answer'
    return f"it holds {what} (it has: {known})"


def read_turns(item: Mapping[str, Any], key: str) -> tuple[Messages, str]:
    value = item[key]
    if isinstance(value, str) and value.lstrip().startswith("["):  # of a table
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f'"{key}" is no JSON ({error})') from None
    messages = read_messages(value, key)
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        layout = "texts by turns"
    else:
        shared = isinstance(value, list) and isinstance(value[0], dict) and "from" in value[0]
        layout = "ShareGPT" if shared else "OpenAI messages"
    return headed(item, messages), layout


def read_exchange(item: Mapping[str, Any], question: str, answer: str) -> Messages:
    """A question, what it is about, and an answer; with what was said before."""
    asked, said = item[question], item[answer]
    if is_messages(asked) or is_transcript(asked):
        before = read_messages(asked, question)
    else:
        about = next((str(item[key]) for key in CONTEXTS if key != question and not is_absent(item.get(key))), "")
        parts = [text_of(asked, "the question"), *([about] if about.strip() else [])]
        before = [message("user", "\n\n".join(parts))]
    after = read_messages(said, answer) if is_messages(said) else [message("assistant", text_of(said, "the answer"))]
    return headed(item, [*read_history(item.get("history")), *before, *after])


def headed(item: Mapping[str, Any], messages: Messages) -> Messages:
    """The messages, headed by the system text that stands beside them."""
    if messages[0]["role"] == "system":
        return messages
    return with_system(item.get("system") or item.get("system_prompt"), messages)
