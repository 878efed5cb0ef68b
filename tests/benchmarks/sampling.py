"""How the settings of sampling do, of which the defaults are chosen: `python -m tests.benchmarks.sampling [MODEL]`.

A table of temperatures and top-p: instructions followed, the share of the words that stand in the plays, how much
answers to a cue alone vary, and how often two of them are the same. All on the held-out plays; of shares the interval
of 95 %.
"""

import argparse
import logging
import sys
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import torch

from core import checkpoint
from core.datasets.instructions import plain_dialogues, single_instruction_dialogues, split, words
from core.datasets.shakespeare import plays
from core.evaluation.instructions import REPLY, instruction_following, replies
from core.packed_model import PackedGPT
from core.preferences.agreement import wilson
from tests.helpers.alignment import CHAT

TEMPERATURES, TOP_P = (0.4, 0.6, 0.8, 1.0, 1.3), (0.8, 0.95, 1.0)
OF_EACH_KIND, CUES = 100, 300
COLUMNS = "temperature | top-p | instructions followed | real words | distinct-2 | words an answer | twice the same"
say = logging.getLogger("benchmark").info


def share(holding: int, count: int) -> str:
    low, high = wilson(holding, count)
    return f"{100 * holding / count:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.sampling", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=CHAT)
    parser.add_argument("--temperature", type=float, nargs="+", default=TEMPERATURES)
    parser.add_argument("--top-p", type=float, nargs="+", default=TOP_P)
    args = parser.parse_args()
    loaded = checkpoint.load(args.model)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    model, tokenizer = PackedGPT(loaded.model.eval()), loaded.tokenizer
    _, held_out = split(plays())
    known = {word for play in plays() for speech in play.speeches for word in words(speech.text)}
    asked = single_instruction_dialogues(held_out, 0, OF_EACH_KIND)
    cues = list(dict.fromkeys(dialogue.cue for dialogue in plain_dialogues(held_out, 3)))[:CUES]
    say("%d cues, each answered twice\n\n| %s |\n|%s", len(cues), COLUMNS, 7 * " --- |")
    for temperature, top_p in product(args.temperature, args.top_p):
        sampling = replace(REPLY, temperature=temperature, top_p=top_p)
        obeyed = instruction_following(model, tokenizer, asked, sampling)
        count = int(obeyed["n/instructions"])
        written, others = (replies(model, tokenizer, cues, replace(sampling, seed=seed)) for seed in (0, 10_000))
        spoken = [words(answer) for answer in written]
        every = [word for answer in spoken for word in answer]
        bigrams = [pair for answer in spoken for pair in pairwise(answer)]
        figures = (
            share(round(obeyed["follow/all"] * count), count),
            share(sum(word in known for word in every), len(every)),
            f"{len(set(bigrams)) / len(bigrams):.2f}",
            f"{len(every) / len(cues):.1f}",
            share(sum(map(str.__eq__, written, others)), len(cues)),
        )
        say("| %.1f | %.2f | %s |", temperature, top_p, " | ".join(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
