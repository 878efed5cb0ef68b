"""Thumbs: single answers that someone calls good or bad, in files and beside preferences.

    {"prompt": [{"role": "user", "content": "Who's there?"}], "completion": [...], "label": true}

TRL calls this an unpaired preference, and KTO learns from it. A file may hold preferences as well, of which each says
two things: its preferred answer is good, the other one is bad. A tie says neither.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.atomic_files import write_text
from core.chat_template import BLANK_LINE
from core.config import plural
from core.datasets.messages import Messages, is_absent, join_input, message
from core.datasets.open_webui import is_feedback, read_feedback_record
from core.datasets.preference_files import (
    BY_PROMPT,
    Asked,
    Preference,
    Preferences,
    Turns,
    find_answers,
    parse_preference,
    read_answer,
    read_prompt,
)
from core.datasets.recognised import Recognised
from core.datasets.records import parse_records, read_records

LAYOUT = "TRL, unpaired"
ANSWERS = ("completion", "response", "output", "answer")
LABELS = ("label", "kto_tag", "rating", "thumb")
UP, DOWN = ("true", "1", "1.0", "up", "good"), ("false", "0", "0.0", "-1", "-1.0", "down", "bad")


@dataclass(frozen=True)
class Thumb(Asked):
    """An answer, and whether it is good."""

    prompt: str  # the last thing that the user says
    answer: str
    up: bool
    history: Turns = ()  # what was said before the prompt
    tie: bool = field(default=False, init=False)


@dataclass(frozen=True)
class Feedback:
    """What a file holds, and how it was read."""

    name: str
    digest: str  # sha256 of the file
    pairs: list[Preference]
    thumbs: list[Thumb]
    recognised: Recognised

    @property
    def preferences(self) -> Preferences:
        return Preferences(self.name, self.pairs, self.digest, self.recognised)

    @property
    def as_thumbs(self) -> list[Thumb]:
        """All that it says of single answers."""
        return [*self.thumbs, *thumbs_of(self.pairs)]


def thumbs_of(pairs: Iterable[Preference]) -> list[Thumb]:
    """Of each preference that is no tie, its two answers."""
    return [
        Thumb(pair.prompt, answer, up, pair.history)
        for pair in pairs
        if not pair.tie
        for answer, up in ((pair.chosen, True), (pair.rejected, False))
    ]


def count_thumbs(thumbs: Sequence[Thumb]) -> str:
    ups = sum(thumb.up for thumb in thumbs)
    return f"{plural(len(thumbs), 'thumb')}: {ups:,} up, {len(thumbs) - ups:,} down"


def read_feedback(path: str | Path, skip_bad_lines: bool = False, input_heading: str = BLANK_LINE) -> Feedback:
    """Thumbs and preferences of a file. Raises ValueError that names the first bad line, unless those are skipped."""
    found = read_records(path, "votes")

    def parse(item: Any) -> tuple[list[Preference | Thumb], str]:
        if is_feedback(item):
            return read_open_webui(item)
        if is_thumb(item):
            return [parse_thumb(join_input(item, input_heading))], LAYOUT
        pair, layout = parse_preference(join_input(item, input_heading))
        return [pair], layout

    lines, recognised = parse_records(found, parse, skip_bad_lines)
    every = [one for _, some in lines for one in some]
    pairs = [one for one in every if isinstance(one, Preference)]
    thumbs = [one for one in every if isinstance(one, Thumb)]
    return Feedback(found.file.name, found.file.digest, pairs, thumbs, recognised)


def read_open_webui(item: Mapping[str, Any]) -> tuple[list[Preference | Thumb], str]:
    """What a rating of Open WebUI says. Beside other answers to the same line, it was better or worse than each."""
    asked, answer, beside, up = read_feedback_record(item)
    *before, last = asked
    history = tuple((one["role"], one["content"]) for one in before)
    if not beside:
        return [Thumb(last["content"], answer, up, history)], "Open WebUI, thumbs"
    sides = [(answer, other) if up else (other, answer) for other in beside]
    return [Preference(last["content"], *both, history=history) for both in sides], "Open WebUI, one of several answers"


def is_thumb(item: Any) -> bool:
    """Is it a single answer with a label?"""
    if not isinstance(item, dict):
        return False
    item = {str(key).strip().lower(): value for key, value in item.items()}
    return any(label in item for label in LABELS) and find_answers(item) is None


def parse_thumb(item: Mapping[str, Any]) -> Thumb:
    """Raises ValueError that says what is missing or of the wrong kind."""
    item = {str(key).strip().lower(): value for key, value in item.items()}
    up = read_label(next(item[key] for key in LABELS if key in item))
    key = next((key for key in BY_PROMPT if not is_absent(item.get(key))), "")
    if not key:
        raise ValueError("prompt missing")
    asked = read_prompt(item, key)
    name = next((name for name in ANSWERS if not is_absent(item.get(name))), "")
    if not name and asked[-1]["role"] == "assistant":  # messages that end with the answer
        asked, said = asked[:-1], asked
    elif not name:
        raise ValueError("completion missing: the answer that the label is about")
    else:
        said = read_answer(item[name], name, asked, spaced=False)
    return thumb_of(said, len(asked), up)


def thumb_of(said: Messages, asked: int, up: bool) -> Thumb:
    """Of a conversation whose last message is the answer to the first `asked` ones."""
    if len(said) != asked + 1 or not asked or said[asked - 1]["role"] != "user":
        raise ValueError('the label is to be about one answer, to a last message of the role "user"')
    history = tuple((one["role"], one["content"]) for one in said[: asked - 1])
    return Thumb(said[asked - 1]["content"], said[-1]["content"], up, history)


def read_label(value: Any) -> bool:
    """true and false, 1 and 0 or -1, and the usual words."""
    said = str(value).strip().lower()
    if said in (*UP, *DOWN):
        return said in UP
    raise ValueError(f"label must be true or false, got {value!r:.40}")


def thumb_example(thumb: Thumb) -> dict[str, Any]:
    return {"prompt": thumb.messages, "completion": [message("assistant", thumb.answer)], "label": thumb.up}


def write_thumbs(path: str | Path, thumbs: Iterable[Thumb]) -> int:
    """One object a line, of message lists, as TRL's KTO reads them. Returns how many; ValueError if there are none."""
    lines = [json.dumps(thumb_example(thumb), ensure_ascii=False) + "\n" for thumb in thumbs]
    if not lines:
        raise ValueError("there is no thumb yet: press one under an answer in Chat")
    write_text(Path(path), "".join(lines))
    return len(lines)
