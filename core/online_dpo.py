"""Online DPO: a model learns while a person votes on what it writes, a few steps after every few votes.

A *round* goes on from the version that wrote the latest pairs and makes the next one, by DPO (core/stages/dpo.py) on
all votes so far. Pairs that come from the model of the moment: Guo et al. 2024, arXiv:2402.04792; in rounds: Xu et al.
2023, arXiv:2312.16682. The reference stays the model that it began as, as Guo et al. have it (section 3): beta is the
price of moving away from there, however many rounds there are.

    SESSION/v0003/adapter.safetensors   what version 3 has learned: a LoRA of the parent's weights (core/lora.py)
    SESSION/v0003/version.json          of which version and of how many votes, and how far it is from the parent

Rounds are made in a process of its own, `python -P core/child.py core.online_dpo PARENT DIGEST DEVICE`, that keeps the
parent in memory from one to the next. It is told each in a line of JSON, and answers in one with the version that it
has made or with why there is none. A version appears whole or not at all.
"""

import copy
import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from core import checkpoint, lora
from core.atomic_files import atomic_directory, claim, write_json
from core.bounded_files import read_facts
from core.checkpoint import Card, Checkpoint
from core.config import describe_os_error
from core.datasets.preference_files import Preference, prompt_messages
from core.datasets.preference_pairs import EncodedPair, PairBatches, encode_pairs, likelihood_batch
from core.evaluation.preferences import response_kl
from core.model import GPT, set_dropout
from core.stages import registry
from core.stages.dpo import DPOConfig, pair_loss, with_reference
from core.training.device import pick_device
from core.training.finetuning import FinetuneConfig
from core.training.loop import FitConfig, NotFinite, fit

log = logging.getLogger(__name__)
STEPS, BATCH, LEARNING_RATE = 8, 8, 4e-4  # of a round
LOSS, BETA = "sigmoid_norm", 0.5  # a token, as by sums short answers win by making long ones unlikely
MOST_KL = 8.0  # nats an answer from the parent: as far as a version may be
TRIES = 3  # to find how much of a change stays within
RANK = 16
FACTS, LOCK = "version.json", ".lock"  # a round holds the lock of its session
DIRECTORY = re.compile(r"v\d{4,}")


@dataclass(frozen=True)
class Round:
    """What the process of a round is told."""

    parent: str  # the directory of the model that all began with
    digest: str  # sha256 of its weights, which adapters are a change of
    session: str  # the directory of the versions
    number: int  # of the version to be made
    origin: int  # the version to go on from; 0: the parent
    pairs: list[Preference]
    prompts: list[str]  # on which it is measured how far the version has moved
    device: str


@dataclass(frozen=True)
class Version:
    """A version, but for its weights."""

    number: int
    origin: int  # the version that it went on from; 0: the parent
    votes: int  # that it has learned from
    steps: int  # optimiser steps from the parent on
    kl: float  # nats an answer from the parent
    loss: float  # of the last step, nats a pair
    seconds: float  # that its round took
    created: str  # UTC
    config: dict[str, Any]  # of DPO, flat


