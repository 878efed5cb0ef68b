"""Pairs of answers that wait to be voted on: what earlier sessions left, and new ones, written ahead. No gradio."""

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from core.datasets.conversations import encode_prompt
from core.datasets.prompts import held_out_prompts, learning_prompts, read_prompts
from core.generate import Sampling
from core.preferences.pair_generation import Writer, answer_pairs, shuffle_sides
from core.preferences.vote_store import Pair, Vote, Votes
from playground.services.labelling.preference_predictor import Models

RANDOM, LEAST_SURE, OTHERS = ORDERS = ("random", "least sure", "others")  # which pair comes next
PLAYS, HELD_OUT, TYPED = "plays", "held-out", "typed"  # where prompts come from; anything else is a file
BUILT_IN = 3000  # prompts from the plays
FRUITLESS = 3  # batches without a usable pair, after which the person is told
RETRY_SECONDS = 3.0  # what has failed may have been mended


@dataclass(frozen=True)
class VotingSettings:
    """What a window wants to vote on."""

    models: tuple[str, str]  # the same one twice: two samples
    sampling: Sampling
    prompts: str = PLAYS
    typed: str = ""  # one prompt a line
    source: str = "label"
    order: str = RANDOM
    repeats: bool = True  # may pairs come back, swapped?

    @property
    def supply(self) -> "VotingSettings":
        """The same as far as it matters to what is written ahead."""
        typed = self.typed if self.prompts == TYPED else ""
        first, second = sorted(self.models)
        sampling = replace(self.sampling, seed=0)
        return replace(self, models=(first, second), typed=typed, sampling=sampling, order=RANDOM, repeats=True)

    @property
    def judge(self) -> str:
        """The model in whose eyes the answers are described."""
        return min(self.models)

    def covers(self, vote: Vote) -> bool:
        """Does the vote belong to what is being done here: does it count, and does Undo take it back?"""
        if self.order == OTHERS:
            return True
        if vote.pair.source != self.source:
            return False
        return self.source == "label" or {vote.pair.left.model, vote.pair.right.model} == set(self.models)


@dataclass
class Supply:
    """What is ready for all windows with the same wish."""

    wish: VotingSettings
    ready: list[Pair] = field(default_factory=list)
    trouble: str = ""  # why nothing comes
    note: str = ""  # what was left out
    asked: float = field(default_factory=time.monotonic)  # when somebody last wanted a pair of it
    failed: float = 0.0
    fruitless: int = 0
    prompts: list[str] = field(default_factory=list)
    backlog: list[Pair] = field(default_factory=list)  # what earlier sessions left
    turn: Iterator[str] = field(default_factory=lambda: iter(()))
    chance: random.Random = field(default_factory=random.Random)  # not seeded: a restart should not bring old pairs

    @property
    def blocked(self) -> bool:
        return bool(self.trouble) and time.monotonic() - self.failed < RETRY_SECONDS

    def fail(self, trouble: str) -> None:
        self.trouble, self.failed = trouble, time.monotonic()

    def prepare(self, checkpoints: Models, votes: Votes) -> None:
        """At first, read the prompts and what earlier sessions left.

        Raises ValueError if there is no prompt, or none that fits into the model's context.
        """
        if self.prompts:
            return
        found = read(self.wish)
        fitting = [prompt for prompt in found if fits(prompt, self.wish.models, checkpoints)]
        left_out = len(found) - len(fitting)
        if not fitting:
            which = "the prompt is" if len(found) == 1 else f"all {len(found)} prompts are"
            raise ValueError(f"{which} longer than the model's context: shorten them")
        if left_out:
            self.note = f"{left_out} of {len(found)} prompts are longer than the model's context and left out."
        self.prompts = fitting
        self.turn = itertools.cycle(self.chance.sample(fitting, len(fitting)))
        self.backlog = self.left_over(votes)

    def take(self, count: int) -> list[Pair]:
        """Up to `count` pairs that earlier sessions left."""
        taken, self.backlog = self.backlog[:count], self.backlog[count:]
        return taken

    def write(self, count: int, checkpoints: Models, votes: Votes) -> list[Pair]:
        """New pairs for the next `count` prompts, kept in the store; the side of each answer is drawn at random."""
        writers = [Writer(*checkpoints.writer(name, "float32"), name) for name in self.wish.models]
        chosen = list(itertools.islice(self.turn, count))
        written = answer_pairs(writers[0], writers[1], chosen, self.wish.sampling, self.chance.getrandbits(40))
        new = shuffle_sides(written, self.wish.sampling, self.wish.source, self.chance)
        if new:
            self.fruitless, self.trouble = 0, ""
            return [votes.pair(id) for id in votes.add_pairs(new)]
        self.fruitless += 1
        if self.fruitless >= FRUITLESS:
            raise ValueError(
                "the answers to these prompts come out empty or equal, so there is nothing to choose between: "
                "raise the temperature, or use other prompts"
            )
        return []

    def left_over(self, votes: Votes) -> list[Pair]:
        """Pairs of this wish that nobody has voted on."""
        voted = {vote.pair.id for vote in votes.standing(source=self.wish.source)}
        prompts, sampling = set(self.prompts), asdict(self.wish.sampling)
        return [
            pair
            for pair in votes.open_pairs("", self.wish.source, self.wish.models, limit=100_000)
            if pair.id not in voted and pair.swaps is None and pair.prompt in prompts and pair.sampling == sampling
        ]


def read(wish: VotingSettings) -> list[str]:
    """The prompts of a wish. Raises ValueError if there is none."""
    if wish.prompts == PLAYS:
        return learning_prompts(BUILT_IN, 0)
    if wish.prompts == HELD_OUT:
        return held_out_prompts(BUILT_IN)
    if wish.prompts != TYPED:
        return read_prompts(Path(wish.prompts))
    typed = list(dict.fromkeys(line.strip() for line in wish.typed.splitlines() if line.strip()))
    if not typed:
        raise ValueError("there is no prompt yet: type one a line, or choose those from the plays")
    return typed


def fits(prompt: str, models: tuple[str, str], checkpoints: Models) -> bool:
    for name in dict.fromkeys(models):
        loaded = checkpoints.load(name)
        ids = encode_prompt(loaded.tokenizer, [{"role": "user", "content": prompt}])
        if len(ids) >= loaded.model.config.block_size:
            return False
    return True
