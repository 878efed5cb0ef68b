"""Votes that change a model, from beginning to end: a rule votes, the model learns it four ways, and it is counted.

    python -m tests.benchmarks.alignment --rule question

200 votes on answers of the shipped chat model; a reward model; DPO on the votes; PPO on the reward model; GRPO on the
rule itself. Then, on prompts from plays that nothing was learned from: how often the rule holds, how far the model
moved, and what it cost.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from core import checkpoint
from core.preferences.agreement import wilson
from core.preferences.rule_annotators import RULES
from core.stages.registry import STAGES
from core.training.log_lines import read_lines
from tests.helpers.alignment import CHAT, measured, trained, voted


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
        trained(directory, "grpo", reward=args.rule)
        lap("GRPO, which needs none of the others")
        report = checkpoint.read_card(reward.directory / "card.json").report
        say("reward model: held-out accuracy %.3f, loss %.3f", report["accuracy/val"], report["loss/val"])
        row = "%-10s rate %.3f [%.3f, %.3f]  %5.1f words  KL %.2f nats a response  %.4f bits per byte (%+.1f %%)"
        before = measured(reference, reference, args.rule)
        for title, found in (
            ("before", before),
            *(
                (stage, measured(checkpoint.load(directory / stage), reference, args.rule))
                for stage in ("dpo", "ppo", "grpo")
            ),
        ):
            interval = wilson(found.rate * found.count, found.count)
            dearer = 100 * (found.bits_per_byte / before.bits_per_byte - 1)
            say(row, title, found.rate, *interval, found.words, found.kl, found.bits_per_byte, dearer)
        lines = read_lines(directory / "ppo" / "metrics.jsonl")[0]
        say("PPO ended at step %d of %d", lines[-1]["step"], STAGES["ppo"].config().fit.max_steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
