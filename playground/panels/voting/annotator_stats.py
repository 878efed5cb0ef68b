"""What votes say about the person who gave them, in numbers and in a sentence each. No gradio."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from core.preferences import agreement
from core.preferences.agreement import Rate
from core.preferences.vote_store import Vote

DECIDED = ("left", "right")


def verdict(vote: Vote) -> dict[str, Any] | None:
    """What had been foretold of a vote and how it came: the surprise is -log2 of the probability of what was chosen."""
    if vote.predicted is None or vote.choice == "skip":
        return None
    expected = "left" if vote.predicted >= 0.5 else "right"
    sure = max(vote.predicted, 1 - vote.predicted)
    told = {"expected": expected, "probability": sure, "right": None, "bits": None}
    if vote.choice in DECIDED:
        told |= {"right": vote.choice == expected, "bits": surprise(vote)}
    return told


def surprise(vote: Vote) -> float:
    """In bits; 1 is what a coin costs."""
    assert vote.predicted is not None
    chosen = vote.predicted if vote.choice == "left" else 1 - vote.predicted
    return -math.log2(max(chosen, 1e-9))


def foresight(votes: Sequence[Vote]) -> dict[str, Any]:
    """How well a taste foretold the votes that it had not seen; `course` is its hit rate after each of them."""
    told = [vote for vote in votes if vote.choice in DECIDED and vote.predicted is not None]
    hits = [(vote.predicted >= 0.5) == (vote.choice == "left") for vote in told]  # type: ignore[operator]
    course = [sum_ / n for n, sum_ in enumerate(itertools.accumulate(hits), 1)]
    low, high = agreement.wilson(sum(hits), len(hits)) if hits else (0.0, 1.0)
    bits = sum(map(surprise, told)) / len(told) if told else None
    return {"hits": hits, "course": course, "low": low, "high": high, "bits": bits}


# --- consistency ----------------------------------------------------------------------------------------------


def habits(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """How consistent a person is and what sways them: name, rate and a sentence each."""
    return [
        habit("agreement with yourself", agreement.self_consistency(list(votes)), of_oneself, "pairs that came back"),
        habit("left answer chosen", agreement.position_bias(list(votes)), of_sides, "votes"),
        habit("longer answer chosen", agreement.length_bias(list(votes)), of_lengths, "votes"),
    ]


def habit(name: str, rate: Rate, say: Any, of: str) -> dict[str, Any]:
    known = {"share": rate.share, "low": rate.low, "high": rate.high} if rate.count else {}
    return {"name": name, "count": rate.count, "of": of, "sentence": say(rate), **known}


def of_oneself(rate: Rate) -> str:
    if not rate.count:
        return "Some pairs come back later with their sides exchanged; none has been voted on twice yet."
    if rate.count < 5:
        return "Too few pairs have come back to say much."
    if rate.low > 0.5:
        return "You mostly choose the same answer again, so there is a taste to learn."
    return "Your second choice agrees no better than a coin: votes that contradict each other teach nothing."


def of_sides(rate: Rate) -> str:
    if not rate.count:
        return "Shares near 50 % mean that the side does not matter to you."
    if rate.low > 0.5 or rate.high < 0.5:
        side = "left" if rate.low > 0.5 else "right"
        return f"You lean to the {side}, whatever stands there: read the other side first for a while."
    return "No sign that the side matters to you."


def of_lengths(rate: Rate) -> str:
    if not rate.count:
        return "Shares near 50 % mean that the length does not matter to you."
    if rate.low > 0.5 or rate.high < 0.5:
        kind = "longer" if rate.low > 0.5 else "shorter"
        return f"You lean to the {kind} answer: a model that learns from these votes will write {kind}."
    return "No sign that the length matters to you."


# --- several annotators ---------------------------------------------------------------------------------------


def agreements(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """Cohen's kappa of any two annotators who have voted on the same pairs."""
    names = sorted({vote.annotator for vote in votes})
    found = []
    for a, b in itertools.combinations(names, 2):
        kappa, count = agreement.cohen_kappa(list(votes), a, b)
        if count:
            found.append({"a": a, "b": b, "kappa": kappa, "count": count, "sentence": of_kappa(kappa, count)})
    return found


def of_kappa(kappa: float | None, count: int) -> str:
    """In the words of Landis & Koch (1977)."""
    if kappa is None:
        return "one of them always chose the same, so chance cannot be told apart"
    if count < 10:
        return "too few pairs to say much"
    if kappa <= 0:
        return "no more than by chance"
    words = ("slight", "fair", "moderate", "substantial", "almost perfect")
    return f"{words[min(4, int(kappa * 5))]} agreement"
