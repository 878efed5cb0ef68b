"""The most decisive votes of `bard-chat`, proved: `python -m tests.benchmarks.decisive`.

A rule votes, DPO learns, and each vote is asked how much it made the model say what it now answers to a prompt. Then
DPO runs again without the five most decisive votes, and without five others, drawn at random several times: by how
much has the log-probability of that answer changed?
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from core.datasets.prompts import held_out_prompts
from core.decisive_votes import DECISIVE, DecisiveVotes
from tests.helpers.alignment import trained, voted

VOTES, HELD_OUT = 72, 1 / 6
STEPS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="question")
    parser.add_argument("--prompt", default=held_out_prompts(1)[0])
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary:
        data, begin = voted(Path(temporary), args.rule, VOTES), time.perf_counter()
        intervals = {"eval_interval": STEPS, "save_interval": STEPS}
        run = trained(Path(temporary), "dpo", data=str(data), val_share=HELD_OUT, max_steps=STEPS, **intervals)
        work, learned = DecisiveVotes(run.directory), time.perf_counter()
        found = work.estimate(args.prompt)
        estimated = time.perf_counter()
        *_, proof = work.prove(found, draws=args.draws)
        proved = time.perf_counter()
    parent, whole, without, *others = proof.measured
    changes = [other.logprob - whole.logprob for other in others]
    say(f"{len(found.influences)} votes of the rule {args.rule}, {STEPS} steps; asked {args.prompt!r}\n")
    say(f"it says {whole.answer!r}, without the decisive {without.answer!r}\n")
    say(f"log-probability {whole.logprob:.2f} nats, by the parent {parent.logprob - whole.logprob:+.2f}\n")
    say(f"without the {DECISIVE} most decisive {without.logprob - whole.logprob:+.2f} nats\n")
    say(f"without {DECISIVE} others, {len(changes)} draws: mean {sum(changes) / len(changes):+.2f}, ")
    say(f"{min(changes):+.2f} to {max(changes):+.2f} nats\n")
    say(f"seconds: training {learned - begin:.0f}, estimate {estimated - learned:.0f}, ")
    say(f"each of {args.draws + 1} trainings of the proof {(proved - estimated) / (args.draws + 1):.0f}\n")


if __name__ == "__main__":
    main()
