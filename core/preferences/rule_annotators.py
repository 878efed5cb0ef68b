"""Simulated annotators: rules that prefer one answer to another, so that learning can be checked.

A person's taste cannot be known. A rule can: whether a model has been bent to it is counted, not judged.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from core.datasets.instructions import strip_speaker, words

FEW_WORDS = 6  # an answer of so many counts as short
A_DOZEN, ABOUT = 12, 3  # an answer that is no more than this away from a dozen words has about a dozen
THOU = {"thou", "thee", "thy", "thine", "thyself"}


@dataclass(frozen=True)
class Rule:
    title: str  # what it likes, to be read after "an answer that"
    about: str  # how it decides, in one sentence
    score: Callable[[str], float]  # of an answer; the higher one is preferred
    holds: Callable[[str], bool]  # is this one what it likes? Of this the share is measured
    unit: str = ""  # of its score, where that has degrees; "": it only says yes or no


def is_question(answer: str) -> bool:
    return answer.rstrip(" \n\"'").endswith("?")


def says_thou(answer: str) -> bool:
    return any(word.split("'")[0] in THOU for word in words(answer))  # thou'rt and thou'lt too


def mentions_love(answer: str) -> bool:
    return bool(re.search(r"\b(be)?lov(e|è|'|ing)", strip_speaker(answer), re.IGNORECASE))  # lov'd and lov'st too


def brevity(answer: str) -> float:
    return -float(len(words(answer)) or 1000)  # who says nothing has not been brief


def nearness_to_a_dozen(answer: str) -> float:
    return -float(abs(len(words(answer)) - A_DOZEN))


RULES = {
    "shorter": Rule(
        "is shorter",
        f"It prefers the answer with fewer words; one of at most {FEW_WORDS} words counts as short.",
        brevity,
        lambda answer: brevity(answer) >= -FEW_WORDS,
        "words",
    ),
    "dozen": Rule(
        "has about a dozen words",
        f"It prefers the answer whose number of words is nearer to {A_DOZEN}; "
        f"{A_DOZEN - ABOUT} to {A_DOZEN + ABOUT} count as about a dozen.",
        nearness_to_a_dozen,
        lambda answer: nearness_to_a_dozen(answer) >= -ABOUT,
        "words",
    ),
    "question": Rule(
        "asks a question",
        "It prefers an answer that ends with a question mark to one that does not.",
        lambda answer: float(is_question(answer)),
        is_question,
    ),
    "thou": Rule(
        "says thou",
        "It prefers an answer with thou, thee, thy, thine or thyself in it to one without.",
        lambda answer: float(says_thou(answer)),
        says_thou,
    ),
    "love": Rule(
        "mentions love",
        "It prefers an answer that mentions love, loving, beloved or the like to one that does not.",
        lambda answer: float(mentions_love(answer)),
        mentions_love,
    ),
}


def rule_of(name: str) -> Rule:
    """Raises ValueError if there is no such rule."""
    if name not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {name!r}")
    return RULES[name]


def annotator_of(rule_name: str) -> str:
    """The name under which the votes of a rule are kept."""
    return f"rule: {rule_name}"


def rule_behind(annotator: str) -> str | None:
    """The name of the rule that votes under the name `annotator`; None for anyone else."""
    return next((name for name in RULES if annotator_of(name) == annotator), None)


def prefer(rule: Rule, left: str, right: str) -> str:
    """ "left" or "right", or "tie" where the rule cannot tell them apart."""
    difference = rule.score(left) - rule.score(right)
    return "left" if difference > 0 else "right" if difference < 0 else "tie"
