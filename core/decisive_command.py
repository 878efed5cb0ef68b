"""The command `decisive-votes`: which votes made a model say something, and what it says without them."""

import argparse
import logging
import math
from pathlib import Path

from core.decisive_votes import DECISIVE, Decisive, DecisiveVotes, Measured

log = logging.getLogger("core")
HELP = (
    "Which of the votes that a model of DPO learned from made it say something: an estimate, and with --prove the "
    f"model that never saw the {DECISIVE} most decisive, beside models that never saw others."
)
SHOWN = 10  # votes
CUT = 60  # characters of a text


def add_decisive(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("directory", type=Path, help="a finished run of DPO")
    sub.add_argument("--prompt", required=True, help="what the model is asked")
    sub.add_argument("--text", default="", help="what it says [its likeliest answer]")
    sub.add_argument("--prove", action="store_true", help="train again without the most decisive, and without others")
    sub.add_argument("--draws", type=int, default=1, help="how often others are drawn [1]")
    sub.add_argument("--seed", type=int, default=0, help="the same seed draws the same others [0]")


def run_decisive(args: argparse.Namespace) -> int:
    if args.draws < 1:
        raise ValueError(f"--draws must be at least 1, got {args.draws}")
    work = DecisiveVotes(args.directory)
    found = work.estimate(args.prompt, args.text)
    log.info("%r, asked %r: votes by how much likelier they made it, of %d", found.text, found.prompt, len(work.pairs))
    for one in found.influences[:SHOWN]:
        log.info(
            "%4d  %+10.1f  %s: %s over %s", one.number, one.score, *map(cut, (one.prompt, one.chosen, one.rejected))
        )
    if not args.prove:
        work.keep(found)
        return 0
    said = 0
    for proof in work.prove(found, args.seed, args.draws):
        for measured in proof.measured[said:]:
            log.info("%s", describe_measured(measured, proof))
        said = len(proof.measured)
    return 0


def describe_measured(measured: Measured, found: Decisive) -> str:
    """Beside the model with all votes."""
    whole = next(one for one in found.measured if one.name == "all votes")
    votes = f" ({', '.join(map(str, measured.left_out))})" if measured.left_out else ""
    beside = "" if measured is whole else f", {math.exp(measured.logprob - whole.logprob):.3g} times as likely"
    return f"{measured.name}{votes}: {measured.logprob:.2f} nats{beside}; it says: {measured.answer!r}"


def cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= CUT else f"{line[: CUT - 1]}…"
