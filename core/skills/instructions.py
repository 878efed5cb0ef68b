"""The skill of doing what one is told, counted in the answers to held-out prompts that a run keeps in details.jsonl."""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import takewhile
from typing import Any

from core.datasets.instructions import Instruction, dialogues, split
from core.datasets.messages import describe_messages
from core.datasets.shakespeare import plays
from core.skills.skill import Seen, Skill, Which, share

OBEYS = Skill(
    "obeys",
    "first instructions obeyed",
    "It does what it is told: its answers follow the instructions of held-out prompts.",
    "instructions of held-out prompts are followed",
    0.25,
    0.25,
)


@cache
def instructions_of_prompts() -> dict[str, tuple[Instruction, ...]]:
    """The instructions of the held-out dialogues of the plays, by their prompt as details.jsonl has it."""
    _, held_out = split(plays())
    found = {}
    for dialogue in dialogues(held_out, seed=0):
        asked = list(takewhile(lambda said: said["role"] != "assistant", dialogue.messages))
        found[describe_messages(asked)] = tuple(dialogue.instructions)
    return found


def count_obeyed(lines: Iterable[Mapping[str, Any]]) -> dict[Which, list[Seen]]:
    """How many instructions the answers of each line of details.jsonl follow; of prompts without one, nothing."""
    found = []
    for line in lines:
        if not line.get("answers"):
            continue
        known = [(answer, instructions_of_prompts().get(answer["prompt"], ())) for answer in line["answers"]]
        asked = [(answer["text"], told) for answer, told in known if told]
        followed = [[one for one in told if one.is_followed(text)] for text, told in asked]
        shown = (
            f"{done[0]}: {' '.join(text.split())}" for (text, _), done in zip(asked, followed, strict=True) if done
        )
        if asked:
            found.append(
                share(
                    line["step"],
                    [len(done) for done in followed],
                    [len(told) for _, told in asked],
                    next(shown, "")[:120],
                )
            )
    return {Which(OBEYS.name): found} if found else {}
