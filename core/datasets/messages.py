"""Messages as files write them: who says what, by any of the usual names.

    {"role": "user", "content": "Who's there?"}   {"from": "human", "value": "Who's there?"}

What comes out of all of them is the first, with the role "system", "user" or "assistant".
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Messages = list[dict[str, str]]
ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter", "customer", "instruction"),
    "assistant": ("assistant", "gpt", "bot", "model", "chatgpt", "chatbot", "ai", "agent", "bing", "bard", "claude"),
}
ROLE_OF = {name: role for role, known in ROLES.items() for name in known}
ROLE_KEYS, CONTENT_KEYS = ("role", "from", "speaker", "author"), ("content", "value", "text", "message")
TURN = re.compile(r"\n\n(Human|Assistant):", re.IGNORECASE)  # of a transcript, as HH-RLHF writes it


def text_of(value: Any, what: str) -> str:
    """A text; a number as it is written; parts of a content joined. Raises ValueError for an empty or another one."""
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        value = "".join(map(text_of_part, value))
    elif is_absent(value):
        value = ""
    elif isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise ValueError(f"{what} is neither a text nor a list of messages")
    if not value.strip():
        raise ValueError(f"{what} is empty")
    if re.search("[\ud800-\udfff]", value):
        raise ValueError(f"{what} holds half of a character, which no file can keep")
    return value


def is_absent(value: Any) -> bool:
    """Is nothing there? Tables of numbers say so with "not a number"."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_messages(value: Any) -> bool:
    """Is it a message, or a list of them, and not of texts?"""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def text_of_part(part: dict[str, Any]) -> str:
    """Of a content in parts, one of text. Raises ValueError that names another kind."""
    kind = part.get("type", "text")
    if kind not in ("text", "input_text", "output_text") or not isinstance(part.get("text"), str):
        raise ValueError(f"a content has a part of the type {kind!r}: only text can be read")
    text: str = part["text"]
    return text


def read_messages(value: Any, what: str) -> Messages:
    """value: a list of messages, or of texts by turns; a single one; or a transcript. Raises ValueError in words."""
    if is_transcript(value):
        return read_transcript(value)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not value:
        raise ValueError(f'"{what}" is no list with messages in it')
    if all(isinstance(item, str) for item in value):  # by turns
        return [message(("user", "assistant")[i % 2], text_of(text, "a message")) for i, text in enumerate(value)]
    return [read_message(item) for item in value]


def read_message(item: Any) -> dict[str, str]:
    found = item if isinstance(item, dict) else {}
    given = next((found[key] for key in ROLE_KEYS if key in found), None)
    role = ROLE_OF.get(given.strip().lower()) if isinstance(given, str) else None
    key = next((key for key in CONTENT_KEYS if key in found), None)
    if role is None or key is None:
        known = ", ".join(ROLES)
        raise ValueError(f'a message needs "content" and one of the roles {known} or their usual names, not {given!r}')
    return message(role, text_of(found[key], NAMES[role]))


NAMES = {"system": "the system text", "user": "the question", "assistant": "the answer"}


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def is_transcript(value: Any) -> bool:
    return isinstance(value, str) and TURN.match("\n\n" + value.lstrip()) is not None


def read_transcript(text: str) -> Messages:
    """HH-RLHF's: "\\n\\nHuman: ...\\n\\nAssistant: ...". A last turn with nothing in it yet is no message."""
    pieces = TURN.split("\n\n" + text.lstrip())[1:]  # role, content, role, content ...
    said = [(ROLE_OF[role.lower()], content) for role, content in zip(pieces[::2], pieces[1::2], strict=True)]
    if said and not said[-1][1].strip():
        said = said[:-1]
    return [message(role, text_of(content.removeprefix(" "), NAMES[role])) for role, content in said]


def join_input(item: Any, heading: str) -> Any:
    """An Alpaca record with its input below its instruction, behind a heading; any other value as it is."""
    given = item.get("input") if isinstance(item, Mapping) else None
    if isinstance(given, str) and given.strip() and isinstance(item.get("instruction"), str):
        return {**item, "instruction": f"{item['instruction']}{heading}{given}", "input": ""}
    return item


def with_system(system: Any, messages: Messages) -> Messages:
    """The messages, headed by a system text if there is one."""
    given = not is_absent(system) and str(system).strip()
    return [message("system", text_of(system, "the system text")), *messages] if given else messages


def read_history(value: Any) -> Messages:
    """[[question, answer], ...], as Alpaca's "history" has it."""
    if is_absent(value) or not value:
        return []
    if not isinstance(value, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise ValueError('"history" is no list of [question, answer]')
    return [
        message(role, text_of(text, f"a message of history by the {role}"))
        for pair in value
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def describe_messages(messages: Sequence[Mapping[str, str]]) -> str:
    """For people to read: a question alone as it is, several messages with who says each."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in messages)
