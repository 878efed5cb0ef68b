"""Decisive votes: which of the votes that a model learned from made it say something, and proof of it.

An estimate first: how much likelier a small step down each vote's loss makes a text, to first order

    -(gradient of the vote's loss) . (gradient of log pi(text|prompt))

Pruthi et al. 2020, arXiv:2002.08484 (TracIn), section 3.2, summed over two checkpoints: the parent, where a vote has
most to teach, and the kept step. Koh and Liang 2017, arXiv:1703.04730, have the inverse Hessian between the two.

Then a proof: DPO once more with the same seed and the same batches, in which the most decisive votes weigh nothing
(`leave_out` of core/stages/dpo.py), and beside it others of which as many votes drawn at random weigh nothing.

    RUN/decisive.json    the latest estimate, and its proof once there is one
"""

import logging
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from core import checkpoint
from core.atomic_files import write_json
from core.bounded_files import read_json
from core.checkpoint import Checkpoint
from core.config import plural
from core.datasets.conversations import Example, collate
from core.datasets.messages import message
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import EncodedPair, encode_answer, likelihood_batch
from core.evaluation.instructions import REPLY, reply_ids
from core.learned_votes import LearnedVotes
from core.model import GPT
from core.rlhf.logprobs import answer_logprobs
from core.stages.dpo import DPOConfig, pair_loss, with_reference
from core.stages.registry import train
from core.training.device import pick_device
from core.training.finetuning import load_with_turns
from core.training.run_directory import Run, hold_device

log = logging.getLogger(__name__)
FILE = "decisive.json"
FEWEST, MOST = 10, 60  # votes: with fewer, five are too large a part of them; with more, it takes long
DECISIVE = 5


class Stopped(Exception):
    """The person does not want to wait for the end."""


@dataclass(frozen=True)
class Influence:
    """A vote, and how much likelier it makes the text: nats for a step of 1 down its loss."""

    number: int  # in its file, from 1
    score: float
    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Measured:
    """What a model makes of the prompt."""

    name: str  # "parent", "all votes", "without the decisive", "without others"
    left_out: list[int]  # numbers of votes
    logprob: float  # of the text, in nats
    answer: str  # its own


@dataclass(frozen=True)
class Decisive:
    """All that is known of why a model says something."""

    prompt: str
    text: str
    influences: list[Influence]  # the most decisive first
    measured: list[Measured]  # [] before there is a proof

    @property
    def decisive(self) -> list[int]:
        return [one.number for one in self.influences[:DECISIVE]]


# --- the estimate ---------------------------------------------------------------------------------------------


def influences(model: GPT, pairs: Sequence[EncodedPair], target: Example, config: DPOConfig) -> list[float]:
    """Of each pair, by how many nats a step of 1 down its loss makes the target likelier, to first order.

    pairs: with what the reference thinks of them. target: a prompt with a text.
    """
    model.eval()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    wanted = gradient(target_logprob(model, target), weights)
    found = []
    for pair in pairs:
        loss = pair_loss(model, likelihood_batch([pair]).to(model.device), config).loss
        slopes = gradient(loss, weights)
        found.append(-sum((a * b).sum().item() for a, b in zip(slopes, wanted, strict=True)))
    return found


def gradient(value: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(value, weights, materialize_grads=True, allow_unused=True))


def target_logprob(model: GPT, target: Example) -> Tensor:
    """Of the text after its prompt, in nats."""
    rows = collate([target]).to(model.device)
    return answer_logprobs(model, rows.inputs, rows.targets)[0]


