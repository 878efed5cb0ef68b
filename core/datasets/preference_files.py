"""Preferences in files, as TRL reads and writes them: JSON lines with "prompt", "chosen" and "rejected".

    {"prompt": "What is the hour?", "chosen": "Is it not noon?", "rejected": "Twelve."}

Each may also be a list of {"role", "content"} messages. A line may say "tie": true, which is ours: then neither answer
is the better one, and which is called chosen means nothing.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.checkpoint import write_text
from core.config import describe_os_error


@dataclass(frozen=True)
class Preference:
    prompt: str
    chosen: str
    rejected: str
    tie: bool = False


@dataclass(frozen=True)
class Preferences:
    """What a file holds, and what in it could not be used, by line."""

    name: str
    pairs: list[Preference]
    digest: str  # sha256 of the file
    problems: list[str] = field(default_factory=list)

    def split(self, share: float, seed: int) -> tuple[list[Preference], list[Preference]]:
        """(to learn from, held out), by prompt: what is asked on one side is never asked on the other.

        Each side has at least one pair that is no tie. Raises ValueError, in words, if that cannot be.
        """
        decided = [pair.prompt for pair in self.pairs if not pair.tie]
        if not decided:
            raise ValueError(
                f"all {len(self.pairs)} votes of {self.name} are ties: nothing can be learned from them; "
                "vote on until one answer is better"
                if self.pairs
                else f"{self.name} holds no votes: vote in the Label tab first, or load the example set there"
            )
        prompts = list(dict.fromkeys(decided))
        if len(prompts) < 2:
            raise ValueError(
                f"the votes of {self.name} that are no ties are all on one prompt: at least 2 prompts are needed, one "
                "to learn from and one to measure on"
            )
        chance = random.Random(seed)
        held_out = set(chance.sample(prompts, min(max(1, round(share * len(prompts))), len(prompts) - 1)))
        only_ties = sorted({pair.prompt for pair in self.pairs} - set(prompts))
        held_out |= {prompt for prompt in only_ties if chance.random() < share}
        sides = ([pair for pair in self.pairs if (pair.prompt in held_out) == side] for side in (False, True))
        learned, measured = sides
        return learned, measured


def read_preferences(path: str | Path, skip_bad_lines: bool = False) -> Preferences:
    """Raises ValueError that names the first bad line, unless those are to be skipped; then `problems` names all."""
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"votes {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start:,} cannot be read)") from error
    pairs: list[Preference] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):  # JSON strings may hold other ends of lines, such as U+2028
        if not line.strip():
            continue
        try:
            pairs.append(parse_preference(line))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            if not skip_bad_lines:
                hint = "mend it, or switch skip_bad_lines on"
                raise ValueError(f"{path.name}, {problems[0]}; {hint}") from error
    return Preferences(path.name, pairs, hashlib.sha256(content).hexdigest(), problems)


def parse_preference(line: str) -> Preference:
    """One line. Raises ValueError that says what is missing or of the wrong kind."""
    try:
        item = json.loads(line)
    except ValueError as error:
        raise ValueError(f"this is no JSON ({error})") from None
    if not isinstance(item, dict):
        raise ValueError("this is no object in braces")
    if missing := [name for name in ("prompt", "chosen", "rejected") if name not in item]:
        hint = "; preferences without a prompt of their own cannot be used" if missing == ["prompt"] else ""
        raise ValueError(f"{' and '.join(missing)} missing{hint}")
    tie = item.get("tie", False)
    if not isinstance(tie, bool):
        raise ValueError(f"tie must be true or false, got {tie!r}")
    chosen, rejected = (message_text(item[name], name, "assistant") for name in ("chosen", "rejected"))
    return Preference(message_text(item["prompt"], "prompt", "user"), chosen, rejected, tie)


def message_text(value: Any, name: str, role: str) -> str:
    """The text itself, or what the last message of a conversation says."""
    if isinstance(value, list):
        last = value[-1] if value else None
        if not isinstance(last, dict) or last.get("role") != role:
            raise ValueError(f'the last message of {name} is not by the role "{role}"')
        value = last.get("content")
    if not isinstance(value, str):
        raise ValueError(f"{name} is neither a text nor a list of messages")
    if not value.strip():
        raise ValueError(f"{name} is empty")
    if re.search("[\ud800-\udfff]", value):
        raise ValueError(f"{name} holds half of a character, which no file can keep")
    return value.strip()


def write_preferences(path: str | Path, pairs: Iterable[Preference], ties: bool = True) -> None:
    """One object a line. TRL knows no ties: they are left out unless asked for."""
    lines = []
    for pair in pairs:
        if pair.tie and not ties:
            continue
        item: dict[str, Any] = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
        lines.append(json.dumps(item | ({"tie": True} if pair.tie else {}), ensure_ascii=False) + "\n")
    write_text(Path(path), "".join(lines))
