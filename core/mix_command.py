"""The command `mix`: a parent and its children mixed, measured as a picture of score against KL, or kept."""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from core import checkpoint, task_arithmetic
from core.config import Config, add_flags, setting, typed
from core.datasets.preference_files import read_preferences
from core.method_points import Measured
from core.preferences.rule_annotators import RULES
from core.rlhf.steering import SteeringVectors, steering_vectors
from core.rlhf.task_vectors import LEAST, MOST
from core.roots import find_model
from core.task_arithmetic import (
    AMOUNTS,
    PROMPTS,
    STRENGTHS,
    Family,
    Mixture,
    beside,
    describe,
    keep,
    read_family,
    sweep,
)
from core.training.device import pick_device

log = logging.getLogger("core")
HELP = (
    "Mix a model with its parent: weights = parent + a (child - parent). Without --keep it is measured: how often a "
    "rule likes its answers, and how far it is from the parent."
)


@dataclass(frozen=True)
class MixConfig(Config):
    """How mixtures are measured."""

    rule: str = setting("question", "Rule that says which answers are liked", choices=tuple(RULES))
    prompts: int = setting(PROMPTS, "Held-out prompts on which each mixture is measured", low=2, high=500)
    seed: int = setting(0, "The same seed gives the same answers", low=0, high=2**31)
    device: str = setting("auto", "Where to compute; auto takes the fastest", choices=("auto", "cuda", "mps", "cpu"))


def add_mix(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "children", type=find_model, nargs="+", help="models trained from one parent: their paths, or their names"
    )
    sub.add_argument(
        "--amount",
        type=float,
        action="append",
        metavar="A",
        help=f"of each child in turn, from {LEAST:g} to {MOST:g}: 0 is the parent, 1 the child "
        f"[of the first one {', '.join(f'{a:g}' for a in AMOUNTS)}, one after the other]",
    )
    sub.add_argument(
        "--off",
        action="append",
        default=[],
        metavar="PART",
        help="a part that stays the parent's: attn.0, mlp.0, attn.1, ..., embeddings; may be repeated",
    )
    sub.add_argument("--votes", type=Path, help="a file of votes, from which a steering vector is made")
    sub.add_argument("--layer", type=int, help="behind which it is added, from 1 [the middle one]")
    sub.add_argument(
        "--strength", type=float, help=f"of it [{', '.join(f'{s:g}' for s in STRENGTHS)}, one after the other]"
    )
    sub.add_argument("--keep", type=Path, metavar="DIRECTORY", help="make a checkpoint of the mixture")
    add_flags(sub, MixConfig, MixConfig())


def run_mix(args: argparse.Namespace) -> int:
    config = MixConfig.from_dict(typed(args, MixConfig))
    device = pick_device(config.device)
    family = read_family(args.children, beside(args.children[0]), lambda path: checkpoint.load(path, device))
    steering = steering_of(args.votes, family)
    wanted = mixtures(args, family)
    if args.keep is not None:
        if len(wanted) > 1:
            raise ValueError("--keep needs one mixture: say how much of each child with --amount, or give --strength")
        keep(args.keep, family, wanted[0], steering)
        log.info("%s: %s", args.keep, describe(wanted[0], family))
        return 0
    began, measure = time.perf_counter(), task_arithmetic.evaluator(family, config.rule, config.prompts, config.seed)
    for mixture, measured in sweep(family, wanted, measure, steering):
        log.info("%s: %s", describe(mixture, family), say(measured, len(measure.prompts)))
    log.info("%d mixtures in %.0f s", len(wanted), time.perf_counter() - began)
    return 0


def steering_of(votes: Path | None, family: Family) -> SteeringVectors | None:
    """What a file of votes makes."""
    if votes is None:
        return None
    found = read_preferences(votes)
    for problem in found.problems:
        log.info("- %s", problem)
    return steering_vectors(family.parent.model, family.parent.tokenizer, found.pairs)


def mixtures(args: argparse.Namespace, family: Family) -> list[Mixture]:
    """Those that were asked for. Raises ValueError if amounts and children are not as many, or votes are missing."""
    names, amounts = list(family.children), args.amount
    if amounts is not None and len(amounts) != len(names):
        raise ValueError(f"give --amount once for each of the {len(names)} children, got {len(amounts)}")
    if args.votes is None and (args.strength is not None or args.layer is not None):
        raise ValueError("--layer and --strength steer by votes: name their file with --votes")
    layer = (family.parent.model.config.n_layer - 1) // 2 if args.layer is None else args.layer - 1
    off = frozenset(args.off)
    if args.votes is not None:
        added = tuple(zip(names, amounts or [0.0] * len(names), strict=True))
        strengths = STRENGTHS if args.strength is None else (args.strength,)
        return [Mixture(added, off, layer, strength) for strength in strengths]
    if amounts is not None:
        return [Mixture(tuple(zip(names, amounts, strict=True)), off)]
    return [Mixture(((names[0], a),), off) for a in AMOUNTS]


def say(measured: Measured, prompts: int) -> str:
    reward, kl, words, _ = measured
    return (
        f"{100 * reward.value:.0f} % [{100 * reward.low:.0f}, {100 * reward.high:.0f}] of {prompts} prompts, "
        f"KL {kl.value:.2f} [{kl.low:.2f}, {kl.high:.2f}] nats, {words.value:.1f} words"
    )
