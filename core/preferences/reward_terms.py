"""What answers are rewarded for, as a person writes it: names with weights, `question, 0.5 metre, my.py:fn`.

core/rlhf/reward_functions.py says how each of them is counted.
"""

import math
from dataclasses import dataclass

from core.preferences.rule_annotators import RULES

TOTAL = "reward"  # how the setting is called, and TRL what all rewards of an answer are together
INSTRUCTIONS, METRE, RHYME, LENGTH, REWARD_MODEL, TASTE = (
    "instructions",
    "metre",
    "rhyme",
    "length",
    "reward_model",
    "taste",
)
# {name: what it pays for}, to be read after "an answer that". A person's own function is called FILE.py:NAME.
REWARDS = {
    **{name: rule.title for name, rule in RULES.items()},
    INSTRUCTIONS: "follows the instructions of its prompt",
    METRE: "has ten syllables a line, in iambs",
    RHYME: "rhymes, line by line",
    LENGTH: "has many words, or few where its weight is below 0",
    REWARD_MODEL: "a reward model scores highly",
    TASTE: "the votes prefer, as a small model of them sees it",
}


@dataclass(frozen=True)
class Term:
    """One reward, and how much it counts."""

    source: str  # a name of REWARDS, or FILE.py:NAME
    weight: float

    @property
    def name(self) -> str:
        """As metrics call it."""
        return self.source if self.source in REWARDS else self.source.rpartition(":")[2]

    @property
    def is_own(self) -> bool:
        """Is it a function of the person's own?"""
        return self.source not in REWARDS


def parse_terms(text: str) -> list[Term]:
    """The rewards in the order in which they are written.

    Raises ValueError that names what is no reward, has a weight of 0, or comes twice.
    """
    terms = [parse_term(part.strip()) for part in text.split(",") if part.strip()]
    if not terms:
        raise ValueError(f"reward is empty: name at least one of {', '.join(REWARDS)}, or FILE.py:FUNCTION")
    names = [term.name for term in terms]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"reward names {twice} twice: write it once, with the weight that you want")
    return terms


def parse_term(part: str) -> Term:
    number, _, rest = part.partition(" ")
    try:
        weight, source = float(number), rest.strip()
    except ValueError:
        weight, source = 1.0, part
    if not math.isfinite(weight) or weight == 0:
        raise ValueError(f"the weight of a reward must be a number other than 0, got {part!r}")
    file, _, function = source.rpartition(":")
    if source not in REWARDS and not (file.endswith(".py") and function.isidentifier()):
        known = ", ".join(REWARDS)
        raise ValueError(
            f"{source!r} is no reward: name one or several of {known}, or FILE.py:FUNCTION, each with a weight before "
            "it if you like, with commas between them: question, 0.5 metre"
        )
    return Term(source, weight)
