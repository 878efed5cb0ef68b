"""Where pairs come from: those that earlier sessions left in the store, then new ones, generated prompt by prompt."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from core.chat_template import encode_prompt
from core.datasets.messages import message
from core.datasets.prompts import held_out_prompts, learning_prompts, read_prompts
from core.preferences.pair_generation import Writer, answer_pairs, shuffle_sides
from core.preferences.vote_store import Pair, Votes
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.voting_settings import ANY_TWO, HELD_OUT, PLAYS, TYPED, VotingSettings

BUILT_IN = 3000  # prompts from the plays
FRUITLESS = 3  # batches without a usable pair, after which the person is told
DIAL = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)  # points of a dial that meet
ON_DIAL = 2  # prompts that two of them answer, before others are drawn


class PairSource:
    """The pairs of one kind of voting. Used by one thread at a time."""

    def __init__(self, settings: VotingSettings):
        self.settings = settings
        self.note = ""  # what was left out
        self.fruitless = 0  # batches in a row
        self.prompts: list[str] = []
        self.leftovers: list[Pair] = []  # of earlier sessions
        self.prompt_cycle: Iterator[str] = iter(())
        self.is_against = False
        self.random = random.Random()  # not seeded: a restart should not bring old pairs

    def for_version(self, settings: VotingSettings) -> "PairSource":
        """The pairs of another version of the model, to the prompts that come next: they are read once."""
        found = PairSource(settings)
        found.note, found.prompts, found.prompt_cycle = self.note, self.prompts, self.prompt_cycle
        return found

    def take(self, count: int, checkpoints: Checkpoints, votes: Votes) -> list[Pair]:
        """Up to `count` pairs that earlier sessions left, or new ones for so many prompts.

        Raises ValueError if there is no prompt, none that fits into the model's context, or nothing to choose between.
        """
        if not self.prompts:
            self.read_prompts(checkpoints)
            self.leftovers = self.unvoted_pairs(votes)
        taken, self.leftovers = self.leftovers[:count], self.leftovers[count:]
        return taken or self.generate(count, checkpoints, votes)

    def read_prompts(self, checkpoints: Checkpoints) -> None:
        found, models = load_prompts(self.settings), self.settings.models
        fitting = found if models == ANY_TWO else fit_context(found, models, checkpoints)
        left_out = len(found) - len(fitting)
        if not fitting:
            which = "the prompt is" if len(found) == 1 else f"all {len(found)} prompts are"
            raise ValueError(f"{which} longer than the model's context: shorten them")
        if left_out:
            self.note = f"{left_out} of {len(found)} prompts are longer than the model's context and left out."
        self.prompts = fitting
        self.prompt_cycle = itertools.cycle(self.random.sample(fitting, len(fitting)))

    def unvoted_pairs(self, votes: Votes) -> list[Pair]:
        """Pairs in the store that were generated with these settings and that nobody has voted on."""
        settings = self.settings
        if settings.models == ANY_TWO or settings.session or settings.dial_of:  # of those, some may be gone
            return []
        voted = {vote.pair.id for vote in votes.standing(source=settings.source)}
        prompts, sampling = set(self.prompts), asdict(settings.sampling)
        return [
            pair
            for pair in votes.open_pairs("", settings.source, settings.models, limit=100_000)
            if pair.id not in voted
            and pair.swaps is None
            and pair.prompt in prompts
            and pair.sampling == sampling
            and not (pair.left.version or pair.right.version)
            and settings.by_its_models(pair)
        ]

    def generate(self, count: int, checkpoints: Checkpoints, votes: Votes) -> list[Pair]:
        """New pairs for the next `count` prompts, kept in the store; the side of each answer is drawn at random."""
        settings = self.settings
        models = self.draw_models(checkpoints)
        prompts = list(itertools.islice(self.prompt_cycle, count))
        if settings.models == ANY_TWO:
            prompts = fit_context(prompts, models, checkpoints)
            if not prompts:
                raise ValueError(f"no prompt fits into the context of {models[0]} and {models[1]}: shorten them")
        answered = [
            pair
            for writers, some in self.writers(models, prompts, checkpoints)
            for pair in answer_pairs(*writers, some, settings.sampling, self.random.getrandbits(40))
        ]
        new = shuffle_sides(answered, settings.sampling, settings.source, self.random)
        if new:
            self.fruitless = 0
            return [votes.pair(id) for id in votes.add_pairs(new)]
        self.fruitless += 1
        if self.fruitless >= FRUITLESS:
            raise ValueError(
                "the answers to these prompts come out empty or equal, so there is nothing to choose between: "
                "raise the temperature, or use other prompts"
            )
        return []

    def writers(
        self, models: tuple[str, str], prompts: list[str], checkpoints: Checkpoints
    ) -> list[tuple[tuple[Writer, Writer], list[str]]]:
        """Who answers which of the prompts.

        A version that has learned answers half of them against what it was; of a dial, two points meet on each few.
        """
        if self.settings.dial_of:
            some = (prompts[first : first + ON_DIAL] for first in range(0, len(prompts), ON_DIAL))
            return [(self.draw_points(checkpoints), few) for few in some]
        first, second = (Writer(*checkpoints.writer(name, "float32"), name) for name in models)
        number, session = self.settings.version, self.settings.session
        if session is None:
            return [((first, second), prompts)]
        self.is_against = not self.is_against  # of an odd number, once more and once less
        learned = Writer(*checkpoints.version_writer(models[0], session, number), models[0], number)
        against, alone = prompts[self.is_against :: 2], prompts[not self.is_against :: 2]
        return [((first, learned), against), ((learned, learned), alone)]

    def draw_points(self, checkpoints: Checkpoints) -> tuple[Writer, Writer]:
        """Two points of the dial."""
        first, second = (
            Writer(*checkpoints.dialled_writer(name, a), name, dial=a)
            for name, a in (checkpoints.at(self.settings.dial_of, a) for a in self.random.sample(DIAL, 2))
        )
        return first, second

    def draw_models(self, checkpoints: Checkpoints) -> tuple[str, str]:
        """Whose answers come next. Raises ValueError if any two are wanted and there are not two."""
        if self.settings.models != ANY_TWO:
            return self.settings.models
        answering = checkpoints.chat_names()
        if len(answering) < 2:
            raise ValueError("two models that answer are needed: fine-tune, align or import another one")
        first, second = self.random.sample(answering, 2)
        return first, second


def load_prompts(settings: VotingSettings) -> list[str]:
    """All prompts. Raises ValueError if there is none."""
    if settings.prompts in (PLAYS, HELD_OUT):
        return list(built_in_prompts(settings.prompts))
    if settings.prompts != TYPED:
        return read_prompts(Path(settings.prompts))
    typed = list(dict.fromkeys(line.strip() for line in settings.typed.splitlines() if line.strip()))
    if not typed:
        raise ValueError("there is no prompt yet: type one a line, or choose those from the plays")
    return typed


@lru_cache(maxsize=2)
def built_in_prompts(which: str) -> tuple[str, ...]:
    """PLAYS or HELD_OUT: to look through the plays takes a second."""
    return tuple(learning_prompts(BUILT_IN, 0) if which == PLAYS else held_out_prompts(BUILT_IN))


def fit_context(prompts: Sequence[str], models: tuple[str, str], checkpoints: Checkpoints) -> list[str]:
    """Those that leave room for an answer in the context of each of the models."""
    fitting = list(prompts)
    for loaded in [checkpoints.load(name) for name in dict.fromkeys(models)]:
        lengths = [len(encode_prompt(loaded.tokenizer, [message("user", prompt)])) for prompt in fitting]
        room = loaded.model.config.block_size
        fitting = [prompt for prompt, length in zip(fitting, lengths, strict=True) if length < room]
    return fitting