def recipe(parent: str, n_embd: int) -> DPOConfig:
    """How a round learns. The rate is constant, as nobody knows how many rounds will follow."""
    rank = min(RANK, n_embd // 2)
    rate: dict[str, Any] = dict(learning_rate=LEARNING_RATE, final_learning_rate=LEARNING_RATE, warmup_steps=0)
    steps: dict[str, Any] = dict(max_steps=STEPS, batch_size=BATCH, optimizer="adamw", weight_decay=0.0, snapshots=0)
    return DPOConfig(
        beta=BETA,
        loss_type=LOSS,
        adapt=FinetuneConfig(parent=parent, method="lora", lora_rank=rank, lora_alpha=2.0 * rank),
        fit=FitConfig(**rate, **steps, save_dtype="float16"),
    )


def learn(task: Round) -> Version:
    """Make the next version. Raises ValueError in words if there is nothing to learn from or the parent is another."""
    began = time.perf_counter()
    parent = parent_in_memory(Path(task.parent), task.digest, task.device)
    reference, tokenizer = parent.loaded.model, parent.loaded.tokenizer
    known = versions(Path(task.session))
    before = known.get(task.origin)
    if task.origin and before is None:
        raise ValueError(f"version {task.origin} cannot be read any more: go back to an earlier one")
    config = DPOConfig.from_dict(before.config) if before else recipe(task.parent, reference.config.n_embd)
    pairs = parent.encode(task.pairs, config.fit.dtype)
    if not any(pair.outcome == 1 for pair in pairs):
        raise ValueError("no vote that fits into its context prefers an answer: there is nothing to learn yet")
    torch.manual_seed(0)  # for the A of an adapter that begins
    policy = adapted(reference, config.adapt, Path(task.session), task.origin)
    batches = PairBatches(pairs, config.fit.batch_size, task.number, likelihood_batch)
    loss = 0.0
    for step in fit(policy, batches, lambda model, batch: pair_loss(model, batch, config), config.fit):
        loss = step.loss
    asked = [prompt_messages(prompt) for prompt in task.prompts]

    def distance(version: GPT) -> float:
        return response_kl(version, reference, tokenizer, asked, seed=task.number)

    moved = hold(policy, MOST_KL, distance)
    made = Version(
        number=task.number,
        origin=task.origin,
        votes=len(task.pairs),
        steps=(before.steps if before else 0) + config.fit.max_steps,
        kl=moved,
        loss=loss,
        seconds=time.perf_counter() - began,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        config=config.to_dict(),
    )
    with atomic_directory(version_directory(Path(task.session), task.number)) as temporary:
        lora.save(temporary, policy)
        write_json(temporary / FACTS, asdict(made))
    return made


def hold(policy: GPT, most: float, distance: Callable[[GPT], float]) -> float:
    """Draw a policy back towards its parent until it is within `most` nats; returns how far it then is.

    With few votes, and pairs by a model that moves, the distance grows ever faster. How much of the change may stay is
    found by bisection, from where it would be if the distance grew with the square of the change, as a KL divergence
    does at first.
    """
    share = 1.0  # of what was learned

    def at(wanted: float) -> float:
        nonlocal share
        lora.scale(policy, wanted / share)
        share = wanted
        return distance(lora.merge_adapters(policy).eval())

    if (moved := at(1.0)) <= most:
        return moved
    within, low, high, tried = 0.0, 0.0, 1.0, math.sqrt(most / moved)
    for _ in range(TRIES):
        if (moved := at(tried)) <= most:
            within, low = moved, tried
        else:
            high = tried
        tried = (low + high) / 2
    lora.scale(policy, low / share)
    return within


@dataclass
class Parent:
    """The model that all versions are a change of, and the votes so far as it reads them."""

    loaded: Checkpoint[GPT]
    known: dict[Preference, EncodedPair | None] = field(default_factory=dict)  # None: too long for its context

    def encode(self, votes: Sequence[Preference], dtype: str) -> list[EncodedPair]:
        """Those that fit into the context, with the model's log-probabilities, for which it is asked once."""
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        new = [vote for vote in dict.fromkeys(votes) if vote not in self.known]
        encoded, too_long = encode_pairs(tokenizer, new, model.config.block_size)
        fitting = [vote for vote in new if vote not in too_long]
        self.known |= dict.fromkeys(too_long)
        self.known |= dict(zip(fitting, with_reference(model, encoded, dtype), strict=True))
        return [pair for vote in votes if (pair := self.known[vote])]


@lru_cache(maxsize=1)
def parent_in_memory(directory: Path, digest: str, device: str) -> Parent:
    """From one round to the next. Raises ValueError like `load_parent`."""
    loaded = load_parent(directory, digest, pick_device(device))
    loaded.model.requires_grad_(False)
    return Parent(loaded)


def load_parent(directory: Path, digest: str, device: torch.device) -> Checkpoint[GPT]:
    """The model that all versions are a change of. Raises ValueError if it is gone, has changed, or does not answer."""
    loaded = checkpoint.load(directory, device)
    if checkpoint.weights_digest(directory) != digest:
        raise ValueError(f"{directory.name} has changed since it began to learn: switch learning off and on again")
    if not registry.answers(loaded.card):
        raise ValueError(f"{directory.name} does not answer in turns: fine-tune it on instructions first")
    return loaded


def adapted(parent: GPT, config: FinetuneConfig, session: Path, number: int) -> GPT:
    """A copy of the parent with the adapter of a version, which learns on; with that of version 0 it is the parent.

    Raises ValueError if the adapter cannot be read.
    """
    model = copy.deepcopy(parent)
    set_dropout(model, config.dropout)
    lora.add(model, config.lora_rank, config.lora_alpha)
    if number:
        lora.load(version_directory(session, number), model)
    return model


def version_model(parent: GPT, session: Path, number: int) -> GPT:
    """The plain model that a version is. Raises ValueError if it cannot be read."""
    config = DPOConfig.from_dict(read_version(version_directory(session, number)).config)
    return lora.merge_adapters(adapted(parent, config.adapt, session, number)).eval()


def keep(directory: Path, parent: Path, digest: str, session: Path, number: int) -> None:
    """Make a checkpoint of a version, merged, whose card tells how it came about.

    Raises ValueError if the name is taken, or the parent is another one now.
    """
    loaded = load_parent(parent, digest, torch.device("cpu"))
    found = lineage(versions(session), number)
    if not found:
        raise ValueError(f"version {number} is not there any more")
    made, rounds = found[-1], [f"{one.votes} votes: KL {one.kl:.2f}" for one in found]
    card = Card(
        "dpo",
        parent.name,
        step=made.steps,
        config=made.config | {"max_steps": made.steps},
        data={"votes": made.votes, "rounds while voting": ", ".join(rounds), "parent_sha256": digest},
        report={"kl/val": made.kl},
    )
    model = version_model(loaded.model, session, number)
    with claim(directory):
        checkpoint.save(directory, model, loaded.tokenizer, card, torch.float16)


# --- versions on disk -----------------------------------------------------------------------------------------


def version_directory(session: Path, number: int) -> Path:
    return session / f"v{number:04d}"


def read_version(directory: Path) -> Version:
    """Raises ValueError if it is not there or damaged."""
    return read_facts(directory / FACTS, Version)


def versions(session: Path) -> dict[int, Version]:
    """All that can be read, by number."""
    found = {}
    for path in session.glob("v*") if session.is_dir() else ():
        if DIRECTORY.fullmatch(path.name):
            try:
                version = read_version(path)
            except ValueError as error:
                log.warning("%s", error)
            else:
                found[version.number] = version
    return found


def lineage(known: dict[int, Version], number: int) -> list[Version]:
    """The version `number` and all that it went on from, the earliest first; none for 0, the parent."""
    found: list[Version] = []
    while number in known and known[number] not in found:
        found.append(known[number])
        number = known[number].origin
    return found[::-1]


# --- the process ----------------------------------------------------------------------------------------------


def dump_round(task: Round) -> str:
    return json.dumps(asdict(task))


def read_round(text: str) -> Round:
    found = Round(**json.loads(text))
    pairs: Sequence[Any] = found.pairs
    restored = [Preference(**pair | {"history": tuple(map(tuple, pair["history"]))}) for pair in pairs]
    return replace(found, pairs=restored)


def main(parent: str, digest: str, device: str) -> None:
    """Answer each round, a line of the standard input, with {"made": its version} or {"error": a sentence}.

    The arguments are of the rounds that are awaited. Ends when the input does.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))  # whoever votes has cores for the next pairs
    with suppress(ValueError, OSError):  # a round will say so
        parent_in_memory(Path(parent), digest, device)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(read_round(line))) + "\n")
        sys.stdout.flush()


def answer(task: Round) -> dict[str, Any]:
    try:
        with FileLock(Path(task.session) / LOCK, timeout=2):  # a reader may hold it for an instant
            return {"made": asdict(learn(task))}
    except Timeout:
        return {"error": "another learner is still at work: it tries again after your next vote"}
    except ValueError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": describe_os_error(error)}
    except NotFinite as error:
        return {"error": f"{error}: go back to an earlier version"}


if __name__ == "__main__":
    main(*sys.argv[1:])
