"""What the doctor says of a run."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run."""

    kind: str
    step: int  # where it was seen to begin
    title: str
    evidence: str  # the numbers, with their steps
    meaning: str
    advice: str
    changes: dict[str, Any] = field(default_factory=dict)  # settings to change in a fork
    from_step: int | None = None  # fork from the last saved step at or before it; 0 = from the beginning