class DecisiveVotes:
    """The votes of a finished run of DPO. Raises ValueError in words for one of which this cannot be said."""

    def __init__(self, directory: Path):
        self.run = Run(directory)
        self.training: Run | None = None  # of the proof, while it goes on
        self.votes = LearnedVotes(directory)
        if self.votes.trouble:
            raise ValueError(self.votes.trouble)
        count = len(self.votes.numbers)
        if not FEWEST <= count <= MOST:
            raise ValueError(
                f"{self.run.name} learned from {plural(count, 'vote')}: this is for {FEWEST} to {MOST}, as with "
                "fewer five are too large a part of them, and with more no five decide"
            )
        self.config: DPOConfig = self.votes.config
        self.device = pick_device(self.config.fit.device)
        self.made = checkpoint.load(directory, self.device)
        self.parent: Checkpoint[GPT] = load_with_turns(self.votes.parent, self.device)
        self.pairs = with_reference(self.parent.model, self.votes.pairs, "float32")

    # --- what it says -----------------------------------------------------------------------------------------

    def answer(self, model: GPT, prompt: str) -> str:
        """The likeliest, token by token: no chance."""
        greedy = replace(REPLY, temperature=0.0, max_new_tokens=min(48, model.config.block_size // 2))
        return self.parent.tokenizer.decode(
            reply_ids(model, self.parent.tokenizer, [[message("user", prompt)]], greedy)[0]
        )

    def target(self, prompt: str, text: str) -> Example:
        """Raises ValueError if nothing is asked or said, or if it is too long."""
        if not prompt.strip() or not text.strip():
            raise ValueError(f"the {'prompt' if not prompt.strip() else 'text'} is empty: write one")
        found = encode_answer(self.parent.tokenizer, [message("user", prompt)], text)
        if len(found.ids) > self.parent.model.config.block_size:
            raise ValueError(
                f"prompt and text are longer than the context of {self.parent.model.config.block_size} tokens"
            )
        return found

    def estimate(self, prompt: str, text: str = "") -> Decisive:
        """text: what the votes are asked about; "": what the model answers to the prompt."""
        text = text or self.answer(self.made.model, prompt) or "…"
        target, models = self.target(prompt, text), (self.parent.model, self.made.model)
        for model in models:
            model.requires_grad_(True)
        found = zip(*(influences(model, self.pairs, target, self.config) for model in models), strict=True)
        scored = [
            Influence(pair.number, sum(scores), *describe(self.votes.texts[pair.number]))
            for pair, scores in zip(self.pairs, found, strict=True)
        ]
        return Decisive(prompt, text, sorted(scored, key=lambda one: -one.score), [])

    # --- the proof --------------------------------------------------------------------------------------------

    def prove(
        self, found: Decisive, seed: int = 0, draws: int = 1, is_stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Decisive]:
        """Train again without the most decisive votes, and without as many others drawn at random, `draws` times.

        Yields what is known after each model, and keeps it. Raises Stopped where a person wants it to end, ValueError
        if the device is busy or a training fails.
        """
        measured = [
            self.measure("parent", self.parent.model, [], found),
            self.measure("all votes", self.made.model, [], found),
        ]
        chance = random.Random(seed)
        others = [one.number for one in found.influences[DECISIVE:]]
        plans = [("without the decisive", found.decisive)]
        plans += [("without others", sorted(chance.sample(others, min(DECISIVE, len(others))))) for _ in range(draws)]
        yield self.keep(replace(found, measured=measured))
        checkpoints = self.run.directory.parent
        with (
            hold_device(checkpoints, self.device.type),
            tempfile.TemporaryDirectory(prefix=".decisive-", dir=checkpoints) as place,
        ):
            for at, (name, numbers) in enumerate(plans):
                if is_stopped():
                    raise Stopped
                model = self.without(numbers, Path(place) / f"model-{at}", is_stopped)
                measured = [*measured, self.measure(name, model, numbers, found)]
                yield self.keep(replace(found, measured=measured))

    def without(self, numbers: Sequence[int], directory: Path, is_stopped: Callable[[], bool]) -> GPT:
        """The model that the same training makes where these votes weigh nothing."""
        config = self.votes.settings_without(numbers)
        short = {"save_interval": config["max_steps"], "snapshots": 0, "keep_steps": 0}
        short |= {} if config["keep_best"] else {"eval_interval": config["max_steps"]}
        self.training = Run.create(directory, self.run.read()[0], config | short)
        try:
            if is_stopped():  # from here on, `stop` reaches the training
                raise Stopped
            status = train(self.training)
        finally:
            self.training = None
        if status.state == "stopped":
            raise Stopped
        if status.state != "finished":
            raise ValueError(f"a model without some votes could not be made: {status.message or status.state}")
        return checkpoint.load(directory, self.device).model

    def stop(self) -> None:
        """End the training that goes on after its step; for another thread, in which `is_stopped` is true already."""
        with suppress(OSError):  # it may have ended just now
            if training := self.training:
                training.request("stop")

    def step(self) -> tuple[int, int]:
        """At which step the training of a proof is, and of how many; for another thread. (0, 0) if none is."""
        with suppress(ValueError, OSError):
            if training := self.training:
                status = training.read_status()
                return status.step, status.max_steps
        return 0, 0

    def measure(self, name: str, model: GPT, numbers: Sequence[int], found: Decisive) -> Measured:
        with torch.inference_mode():
            logprob = target_logprob(model.eval(), self.target(found.prompt, found.text)).item()
        return Measured(name, list(numbers), logprob, self.answer(model, found.prompt))

    def keep(self, found: Decisive) -> Decisive:
        write_json(self.run.directory / FILE, asdict(found))
        return found


def describe(text: Preference) -> tuple[str, str, str]:
    return text.prompt_text, text.chosen, text.rejected


def read_kept(directory: Path) -> Decisive | None:
    """What was kept of a run, None if nothing was. Raises ValueError if the file is damaged."""
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        kept = read_json(path)
        influences = [Influence(**one) for one in kept["influences"]]
        return Decisive(kept["prompt"], kept["text"], influences, [Measured(**one) for one in kept["measured"]])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: delete it, and ask again") from error
