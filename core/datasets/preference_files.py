"""Preferences in files: a prompt, and of two answers to it the preferred one and the other.

    {"prompt": "What is the hour?", "chosen": "Is it not noon?", "rejected": "Twelve."}

This is how TRL has them; here each is written as a list of messages, which TRL reads as well. `LAYOUTS` says what else
is read. An object may say "tie": true, which is ours: then neither answer is the better one, and which is
called chosen means nothing. "margin", a number, says how much better the chosen one is; so TRL calls it, too.
"criterion" says by what it was judged, if that was not overall.
"""

import json
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from core.atomic_files import write_text
from core.chat_template import BLANK_LINE
from core.datasets.messages import (
    Messages,
    describe_messages,
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
from core.datasets.recognised import NothingToLearn, Recognised
from core.datasets.records import parse_records, read_records

Turns = tuple[tuple[str, str], ...]  # (role, content) of messages
OVERALL = "overall"  # the criterion where none is said


def prompt_messages(prompt: str, history: Turns = ()) -> Messages:
    """A prompt as a model that answers is asked it."""
    return [message(role, content) for role, content in (*history, ("user", prompt))]


class Asked:
    """What is answered: the last thing that the user says, and what was said before it."""

    prompt: str
    history: Turns

    @property
    def messages(self) -> Messages:
        return prompt_messages(self.prompt, self.history)

    @property
    def prompt_text(self) -> str:
        """All of it for people to read."""
        return describe_messages(self.messages)

    @property
    def asked(self) -> tuple[Turns, str]:
        """All that is answered: what was judged on the same is on one prompt."""
        return self.history, self.prompt


@dataclass(frozen=True)
class Preference(Asked):
    prompt: str  # the last thing that the user says
    chosen: str
    rejected: str
    tie: bool = False
    history: Turns = ()  # what was said before the prompt
    margin: float = 0.0  # how much better the chosen answer is; 0: that was not said
    criterion: str = OVERALL  # by what it was judged
    number: int = field(default=0, compare=False)  # of those of its file, from 1


def sort_tie(pair: Preference) -> Preference:
    """What a preference says: of a tie, the order says nothing."""
    first, second = sorted((pair.chosen, pair.rejected))
    return replace(pair, chosen=first, rejected=second) if pair.tie else pair


@dataclass(frozen=True)
class Preferences:
    """What a file holds, and how it was read."""

    name: str
    pairs: list[Preference]
    digest: str  # sha256 of the file
    recognised: Recognised = field(default_factory=Recognised)

    @property
    def problems(self) -> list[str]:
        """What was left out, guessed or changed, in words."""
        return self.recognised.sentences

    @property
    def why_none(self) -> str:
        """Why nothing could be used of a file that is not empty."""
        left_out = self.recognised.left_out
        return f" that can be used: {left_out[0]} ({len(left_out)} left out)" if left_out and not self.pairs else ""

    def split(self, share: float, seed: int) -> tuple[list[Preference], list[Preference]]:
        """(to learn from, held out), by prompt: what is asked on one side is never asked on the other.

        Each side has at least one pair that is no tie. Raises ValueError, in words, if that cannot be.
        """
        decided = [pair.asked for pair in self.pairs if not pair.tie]
        if not decided:
            raise ValueError(
                f"all {len(self.pairs)} votes of {self.name} are ties: nothing can be learned from them; "
                "vote on until one answer is better"
                if self.pairs
                else f"{self.name} holds no votes{self.why_none or ': vote in the Label tab, or load the example'}"
            )
        prompts = list(dict.fromkeys(decided))
        if len(prompts) < 2:
            raise ValueError(
                f"the votes of {self.name} that are no ties are all on one prompt: at least 2 prompts are needed, one "
                "to learn from and one to measure on"
            )
        chance = random.Random(seed)
        held_out = set(chance.sample(prompts, min(max(1, round(share * len(prompts))), len(prompts) - 1)))
        only_ties = sorted({pair.asked for pair in self.pairs} - set(prompts))
        held_out |= {prompt for prompt in only_ties if chance.random() < share}
        sides = ([pair for pair in self.pairs if (pair.asked in held_out) == side] for side in (False, True))
        learned, measured = sides
        return learned, measured


def read_preferences(path: str | Path, skip_bad_lines: bool = False, input_heading: str = BLANK_LINE) -> Preferences:
    """Pairs in any of LAYOUTS, as JSON lines, a JSON list, a table or parquet.

    input_heading: between Alpaca's instruction and its input, see core/chat_template.py.
    Raises ValueError that names the first bad line, unless those are to be skipped. Two answers that are the same are
    left out in either case.
    """
    found = read_records(path, "votes")

    def parse(item: Any) -> tuple[Preference, str]:
        return parse_preference(join_input(item, input_heading))

    pairs, recognised = parse_records(found, parse, skip_bad_lines)
    numbered = [replace(pair, number=number) for number, (_, pair) in enumerate(pairs, 1)]
    return Preferences(found.file.name, numbered, found.file.digest, recognised)


# --- layouts --------------------------------------------------------------------------------------------------

NO_PROMPT = "prompt missing: it stands neither by itself nor at the beginning of both answers"
PAIR = {"chosen": "Noon.", "rejected": "No."}
QUESTION = {"role": "user", "content": "What is the hour?"}
ANSWERS = {name: [{"role": "assistant", "content": text}] for name, text in PAIR.items()}
WHOLE = {name: [QUESTION, *said] for name, said in ANSWERS.items()}
LAYOUTS: dict[str, dict[str, Any]] = {  # what is recognised, with an example of each
    "TRL": {"prompt": "What is the hour?"} | PAIR,
    "TRL, conversational": {"prompt": [QUESTION]} | ANSWERS,
    "TRL, implicit prompt": WHOLE,
    "HH-RLHF": {name: f"\n\nHuman: What is the hour?\n\nAssistant: {text}" for name, text in PAIR.items()},
    "UltraFeedback": {"prompt": "What is the hour?"} | WHOLE,
    "Alpaca with two answers": {"instruction": "Translate.", "input": "Uhr"} | PAIR,
    "Alpaca with two outputs": {"instruction": "Translate.", "input": "Uhr", "output": ["Clock.", "Ear."]},
    "ShareGPT with two answers": {
        "conversations": [{"from": "human", "value": "What is the hour?"}],
        "chosen": {"from": "gpt", "value": "Noon."},
        "rejected": {"from": "gpt", "value": "No."},
    },
    "messages with two answers": {"messages": [QUESTION]} | PAIR,
    "question with two answers": {"system": "Be brief.", "question": "What is the hour?"} | PAIR,
}
BY_PROMPT = {  # the key of the prompt, and how the layout is called
    "prompt": "TRL",
    "instruction": "Alpaca with two answers",
    "question": "question with two answers",
    "query": "question with two answers",
    "conversations": "ShareGPT with two answers",
    "conversation": "ShareGPT with two answers",
    "messages": "messages with two answers",
}
ANSWER_KEYS = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("preferred", "dispreferred"),
    ("accepted", "rejected"),
    ("better", "worse"),
    ("winner", "loser"),
)
KTO = (("completion", "label"), ("response", "label"), ("output", "label"), ("messages", "label"), ("kto_tag",))


