"""The arena: Bradley-Terry scores of several models with intervals, from votes between two at a time.

P(a beats b) = sigmoid(s_a - s_b), Bradley & Terry 1952: the model by which reward models learn, with a number for each
player. Scores are known up to a constant among models that votes connect; their mean is 0 there. A tie is half a win
for both. Intervals are of the fit with its prior: drawing the votes again (bootstrap) says of one vote that it is sure.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.preference_files import OVERALL
from core.preferences.agreement import Z
from core.preferences.vote_store import Vote

PLAYED = ("arena", "compare", "chat")  # where a person chose between two models that are here
ROUNDS, CLOSE = 500, 1e-7  # of the fit at most; a change of all scores below which it is done
PRIOR = 0.5  # of a win and of a loss, added between models that met: who never lost is not infinitely strong


@dataclass(frozen=True)
class Standing:
    """A model among others: its score (in logits), the 95 % interval of that, and the votes that say so."""

    model: str
    score: float
    low: float
    high: float
    votes: int
    group: int  # models of different groups never met, and cannot be compared


Result = tuple[str, str, float]  # two models, and the outcome for the first: 1 won, 0 lost, a half tied


def results(votes: Sequence[Vote]) -> list[Result]:
    """The votes by which people chose the better of two models overall; not those of a rule or from a file.

    A model whose dial was turned is one of its own.
    """
    found = []
    for vote in votes:
        left, right = vote.pair.left.writer, vote.pair.right.writer
        is_told = vote.pair.source in PLAYED and vote.criterion == OVERALL and vote.choice != "skip"
        if is_told and left and right and left != right:
            found.append((left, right, {"left": 1.0, "right": 0.0}.get(vote.choice, 0.5)))
    return found


def standings(played: Sequence[Result]) -> list[Standing]:
    """All models that met another, group by group, the strongest first."""
    found: list[Standing] = []
    for number, group in enumerate(groups(played)):
        mine = [result for result in played if result[0] in group]
        place = {model: i for i, model in enumerate(group)}
        first, second = np.array([[place[a], place[b]] for a, b, _ in mine]).T
        wins = wins_between(first, second, np.array([result[2] for result in mine]), len(group))
        score = strengths(wins)
        spread = Z * standard_errors(wins, score)
        counts = np.bincount(np.concatenate([first, second]), minlength=len(group))
        found += [
            Standing(group[i], float(score[i]), float(score[i] - spread[i]), float(score[i] + spread[i]), count, number)
            for i, count in sorted(enumerate(counts.tolist()), key=lambda one: -score[one[0]])
        ]
    return found


def outcomes(models: Sequence[str], played: Sequence[Result]) -> list[list[tuple[int, int]]]:
    """Of each model (a row) against each (a column): how often it won, and how often they tied."""
    place = {model: i for i, model in enumerate(models)}
    wins, ties = np.zeros((2, len(models), len(models)), dtype=int)
    for a, b, outcome in played:
        i, j = place[a], place[b]
        wins[i, j] += outcome == 1
        wins[j, i] += outcome == 0
        ties[[i, j], [j, i]] += outcome == 0.5
    return [list(zip(*row, strict=True)) for row in zip(wins.tolist(), ties.tolist(), strict=True)]


def wins_between(first: np.ndarray, second: np.ndarray, outcome: np.ndarray, n: int) -> np.ndarray:
    """How often each of n models won against each other one, (n, n), with the prior of those that met.

    first, second: who met, as indices; outcome: for the first.
    """
    wins = np.zeros((n, n))
    np.add.at(wins, (first, second), outcome)
    np.add.at(wins, (second, first), 1 - outcome)
    return wins + PRIOR * (wins + wins.T > 0)


def strengths(wins: np.ndarray) -> np.ndarray:
    """Scores (n,) of mean 0 that make the wins likeliest, by minorisation-maximisation (Hunter 2004, equation 3)."""
    met = wins + wins.T
    strength = np.ones(len(wins))
    for _ in range(ROUNDS):
        new = wins.sum(1) / (met / (strength[:, None] + strength)).sum(1)
        new /= np.exp(np.log(new).mean())
        done = np.abs(np.log(new / strength)).max() < CLOSE
        strength = new
        if done:
            break
    return np.log(strength)


def standard_errors(wins: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Of each score (n,): from the information matrix of the fit, inverted where scores differ (their mean is 0)."""
    p = 1 / (1 + np.exp(score - score[:, None]))
    weight = (wins + wins.T) * p * (1 - p)
    covariance = np.linalg.pinv(np.diag(weight.sum(1)) - weight, hermitian=True)
    errors: np.ndarray = np.sqrt(np.diag(covariance))
    return errors


def groups(played: Sequence[Result]) -> list[list[str]]:
    """The models, in groups that votes connect, the largest group first."""
    met: dict[str, set[str]] = defaultdict(set)
    for a, b, _ in played:
        met[a].add(b)
        met[b].add(a)
    found, seen = [], set()
    for model in met:
        if model in seen:
            continue
        group, open_ = {model}, [model]
        while open_:
            new = met[open_.pop()] - group
            group |= new
            open_ += new
        seen |= group
        found.append(sorted(group))
    return sorted(found, key=len, reverse=True)
