"""Every step of every lesson, run for real on the shipped models: `python -m tests.benchmarks.lessons [LESSON ...]`.

Says of each how many seconds of processor time it took, whether the outcome supports its sentences, and these. A step
may take three minutes on two cores, of processor time at most six.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

from playground.services.services import Services
from playground.tabs.learn.lesson import Answer, Choice, Context, Match, Prediction, Sketch
from playground.tabs.learn.registry import LESSONS
from tests.helpers.generators import returned

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
MODEL = "bard-chat"


def guess(prediction: Prediction) -> Answer:
    """Any prediction of that form."""
    match prediction:
        case Choice(options=options):
            return options[0]
        case Match(items=items, options=options):
            return [options[0]] * len(items)
        case Sketch(x=x, y=y):
            return [[x.low, y.low], [x.high, y.high]]
    return prediction.low


def main(wanted: list[str]) -> int:
    """How many steps do not hold."""
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copytree(CHECKPOINTS, directory := Path(temporary) / "checkpoints")
        services = Services.open(directory, torch.device("cpu"))
        for lesson in LESSONS:
            for step in lesson.steps if lesson.id in wanted or not wanted else ():
                began, prediction = time.process_time(), guess(step.prediction)
                result = returned(step.run(Context(services, MODEL, prediction)))
                seconds, holds = time.process_time() - began, step.holds(result)
                failed += not holds
                figures = {name: float(f"{value:.4g}") for name, value in result.figures.items()}
                told = f"{lesson.id}/{step.id}  {seconds:.1f} s  {'holds' if holds else 'DOES NOT HOLD'}  {figures}"
                sys.stdout.write(f"{told}\n  {step.explain(result, prediction)}\n")
                sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
