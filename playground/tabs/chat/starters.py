"""What a conversation may begin with: lines that show a model at its best, and how much is to be expected of it."""

from typing import Any

from core.checkpoint import read_card
from core.datasets.instructions import KINDS, Instruction, instruction_sentence
from core.datasets.shakespeare import CORPORA
from core.stages import registry
from core.stages.sft import PLAYS
from playground.services.checkpoints import Checkpoints

SHAKESPEARE = {*CORPORA, PLAYS}  # what a card calls data that are made from the plays
GENERATIONS = 20  # looked through for one that learned from the plays


def asked(cue: str, *instructions: tuple[str, str]) -> str:
    """A cue and what is asked of the reply, in the words of the dialogues that a chat model learned from."""
    assert all(kind in KINDS for kind, _ in instructions)
    return f"{cue}\n\n{instruction_sentence(Instruction(*each) for each in instructions)}"


TO_ANSWER = (
    asked("My father is dead.", ("begin", "O")),
    asked("I am thy father's spirit.", ("speaker", "HAMLET"), ("lines", "one line")),
    asked("Do you love me?", ("begin", "No")),
    asked("Shall we go to war?", ("speaker", "MACBETH"), ("lines", "one line")),
)
TO_CONTINUE = (
    "ROMEO:\nBut soft, what light through yonder window breaks?\n\nJULIET:\n",
    "HAMLET:\nTo be, or not to be",
    "First Witch:\nWhen shall we three meet again?\n\nSecond Witch:\n",
    "RICHARD:\nA horse! a horse! my kingdom",
)


def about_model(checkpoints: Checkpoints, name: str) -> dict[str, Any]:
    """weights: how many; plays: has it learned from the plays; starters: lines to begin with, none if it has not."""
    loaded = checkpoints.load(name)
    plays = has_read_plays(checkpoints, name)
    lines = TO_ANSWER if registry.answers(loaded.card) else TO_CONTINUE
    return {"weights": loaded.model.config.n_params, "plays": plays, "starters": list(lines) if plays else []}


def has_read_plays(checkpoints: Checkpoints, name: str | None) -> bool:
    """Did a model learn from Shakespeare's plays, or one that it came from? What is gone or damaged did not."""
    for _ in range(GENERATIONS):
        try:
            card = read_card(checkpoints.path(name) / "card.json")
        except ValueError:
            return False
        if {card.config.get("corpus"), card.config.get("data")} & SHAKESPEARE:
            return True
        name = card.parent
    return False
