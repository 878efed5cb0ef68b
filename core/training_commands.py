"""What the commands of the command line do that train, now or out of the queue; cli.py says how they are called."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from core import goodhart, method_comparison, queue
from core.config import typed
from core.method_comparison_file import DIRECTORY, FILE
from core.method_comparison_settings import ComparisonConfig, GoodhartConfig, MethodsConfig
from core.rlhf import own_reward
from core.stages.memory_fit import known_need
from core.stages.registry import stage_of, train
from core.training import distributed
from core.training.run_directory import QUEUED, Busy, Run, Status

log = logging.getLogger("core")
QUEUE: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "list": ("those that wait, in order, and why", lambda place, name: None),
    "up": ("let NAME change places with the one before it", lambda place, name: queue.move(place, name, -1)),
    "down": ("with the one after it", lambda place, name: queue.move(place, name, 1)),
    "remove": ("take NAME out; it can be resumed", queue.remove),
    "fit": ("give NAME the micro-batches with which it fits into memory", queue.fit),
    "anyway": ("begin NAME although it does not fit, or a model that it needs is not finished", queue.start_anyway),
}


def complain(sentence: str) -> int:
    sys.stderr.write(f"error: {sentence}\n")
    return 1


def run_run(args: argparse.Namespace) -> int:
    runs = [Run(directory) for directory in args.directory]
    if args.reward:
        own_reward.allow(args.reward)
    if args.queue:
        return enqueue(runs, args.anyway)
    return run_queued(runs[0], args.anyway) if args.queued else execute(runs)


def execute(runs: list[Run]) -> int:
    """Train runs in turn, in this process; whatever comes of it, the queue then goes on."""
    for run in runs:  # those that come later, too, before the first begins
        stage_of(run)
    if len(runs) > 1 and distributed.world_size() > 1:
        raise ValueError("several processes cannot train several runs in turn: call torchrun once for each run")
    goes_on = distributed.is_main()
    try:
        status = train_in_turn(runs)
        return complain(status.message) if status.state == "failed" else 0
    except Busy:
        goes_on = False  # whoever has the device will see to it
        raise
    finally:
        if goes_on:
            go_on({run.directory.parent for run in runs})


def train_in_turn(runs: list[Run]) -> Status:
    """The status of the last one that was begun. If one does not finish, those after it are not begun.

    Meanwhile they wait in the queue, out of which each can be taken.
    """
    later = [run for run in runs[1:] if run.status().state != "finished"]
    for run in later:
        queue.add(run, agreed=True)
    before = runs[0]
    try:
        status = train(before)
        for run in later:
            if status.state == "finished" and queue.claim(run):
                before, status = run, train(run)
        return status
    finally:
        for run in later:
            if run.status().state == QUEUED:
                queue.remove(run.directory.parent, run.name, f"not begun, because {before.name} did not finish")


def enqueue(runs: list[Run], agreed: bool) -> int:
    """Let runs wait in the queue, and say for what."""
    if distributed.world_size() > 1:
        raise ValueError("what waits in the queue is trained by one process: leave out --queue, or torchrun")
    for run in runs:
        queue.add(run, agreed)
    for place in {run.directory.parent for run in runs}:
        show_queue(place)
    return 0


def run_queued(run: Run, agreed: bool) -> int:
    """What a process does that the queue has begun: if the run cannot begin after all, it waits again."""
    need = None if agreed else known_need(*stage_of(run))
    if need and not need.fits:
        queue.put_back(run, need, agreed)
        return go_on({run.directory.parent})
    try:
        return execute([run])
    except Busy:
        queue.put_back(run, need, agreed)
        return 0


def run_compare_methods(args: argparse.Namespace) -> int:
    return run_comparison(args, MethodsConfig)


def run_goodhart(args: argparse.Namespace) -> int:
    return run_comparison(args, GoodhartConfig)


def run_comparison(args: argparse.Namespace, kind: type[ComparisonConfig]) -> int:
    directory = args.directory / DIRECTORY / args.name
    if not args.resume:
        method_comparison.create(args.directory, args.name, kind.from_dict(typed(args, kind)))
    try:
        found = method_comparison.run(directory)
    finally:
        go_on([args.directory])
    for sentence in goodhart.describe(found):
        log.info(sentence)
    log.info("%s: %s", found.state, directory / FILE)
    return complain(found.message) if found.message else 0


def go_on(places: Iterable[Path]) -> int:
    """Begin what waits there and nothing keeps waiting."""
    for place in places:
        for begun in queue.start_next(place):
            log.info("%s was begun, out of the queue", begun.run.name)
    return 0


def run_queue(args: argparse.Namespace) -> int:
    if (args.action == "list") != (args.name is None):
        raise ValueError(f"queue {args.action} takes {'no name' if args.name else 'the name of a run'}")
    if args.action != "list":
        QUEUE[args.action][1](args.directory, args.name)
    return show_queue(args.directory)


def show_queue(place: Path) -> int:
    go_on([place])
    left = queue.waiting(place)
    for entry, reason in left:
        log.info("%-24s %s", entry.name, reason.sentence())
    if not left:
        log.info("nothing waits in %s", place)
    return 0
