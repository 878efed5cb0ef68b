"""Votes that change a model, from beginning to end: a rule votes, the model learns it three ways, and it is counted.

    python -m tests.benchmarks.alignment --rule question

200 votes on answers of the shipped chat model; a reward model; DPO on the votes; PPO on the reward model. Then, on
prompts from plays that nothing was learned from: how often the rule holds, how far the model moved, and what it cost.
"""

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import checkpoint
from core.checkpoint import Checkpoint
from core.datasets import shakespeare
from core.datasets.preference_files import write_preferences
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.preferences import response_kl
from core.generate import Sampling
from core.packed_model import PackedGPT
from core.preferences.agreement import wilson
from core.preferences.pair_generation import PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import RULES
from core.preferences.vote_store import Votes
from core.stages.registry import STAGES, train
from core.training.run_directory import Run, read_lines

CHAT = Path("checkpoints/bard-chat")
PROMPTS = 300
SAMPLING = Sampling(max_new_tokens=64)  # otherwise as the chat does it when nothing is changed


@dataclass(frozen=True)
class Measured:
    """A model on held-out prompts."""

    rate: float  # share of the answers that the rule likes
    count: int
    words: float  # of an answer, on average
    kl: float  # nats a response from the chat model
    bits_per_byte: float


def voted(directory: Path, rule: str, count: int, seed: int = 0) -> Path:
    """A file with the votes of `rule` on answers of the chat model."""
    loaded = checkpoint.load(CHAT)
    writer = Writer(PackedGPT(loaded.model), loaded.tokenizer, CHAT.name)
    votes = Votes(directory / "preferences.db")
    for _ in simulate(votes, writer, rule, count, PAIR_SAMPLING, seed):
        pass
    write_preferences(directory / "votes.jsonl", votes.preferences())
    return directory / "votes.jsonl"


def trained(directory: Path, stage: str, **changes: Any) -> Run:
    """A run of the stage's own recipe, with `changes`. Raises RuntimeError if it fails."""
    config = STAGES[stage].config
    settings = config().to_dict() | {"parent": str(CHAT), "device": "cpu"} | changes
    run = Run.create(directory / stage, stage, config.from_dict(settings).to_dict())
    if (status := train(run)).state != "finished":
        raise RuntimeError(status.message)
    return run


def measured(model: Checkpoint, reference: Checkpoint, rule: str, count: int = PROMPTS) -> Measured:
    prompts = held_out_prompts(count)
    answers = replies(model.model, model.tokenizer, prompts, SAMPLING)
    rate = sum(map(RULES[rule].holds, answers)) / len(answers)
    words = sum(len(answer.split()) for answer in answers) / len(answers)
    moved = response_kl(model.model, reference.model, model.tokenizer, prompts[:100], seed=0)
    return Measured(rate, len(answers), words, moved, bits_per_byte(model, shakespeare.load("shakespeare")))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.alignment", description=__doc__.splitlines()[0])
    parser.add_argument("--rule", choices=tuple(RULES), default="question")
    parser.add_argument("--votes", type=int, default=200)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    say = logging.getLogger("benchmark").info
    reference = checkpoint.load(CHAT)
    with TemporaryDirectory() as name:
        directory, began = Path(name), time.perf_counter()

        def lap(what: str) -> None:
            say("== %s, after %.0f s", what, time.perf_counter() - began)

        data = voted(directory, args.rule, args.votes)
        lap(f"{args.votes} votes")
        reward = trained(directory, "reward", data=str(data))
        lap("reward model")
        trained(directory, "dpo", data=str(data))
        lap("DPO")
        trained(directory, "ppo", reward_model=str(reward.directory))
        lap("PPO: the whole chain")
        report = checkpoint.read_card(reward.directory / "card.json").report
        say("reward model: held-out accuracy %.3f, loss %.3f", report["accuracy/val"], report["loss/val"])
        row = "%-10s rate %.3f [%.3f, %.3f]  %5.1f words  KL %.2f nats a response  %.4f bits per byte (%+.1f %%)"
        before = measured(reference, reference, args.rule)
        for title, found in (
            ("before", before),
            *((stage, measured(checkpoint.load(directory / stage), reference, args.rule)) for stage in ("dpo", "ppo")),
        ):
            interval = wilson(found.rate * found.count, found.count)
            dearer = 100 * (found.bits_per_byte / before.bits_per_byte - 1)
            say(row, title, found.rate, *interval, found.words, found.kl, found.bits_per_byte, dearer)
        lines = read_lines(directory / "ppo" / "metrics.jsonl")[0]
        say("PPO ended at step %d of %d", lines[-1]["step"], STAGES["ppo"].config().fit.max_steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
