"""Birth of a skill, measured: when `tiny` and `nano` learn what, what measuring it costs, and what each head is worth.

    python -m tests.benchmarks.skills             both presets, some four minutes of one core
    python -m tests.benchmarks.skills nano        one of them
    ... --record DIRECTORY                        keep their details.jsonl there, on which the tests are run

The cost is the processor time of all that is measured of skills, reading the text for its words included, of the whole
run's.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from core.skills.cut_out import cut_out
from core.skills.of_run import learned
from core.skills.sentences import describe_cut, evidence, title, told_besides
from core.stages import pretrain
from core.stages.pretrain import PretrainConfig
from core.training.run_directory import Run
from core.training.runner import Job, execute


class Stopwatch:
    """Seconds spent in what it has wrapped."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function):
        def timed(*args):
            begin = time.process_time()
            try:
                return function(*args)
            finally:
                self.seconds += time.process_time() - begin

        return timed


def train(preset: str, directory: Path) -> tuple[Run, float, float]:
    """The run, and in seconds: measuring skills, and all."""
    config = PretrainConfig.preset(preset, device="cpu")
    watch = Stopwatch()

    def prepare(saved, device, say) -> Job:
        job = pretrain.prepare(config, saved, device, say)
        return replace(job, details=watch.wrap(job.details))

    begin = time.process_time()
    run = Run.create(directory / preset, "pretrain", config.to_dict())
    status = execute(run, config.fit, prepare)
    assert status.state == "finished", status.message
    return run, watch.seconds, time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["tiny", "nano"])
    parser.add_argument("--record", type=Path)
    args = parser.parse_args()
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary:
        for preset in args.presets:
            run, measuring, whole = train(preset, Path(temporary))
            say(f"{preset}: {measuring:.2f} of {whole:.1f} s measure skills: {measuring / whole:.1%}\n")
            found = learned(run)
            for birth in found.births.born:
                say(f"  step {birth.first.step:,}  {title(birth.which)}: {evidence(birth)}\n")
                if birth.which.head:
                    say(f"    {describe_cut(cut_out(run, birth.which.head))}\n")
            say("".join(f"  {sentence}\n" for sentence in told_besides(found)))
            if args.record:
                (args.record / f"{preset}.jsonl").write_bytes(run.details.read_bytes())


if __name__ == "__main__":
    main()
