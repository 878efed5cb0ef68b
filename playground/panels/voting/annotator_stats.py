"""Statistics of an annotator: what votes say about the person who gave them, in numbers and in a sentence each."""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from core.preferences import agreement
from core.preferences.agreement import Rate
from core.preferences.vote_store import DECIDED, Vote


def score_prediction(vote: Vote) -> dict[str, Any] | None:
    """What had been predicted of a vote and how it came; `bits` is its surprisal, -log2 of the probability it had."""
    if vote.predicted is None or vote.choice == "skip":
        return None
    expected = "left" if vote.predicted >= 0.5 else "right"
    sure = max(vote.predicted, 1 - vote.predicted)
    scored = {"expected": expected, "probability": sure, "right": None, "bits": None}
    if vote.choice in DECIDED:
        scored |= {"right": vote.choice == expected, "bits": surprisal(vote)}
    return scored


def surprisal(vote: Vote) -> float:
    """In bits; 1 is what a coin costs."""
    assert vote.predicted is not None
    chosen = vote.predicted if vote.choice == "left" else 1 - vote.predicted
    return -math.log2(max(chosen, 1e-9))


def prediction_accuracy(votes: Sequence[Vote]) -> dict[str, Any]:
    """How well votes were predicted before they were learned from; `course` is the hit rate after each of them."""
    predicted = [vote for vote in votes if vote.choice in DECIDED and vote.predicted is not None]
    hits = [(vote.predicted >= 0.5) == (vote.choice == "left") for vote in predicted]  # type: ignore[operator]
    course = [sum_ / n for n, sum_ in enumerate(itertools.accumulate(hits), 1)]
    low, high = agreement.wilson(sum(hits), len(hits)) if hits else (0.0, 1.0)
    bits = sum(map(surprisal, predicted)) / len(predicted) if predicted else None
    return {"hits": hits, "course": course, "low": low, "high": high, "bits": bits}


# --- consistency ----------------------------------------------------------------------------------------------


def consistency(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """How consistent a person is and what sways them: name, rate and a sentence each."""
    return [
        describe_rate(
            "Agreement with yourself",
            agreement.self_consistency(list(votes)),
            self_consistency_sentence,
            "pair that came back",
            "pairs that came back",
        ),
        describe_rate(
            "Left answer chosen", agreement.position_bias(list(votes)), position_bias_sentence, "vote", "votes"
        ),
        describe_rate(
            "Longer answer chosen", agreement.length_bias(list(votes)), length_bias_sentence, "vote", "votes"
        ),
    ]


def describe_rate(name: str, rate: Rate, say: Any, one: str, many: str) -> dict[str, Any]:
    of = one if rate.count == 1 else many
    known = {"share": rate.share, "low": rate.low, "high": rate.high} if rate.count else {}
    return {"name": name, "count": rate.count, "of": of, "sentence": say(rate), **known}


def self_consistency_sentence(rate: Rate) -> str:
    if not rate.count:
        return "Some pairs come back later with their sides swapped; none has been voted on twice yet."
    if rate.count < 5:
        return "Too few pairs have come back to say much."
    if rate.low > 0.5:
        return "You mostly choose the same answer again, so there is a taste to learn."
    return "Your second choice agrees no better than a coin toss: votes that contradict each other teach nothing."


def position_bias_sentence(rate: Rate) -> str:
    if not rate.count:
        return "Shares near 50 % mean that the side does not matter to you."
    if rate.low > 0.5 or rate.high < 0.5:
        side = "left" if rate.low > 0.5 else "right"
        return f"You lean to the {side}, whatever stands there: read the other side first for a while."
    return "No sign that the side matters to you."


def length_bias_sentence(rate: Rate) -> str:
    if not rate.count:
        return "Shares near 50 % mean that the length does not matter to you."
    if rate.low > 0.5 or rate.high < 0.5:
        kind = "longer" if rate.low > 0.5 else "shorter"
        return f"You lean to the {kind} answer: a model that learns from these votes will write {kind}."
    return "No sign that the length matters to you."


# --- several annotators ---------------------------------------------------------------------------------------


def pairwise_kappas(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """Cohen's kappa of any two annotators who have voted on the same pairs."""
    given = defaultdict(list)
    for vote in votes:
        given[vote.annotator].append(vote)
    found = []
    for a, b in itertools.combinations(sorted(given), 2):
        kappa, count = agreement.cohen_kappa(given[a], given[b])
        if count:
            found.append({"a": a, "b": b, "kappa": kappa, "count": count, "sentence": kappa_sentence(kappa, count)})
    return found


def kappa_sentence(kappa: float | None, count: int) -> str:
    """In the words of Landis & Koch (1977)."""
    if kappa is None:
        return "one of them always chose the same, so chance cannot be ruled out"
    if count < 10:
        return "too few pairs to say much"
    if kappa <= 0:
        return "no more than by chance"
    words = ("slight", "fair", "moderate", "substantial", "almost perfect")
    return f"{words[min(4, int(kappa * 5))]} agreement"