def parse_preference(item: Any) -> tuple[Preference, str]:
    """(preference, name of its layout) of one record.

    Raises ValueError that says what is missing or of the wrong kind, NothingToLearn for two answers that are the same.
    """
    if not isinstance(item, dict):
        raise ValueError("this is no object in braces")
    item = {str(key).strip().lower(): value for key, value in item.items()}
    answers = find_answers(item)
    if answers is None:
        raise ValueError(what_is_missing(item))
    key = next((key for key in BY_PROMPT if item.get(key) is not None), "")
    layout = layout_name(item, key, answers[0])
    if not key and all(isinstance(answer, str) and not is_transcript(answer) for answer in answers):
        given, answers = share_beginning(*answers)
    else:
        given = read_prompt(item, key) if key else []
    spaced = is_transcript(item.get(key))  # "Assistant:" and a blank stand before the answer
    chosen, rejected = (read_answer(a, name, given, spaced) for a, name in zip(answers, PAIR, strict=True))
    if chosen == rejected:
        raise NothingToLearn("chosen and rejected are the same", layout)
    found = part_ways(chosen, rejected, read_tie(item))
    return replace(found, margin=read_margin(item), criterion=read_criterion(item)), layout


def find_answers(item: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """(preferred, other), by any of their usual names."""
    for names in ANSWER_KEYS:
        if all(name in item for name in names):
            return item[names[0]], item[names[1]]
    both = item.get("output")
    return (both[0], both[1]) if isinstance(both, list) and len(both) == 2 else None


def share_beginning(chosen: str, rejected: str) -> tuple[Messages, tuple[str, str]]:
    """(prompt, the rest of either) of two texts: the words with which both begin are the prompt."""
    words = [re.findall(r"\S+\s*", text) for text in (chosen, rejected)]
    shared = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(*words, strict=False)))
    if not shared.strip():
        raise ValueError(NO_PROMPT)
    if chosen == rejected:
        raise NothingToLearn("chosen and rejected are the same", "TRL, implicit prompt")
    return [message("user", shared.rstrip())], (chosen[len(shared) :], rejected[len(shared) :])


def layout_name(item: Mapping[str, Any], key: str, chosen: Any) -> str:
    if not key:
        return "HH-RLHF" if is_transcript(chosen) else "TRL, implicit prompt"
    if key == "instruction" and isinstance(item.get("output"), list):
        return "Alpaca with two outputs"
    if key != "prompt" or not isinstance(chosen, list):
        return BY_PROMPT[key]
    return "TRL, conversational" if isinstance(item[key], list) else "UltraFeedback"


