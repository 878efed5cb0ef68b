"""What a window wants to vote on: whose answers, to which prompts, in which order."""

from dataclasses import dataclass, replace

from core.generate import Sampling
from core.preferences.vote_store import Vote

RANDOM, LEAST_SURE, OTHERS = ORDERS = ("random", "least sure", "others")  # which pair comes next
PLAYS, HELD_OUT, TYPED = "plays", "held-out", "typed"  # where prompts come from; anything else is a file


@dataclass(frozen=True)
class VotingSettings:
    models: tuple[str, str]  # the same one twice: two samples
    sampling: Sampling
    prompts: str = PLAYS
    typed: str = ""  # one prompt a line
    source: str = "label"
    order: str = RANDOM
    repeats: bool = True  # may pairs come back, swapped?

    @property
    def generation(self) -> "VotingSettings":
        """The same as far as it matters to how pairs are generated: windows that agree in it share them."""
        typed = self.typed if self.prompts == TYPED else ""
        first, second = sorted(self.models)
        sampling = replace(self.sampling, seed=0)
        return replace(self, models=(first, second), typed=typed, sampling=sampling, order=RANDOM, repeats=True)

    @property
    def feature_model(self) -> str:
        """The model whose log-probabilities describe the answers."""
        return min(self.models)

    def covers(self, vote: Vote) -> bool:
        """Does the vote belong to what is being done here: does it count, and does Undo take it back?"""
        if self.order == OTHERS:
            return True
        if vote.pair.source != self.source:
            return False
        return self.source == "label" or {vote.pair.left.model, vote.pair.right.model} == set(self.models)
