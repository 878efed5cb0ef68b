"""Prediction of the next vote from a person's votes so far: the model of their preferences, refitted after every vote.

A pair is described by how its two answers differ for a frozen language model (core/preferences/preference_model.py);
to describe it takes a forward pass and happens in the background, to fit and to predict takes milliseconds.
"""

import threading
from collections.abc import Sequence

import numpy as np

from core.checkpoint import WEIGHTS
from core.datasets.preference_files import OVERALL
from core.preferences.preference_model import PreferenceModel, features
from core.preferences.vote_store import CRITERIA, Pair, Vote
from playground.services.checkpoints import Checkpoints, Key

FITTED_TO = 300  # the latest votes: older ones say less about a person, and a fit stays a matter of milliseconds
ENOUGH = 5  # votes that prefer an answer, before which nothing is predicted
MOST_DESCRIBED = 5000  # pairs kept in memory, a few KB each
SIDE_BY_SIDE = 16  # pairs described at once

# What a vote says about "left is better"; a skipped pair says nothing.
OUTCOMES = {"left": 1.0, "right": 0.0, "tie": 0.5, "bad": 0.5}


class PreferencePredictor:
    """The preferences of each annotator by each criterion, as the features of each language model can tell them.

    Without a model, nothing is described and nothing predicted.
    """

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.differences: dict[tuple[Key, int], np.ndarray] = {}  # (F,): left less right
        self.preferences: dict[tuple[str, str, Key], PreferenceModel] = {}
        self.lock = threading.Lock()

    def key(self, model: str) -> Key:
        """What changes when the model does; without a look at all the others, as this is asked at every vote."""
        weights = self.checkpoints.roots.path(model) / WEIGHTS
        return model, weights.stat().st_mtime_ns if weights.exists() else 0

    def describe(self, model: str | None, pairs: Sequence[Pair]) -> None:
        """Compute the features of pairs, so that votes on them can be predicted and learned from. Takes a while.

        Raises ValueError if the model is not there any more.
        """
        if model is None:
            return
        key, new = self.key(model), self.undescribed(model, pairs)
        for first in range(0, len(new), SIDE_BY_SIDE):
            some = new[first : first + SIDE_BY_SIDE]
            loaded = self.checkpoints.load(model)
            prompts = [pair.messages for pair in some] * 2
            answers = [pair.left.text for pair in some] + [pair.right.text for pair in some]
            values = features(loaded.model, loaded.tokenizer, prompts, answers)  # (2n, F)
            differences = (values[: len(some)] - values[len(some) :]).astype(np.float32)
            with self.lock:
                self.differences |= {(key, pair.id): row for pair, row in zip(some, differences, strict=True)}
                while len(self.differences) > MOST_DESCRIBED:
                    del self.differences[next(iter(self.differences))]

    def undescribed(self, model: str | None, pairs: Sequence[Pair]) -> list[Pair]:
        """Those of the pairs that have not been described and can be."""
        if model is None:
            return []
        key = self.key(model)
        return [pair for pair in pairs if (key, pair.id) not in self.differences]

    def fit(self, annotator: str, model: str | None, votes: Sequence[Vote]) -> None:
        """Fit the preferences of `annotator` to those of their votes, oldest first, whose pairs are described."""
        if model is None:
            return
        for criterion in CRITERIA:
            own = training_votes([vote for vote in votes if vote.criterion == criterion])
            self.fit_criterion((annotator, criterion, self.key(model)), own)

    def fit_criterion(self, name: tuple[str, str, Key], votes: Sequence[Vote]) -> None:
        found = [(self.differences.get((name[2], vote.pair.id)), OUTCOMES[vote.choice]) for vote in votes]
        usable = [(difference, outcome) for difference, outcome in found if difference is not None]
        if sum(outcome != 0.5 for _, outcome in usable) < ENOUGH:
            self.preferences.pop(name, None)
            return
        self.preferences[name] = PreferenceModel.fit(
            np.stack([difference for difference, _ in usable]), np.array([outcome for _, outcome in usable])
        )

    def probabilities(
        self, annotator: str, model: str | None, pairs: Sequence[Pair], criterion: str = OVERALL
    ) -> list[float | None]:
        """Of each pair, that `annotator` will prefer its left answer; None as long as too little is known."""
        key = None if model is None else self.key(model)
        preferences = None if key is None else self.preferences.get((annotator, criterion, key))
        if key is None or preferences is None:
            return [None] * len(pairs)
        found = [self.differences.get((key, pair.id)) for pair in pairs]
        return [None if row is None else float(preferences.probability(row)) for row in found]


def training_votes(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that a preference model is fitted to."""
    return [vote for vote in votes if vote.choice in OUTCOMES][-FITTED_TO:]
