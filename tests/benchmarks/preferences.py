"""Preference training beside TRL's on this machine: `python -m tests.benchmarks.preferences`.

The same initial weights, the same pairs, the same batch size, fused AdamW and clipped gradients, float32 for all. What
is timed is an epoch, with batches as each makes them: TRL's are in random order, ours hold pairs of about equal length.
TRL's trainers compute activations again in the backward pass unless told not to, so they are measured both ways.
"""

import argparse
import importlib.util
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from core import checkpoint
from core.checkpoint import Card
from core.datasets.preference_files import Preference, read_preferences, write_preferences
from core.datasets.preference_pairs import encode_pairs
from core.model import GPT, GPTConfig
from core.stages.registry import STAGES
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, fit
from tests.benchmarks.contest import Build, contest
from tests.helpers.trl import trl_trainer

REPO = Path(__file__).parents[2]
SHAPE = GPTConfig.preset("mini", vocab_size=2048)  # 11.5M
PAIRS, BATCH = 64, 8
STEPS = PAIRS // BATCH  # of an epoch
VAL_SHARE = 0.2  # of what is written to the file: ours holds some pairs out
RATE = 1e-5
TRL_OPTIONS = {
    "as it comes": {},
    "nothing computed again": dict(gradient_checkpointing=False),
    "nothing computed again, reference precomputed": dict(gradient_checkpointing=False, precompute_ref_log_probs=True),
}
Work = Callable[[], float]  # an epoch; returns its mean loss


# --- what all of them learn -----------------------------------------------------------------------------------


def place(directory: Path) -> tuple[Path, Path]:
    """A new model, and votes on answers made of random words."""
    tokenizer = checkpoint.load(REPO / "checkpoints" / "bard-chat").tokenizer
    torch.manual_seed(0)
    checkpoint.save(directory / "parent", GPT(SHAPE), tokenizer, Card("sft"))
    words = [word for id in range(2000) if (word := tokenizer.decode([id])).startswith(" ") and word[1:].isalpha()]
    chance = random.Random(0)

    def text(length: float) -> str:
        return "".join(chance.choices(words, k=round(length))).strip()

    def answer() -> str:
        return text(chance.triangular(14, 120, 36))  # short ones are more frequent than long ones

    pairs = [Preference(text(chance.uniform(8, 58)), answer(), answer()) for _ in range(round(PAIRS / (1 - VAL_SHARE)))]
    write_preferences(directory / "votes.jsonl", pairs)
    return directory / "parent", directory / "votes.jsonl"


def learned(votes: Path) -> list[Preference]:
    return read_preferences(votes).split(VAL_SHARE, FitConfig().seed)[0]


def lengths(tokenizer: Tokenizer, votes: Path) -> list[int]:
    """Of each prompt with either answer, in tokens."""
    pairs, too_long = encode_pairs(tokenizer, learned(votes), SHAPE.block_size)
    assert len(pairs) == PAIRS and not too_long
    return [len(example.ids) for pair in pairs for example in pair.examples]


# --- contenders -----------------------------------------------------------------------------------------------


def ours(stage: str, parent: Path, votes: Path) -> Work:
    """Our training loop, from the first step on."""
    changes = dict(parent=str(parent), data=str(votes), val_share=VAL_SHARE, batch_size=BATCH, dropout=0.0)
    changes |= dict(max_steps=1_000_000, learning_rate=RATE, warmup_steps=0, optimizer="adamw", device="cpu")
    kind = STAGES[stage]
    config = kind.config.from_dict(kind.config().to_dict() | changes)
    job = kind.prepare(config, None, torch.device("cpu"), lambda message: None)
    steps = fit(job.model, job.batches, job.loss_fn, job.config)
    return lambda: statistics.mean(next(steps).loss for _ in range(STEPS))


def theirs(stage: str, parent: Path, votes: Path, options: dict[str, bool]) -> Work:
    """The step of TRL's trainer as its `train` takes it, without logging and saving."""
    rates = dict(per_device_train_batch_size=BATCH, learning_rate=RATE)
    trainer = trl_trainer(stage, parent, learned(votes), parent.parent / "trl", **rates | options)
    if trainer.args.gradient_checkpointing:
        trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    optimizer, batches = trainer.create_optimizer(), trainer.get_train_dataloader()
    assert optimizer.defaults["fused"]

    def step(inputs: dict[str, Any]) -> float:
        loss = trainer.training_step(trainer.model, inputs)
        trainer.accelerator.clip_grad_norm_(trainer.model.parameters(), trainer.args.max_grad_norm)
        optimizer.step()
        trainer.model.zero_grad()
        return float(loss)

    return lambda: statistics.mean(step(inputs) for inputs in batches)


# --- the table ------------------------------------------------------------------------------------------------


def report(stage: str, parent: Path, votes: Path, rounds: int, threads: int) -> None:
    """Milliseconds a step: the median of the epochs, and the fastest and slowest of them."""
    builds: dict[str, Build] = {"ours": partial(ours, stage, parent, votes)}
    for name, options in TRL_OPTIONS.items():
        if stage == "dpo" or "reference" not in name:
            builds[f"TRL, {name}"] = partial(theirs, stage, parent, votes, options)
    times = contest(builds, rounds, threads)
    for name, taken in times.items():
        middle, fastest, slowest = (
            f"{pick(taken.seconds) / STEPS * 1000:,.0f} ms" for pick in (statistics.median, min, max)
        )
        ratio = taken.median / times["ours"].median
        sys.stdout.write(f"| {stage}: {name} | {middle} | {fastest} to {slowest} | {ratio:.2f} |\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("dpo", "reward"), default=("dpo", "reward"))
    parser.add_argument("--rounds", type=int, default=3, help="epochs that are timed")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if importlib.util.find_spec("trl") is None:
        sys.exit("TRL, which this compares with, is not installed here: python -m pip install -e '.[oracle]'")
    with tempfile.TemporaryDirectory() as directory:
        parent, votes = place(Path(directory))
        tokens = lengths(checkpoint.load(parent).tokenizer, votes)
        sys.stdout.write(
            f"{PAIRS} pairs of {min(tokens)} to {max(tokens)} tokens, {statistics.mean(tokens):.0f} on average, "
            f"{BATCH} a step; {SHAPE.n_params / 1e6:.1f}M weights; {args.threads} threads\n\n"
            "| step | median | epochs | ours is faster by |\n| --- | --- | --- | --- |\n"
        )
        for stage in args.only:
            report(stage, parent, votes, args.rounds, args.threads)


if __name__ == "__main__":
    main()