def what_is_missing(item: Mapping[str, Any]) -> str:
    if any(all(key in item for key in keys) for keys in KTO):
        return (
            "it is a single answer with a label, as KTO learns from; the other losses of DPO and reward models need "
            "two answers to a prompt: chosen and rejected"
        )
    missing = [key for key in ("chosen", "rejected") if key not in item]
    return f"{' and '.join(missing)} missing"


def read_tie(item: Mapping[str, Any]) -> bool:
    tie = item.get("tie") or False
    if not isinstance(tie, bool):
        raise ValueError(f"tie must be true or false, got {tie!r}")
    return tie


def read_margin(item: Mapping[str, Any]) -> float:
    """Of a tie 0, whatever is said."""
    margin = item.get("margin") or 0.0
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < math.inf:
        raise ValueError(f"margin must be a number of 0 or more, got {margin!r}")
    return 0.0 if read_tie(item) else float(margin)


def read_criterion(item: Mapping[str, Any]) -> str:
    criterion = item.get("criterion") or OVERALL
    if not isinstance(criterion, str):
        raise ValueError(f"criterion must be a text, got {criterion!r:.40}")
    return criterion


def read_prompt(item: Mapping[str, Any], key: str) -> Messages:
    """What was asked, in turns."""
    value = item[key]
    if is_messages(value) or is_transcript(value):
        said = read_messages(value, key)
    else:
        about = item.get("input") if key == "instruction" else None
        given = "" if is_absent(about) else str(about)
        said = [message("user", "\n\n".join([text_of(value, key), *([given] if given.strip() else [])]))]
    said = [*read_history(item.get("history")), *said]
    system = item.get("system") or item.get("system_prompt")
    return with_system(system, said) if said[0]["role"] != "system" else said


def read_answer(value: Any, name: str, asked: Messages, spaced: bool) -> Messages:
    """The whole conversation that ends with this answer."""
    if asked and not is_messages(value):
        answer = text_of(value, name)
        return [*asked, message("assistant", answer.removeprefix(" ") if spaced else answer)]
    said = read_messages(value, name)
    if said[-1]["role"] != "assistant":
        raise ValueError(f'the last message of {name} is not by the role "assistant"')
    if said[0]["role"] == "assistant":
        return [*asked, *said]
    has_own = said[0]["role"] == "system"
    whole = [*(m for m in asked[:1] if m["role"] == "system" and not has_own), *said]
    before, spoken = (
        [(m["role"], m["content"].strip()) for m in part if m["role"] != "system"] for part in (asked, whole)
    )
    if before != spoken[: len(before)]:
        raise ValueError(f"{name} begins with other messages than those of the prompt")
    return whole


def part_ways(chosen: Messages, rejected: Messages, tie: bool) -> Preference:
    """What both share is the prompt, and the one message that follows in either is an answer to it."""
    shared = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
    if len(chosen) != shared + 1 or len(rejected) != shared + 1:
        raise ValueError("the two conversations part before their last message: their answers answer two things")
    prompt = chosen[:shared]
    if not prompt:
        raise ValueError(NO_PROMPT)
    if prompt[-1]["role"] != "user":
        raise ValueError('the last message of prompt is not by the role "user"')
    history = tuple((m["role"], m["content"]) for m in prompt[:-1])
    return Preference(prompt[-1]["content"], chosen[-1]["content"], rejected[-1]["content"], tie, history)


def write_preferences(path: str | Path, pairs: Iterable[Preference]) -> None:
    """One object a line, of message lists: TRL then puts the same marks around them as our chat does.

    Where one pair has a margin all have one: TRL wants it of each. So with the criterion, where one is not OVERALL.
    """
    lines, pairs = [], list(pairs)
    has_margins, has_criteria = any(pair.margin for pair in pairs), any(pair.criterion != OVERALL for pair in pairs)
    for pair in pairs:
        answers = {"chosen": [message("assistant", pair.chosen)], "rejected": [message("assistant", pair.rejected)]}
        item: dict[str, Any] = {"prompt": pair.messages, **answers} | ({"tie": True} if pair.tie else {})
        item |= {"margin": pair.margin} if has_margins else {}
        item |= {"criterion": pair.criterion} if has_criteria else {}
        lines.append(json.dumps(item, ensure_ascii=False) + "\n")
    write_text(Path(path), "".join(lines))


def export_preferences(path: Path, pairs: Sequence[Preference], ties: bool = False) -> dict[Path, int]:
    """Write the pairs of which one answer is better to `path`, and those that are ties, if asked for, to a file beside
    it: other tools would take each for a preference. Returns how many stand in each file.

    Raises ValueError if there is nothing to write.
    """
    files = {path: [pair for pair in pairs if not pair.tie]}
    if ties:
        files[path.with_stem(f"{path.stem}-ties")] = [pair for pair in pairs if pair.tie]
    if not any(files.values()):
        raise ValueError("there is no vote that prefers an answer yet: nothing to export")
    for file, some in files.items():
        write_preferences(file, some)
    return {file: len(some) for file, some in files.items()}
