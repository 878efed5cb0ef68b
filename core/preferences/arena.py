"""The arena: Bradley-Terry scores of several models with intervals, from votes between two at a time.

P(a beats b) = sigmoid(s_a - s_b), Bradley & Terry 1952: the model by which reward models learn, with a number for each
player. Scores are known up to a constant among models that votes connect; their mean is 0 there. A tie is half a win
for both.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.preferences.vote_store import Vote

BOOTSTRAPS = 200
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
    """The votes by which people chose between two models; not those of a rule or from a file."""
    found = []
    for vote in votes:
        left, right = vote.pair.left.model, vote.pair.right.model
        if vote.pair.source in PLAYED and vote.choice != "skip" and left != right:
            found.append((left, right, {"left": 1.0, "right": 0.0}.get(vote.choice, 0.5)))
    return found


def standings(played: Sequence[Result], seed: int = 0) -> list[Standing]:
    """All models that met another, group by group, the strongest first; intervals by bootstrap over the votes."""
    found: list[Standing] = []
    for number, group in enumerate(groups(played)):
        mine = [result for result in played if result[0] in group]
        place = {model: i for i, model in enumerate(group)}
        first, second = np.array([[place[a], place[b]] for a, b, _ in mine]).T
        outcome = np.array([result[2] for result in mine])
        score = strengths(first, second, outcome, len(group))
        chance = np.random.default_rng(seed)
        drawn = [chance.integers(len(mine), size=len(mine)) for _ in range(BOOTSTRAPS)]
        # Each draw keeps the prior of all pairs that met, so that a model that it leaves out still has a place.
        pairs = np.unique(np.sort(np.stack([first, second], 1), 1), axis=0)
        again = np.stack([strengths(first[i], second[i], outcome[i], len(group), pairs) for i in drawn])
        low, high = np.quantile(again, (0.025, 0.975), axis=0)
        counts = np.bincount(np.concatenate([first, second]), minlength=len(group))
        order = np.argsort(-score, kind="stable")
        found += [
            Standing(group[i], float(score[i]), float(low[i]), float(high[i]), int(counts[i]), number) for i in order
        ]
    return found


def strengths(
    first: np.ndarray, second: np.ndarray, outcome: np.ndarray, n: int, pairs: np.ndarray | None = None
) -> np.ndarray:
    """Scores (n,) of mean 0 that make the outcomes likeliest, by minorisation-maximisation (Hunter 2004, equation 3).

    first, second: who met, as indices; outcome: for the first. pairs: who met at all, (P, 2); None: as the votes say.
    """
    wins = np.zeros((n, n))
    np.add.at(wins, (first, second), outcome)
    np.add.at(wins, (second, first), 1 - outcome)
    if pairs is None:
        pairs = np.argwhere(np.triu(wins + wins.T) > 0)
    for a, b in pairs:
        wins[a, b] += PRIOR
        wins[b, a] += PRIOR
    met = wins + wins.T
    strength = np.ones(n)
    for _ in range(ROUNDS):
        new = wins.sum(1) / (met / (strength[:, None] + strength)).sum(1)
        new /= np.exp(np.log(new).mean())
        done = np.abs(np.log(new / strength)).max() < CLOSE
        strength = new
        if done:
            break
    return np.log(strength)


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
