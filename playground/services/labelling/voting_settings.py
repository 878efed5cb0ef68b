"""What a window wants to vote on: whose answers, to which prompts, in which order, and by what they are judged."""

from dataclasses import dataclass, replace
from pathlib import Path

from core.datasets.preference_files import OVERALL
from core.generate import Sampling
from core.preferences.vote_store import Pair, Vote

RANDOM, LEAST_SURE, OTHERS = ORDERS = ("random", "least sure", "others")  # which pair comes next
ANY_TWO = ("", "")  # models: two of those that answer, drawn for each few pairs
PLAYS, HELD_OUT, TYPED = "plays", "held-out", "typed"  # where prompts come from; anything else is a file


@dataclass(frozen=True)
class VotingSettings:
    models: tuple[str, str]  # the same one twice: two samples; or ANY_TWO
    sampling: Sampling
    prompts: str = PLAYS
    typed: str = ""  # one prompt a line
    source: str = "label"
    order: str = RANDOM
    repeats: bool = True  # may pairs come back, swapped?
    criterion: str = OVERALL  # one of core.preferences.vote_store.CRITERIA
    version: int = 0  # of the model, which learns while it is voted on (core/online_dpo.py); 0: as it is
    session: Path | None = None  # where that version lies
    dial_of: str = ""  # the one of the models that is turned to points between the other one, its parent, and itself

    @property
    def generation(self) -> "VotingSettings":
        """The same as far as it matters to how pairs are generated: windows that agree in it share them."""
        typed = self.typed if self.prompts == TYPED else ""
        first, second = sorted(self.models)
        sampling = replace(self.sampling, seed=0)
        alike = replace(self, models=(first, second), typed=typed, sampling=sampling)
        return replace(alike, order=RANDOM, repeats=True, criterion=OVERALL)

    @property
    def of_itself(self) -> "VotingSettings":
        """The same for the model as it is, whatever it has learned since."""
        return replace(self, version=0, session=None)

    @property
    def feature_model(self) -> str | None:
        """The model whose log-probabilities describe the answers; None where any two may have given them."""
        return None if self.models == ANY_TWO else min(self.models)

    def by_its_models(self, pair: Pair) -> bool:
        """Are the answers by the models that are to be voted on?"""
        names, as_they_are = {pair.left.model, pair.right.model}, pair.left.dial == pair.right.dial == 1
        if self.dial_of:
            return names <= set(self.models)
        return self.models == ANY_TWO or (names == set(self.models) and as_they_are)

    def covers(self, vote: Vote) -> bool:
        """Does the vote belong to what is being done here: does it count, and does Undo take it back?"""
        if vote.criterion != self.criterion:
            return False
        if self.order == OTHERS:
            return True
        return vote.pair.source == self.source and (self.source == "label" or self.by_its_models(vote.pair))
