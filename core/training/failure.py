"""Why a run failed or was interrupted: facts, which status.json keeps, and the sentence that is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEMORY = {
    "kernel": "the system has ended its process for want of memory",
    "plan": "its process has ended, as far as can be told for want of memory",
}
TYPES = {"kind": str, "step": int, "value": str, "what": str}  # of a failure's facts
NAMES = {"loss/train": "the loss", "grad_norm": "the gradient norm"}  # other metrics are called by their keys


@dataclass(frozen=True)
class Failure:
    """What went wrong.

    kind            what                        value
    not finite      a metric's key              nan, inf or -inf, which JSON has no numbers for
    unwritable                                  what the system said
    device          its type                    what it said
    process                                     what it said: one of several failed, or lost the others
    memory          "kernel" or "plan": who     what it needs, a sentence, if it is known
                    says so
    unstarted                                   the end of its log
    refused                                     a sentence that says what to change
    unexpected
    """

    kind: str
    step: int  # at which it happened; 0 = before the first one
    value: str = ""
    what: str = ""

    @property
    def name(self) -> str:
        """Of the metric that is not finite."""
        return NAMES.get(self.what, self.what)

    def sentence(self, saved: Sequence[Path], log: Path) -> str:
        """In words, for a run that has `saved` these steps, and a log that says more."""
        last_good = f"; the last good checkpoint is {saved[-1].name}" if saved else ""
        return {
            "not finite": f"{self.name} became {self.value} at step {self.step}; it was not learned from{last_good}. "
            "Try a lower learning rate",
            "unwritable": f"could not write: {self.value}{last_good}. Make room, then resume",
            "device": f"the {self.what} failed: {self.value}{last_good}. Resume when it is back",
            "process": f"one of the processes failed, or lost the others: {self.value}{last_good}. {log} says more",
            "memory": f"{MEMORY.get(self.what)}{self.value and f': {self.value}'}{last_good}. Give it smaller "
            "micro-batches, or end other programs, then resume",
            "unstarted": f"its process could not start; its log ends with: {self.value}",
            "refused": self.value + (last_good if self.step else ""),
        }.get(self.kind, f"an unexpected error, which {log} describes")


def failure_of(content: Any) -> Failure | None:
    """What status.json says of it. Raises TypeError if it is none."""
    if content is None:
        return None
    failure = Failure(**content) if isinstance(content, dict) else None
    if failure is None or not all(isinstance(getattr(failure, name), kind) for name, kind in TYPES.items()):
        raise TypeError(f"failure is {content!r:.40}")
    return failure
