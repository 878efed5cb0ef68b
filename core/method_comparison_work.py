"""The work of a comparison: its parts in turn, each of which is told while it goes on, and how it ends.

What a part has made lies in runs/ until the end. So one that was stopped or cut off goes on with the part at which it
was.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import checkpoint
from core.atomic_files import remove
from core.checkpoint import read_config
from core.config import describe_os_error
from core.datasets.preference_files import Preference
from core.datasets.prompts import fitting_prompts, held_out_prompts
from core.method_comparison_file import (
    FAILED,
    FINISHED,
    LOG,
    RUNNING,
    STOPPED,
    Comparison,
    Part,
    Point,
    Turn,
    is_stop_requested,
    read_comparison,
    write_comparison,
)
from core.method_comparison_settings import ComparisonConfig
from core.method_points import Cost, Evaluator, Measured, describe, point, steps_kept
from core.model import GPT
from core.packed_model import PackedGPT
from core.preferences.pair_generation import AT_ONCE, PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import rule_of
from core.preferences.vote_store import Votes
from core.rlhf.rollouts import Response
from core.stages import registry
from core.stages.registry import REWARD, STAGES
from core.training.device import pick_device
from core.training.finetuning import load_with_turns
from core.training.log_lines import read_lines
from core.training.loop import FitConfig
from core.training.run_directory import Run, hold_device

log = logging.getLogger(__name__)
RUNS = "runs"
POINTS = 5  # at which a training is measured: its start, which is the parent, and on a log scale up to its end
LOOK_SECONDS = 0.5  # between two looks at a training
MOST_PAIRS = 10  # for each vote: a rule that hardly ever decides is waited for no longer
WEIGHTS = 6.7e6  # of the model for which seconds are told


class Stopped(Exception):
    """The person does not want to wait for the end."""


class Work(ABC):
    """One process's time with a comparison. Which parts it has is for those who inherit this."""

    def __init__(self, directory: Path):
        self.directory, self.runs = directory, directory / RUNS
        self.comparison = read_comparison(directory)
        self.config: ComparisonConfig = self.comparison.config
        self.parent_name = self.comparison.parent
        self.rule = rule_of(self.config.rule)
        self.began, self.written = 0.0, 0.0  # when the part of the moment was, and comparison.json

    @abstractmethod
    def work(self, part: Part) -> None:
        """Do a part. Raises ValueError if it cannot be done, Stopped if a person wants it to end."""

    @abstractmethod
    def has_made(self, part: Part, found: Point | Turn) -> bool:
        """Does it come from this part?"""

    def run(self) -> Comparison:
        end, message = FAILED, f"it failed unexpectedly: {self.directory / LOG} says more"
        try:
            self.device = pick_device(self.config.device)
            with hold_device(self.directory.parents[1], self.device.type):
                self.compare()
            end, message = FINISHED, ""
        except (Stopped, KeyboardInterrupt):
            end, message = STOPPED, ""
        except ValueError as error:
            message = str(error)
        except OSError as error:
            message = describe_os_error(error)
        finally:
            if end == FINISHED and self.runs.is_dir():
                remove(self.runs)
            self.save(replace(self.comparison, state=end, message=message))
        return self.comparison

    def compare(self) -> None:
        config, parent = self.config, Path(self.config.parent).expanduser()
        self.save(replace(self.comparison, state=RUNNING, message=""))
        if checkpoint.weights_digest(parent) != self.comparison.parent_sha256:
            raise ValueError(f"{parent.name} is not the model any more with which this was begun: begin anew")
        if not self.runs.is_dir():  # then what parts have made is gone, too
            self.comparison = replace(self.comparison, parts=[replace(p, ended=False) for p in self.comparison.parts])
            self.runs.mkdir(parents=True)
        self.parent = load_with_turns(parent, self.device)
        room = PAIR_SAMPLING.max_new_tokens, self.parent.model.config.block_size
        prompts = fitting_prompts(self.parent.tokenizer, held_out_prompts(config.prompts), *room)
        self.evaluator = Evaluator(self.parent, self.rule, prompts, config.seed)
        for part in self.comparison.parts:
            if not part.ended:
                with self.part(part):
                    self.work(part)

    # --- how far it is ------------------------------------------------------------------------------------------

    def save(self, comparison: Comparison) -> None:
        self.comparison, self.written = comparison, time.monotonic()
        write_comparison(self.directory, comparison)

    @contextmanager
    def part(self, part: Part) -> Iterator[None]:
        """A part of the work, with the time that it takes. What it had found before it was cut off is found anew."""
        log.info("%s", part.title)
        self.began, self.doing = time.monotonic(), replace(part, done=0, seconds=0.0, answers=0)
        points = [one for one in self.comparison.points if not self.has_made(part, one)]
        turns = [one for one in self.comparison.turns if not self.has_made(part, one)]
        self.comparison = replace(self.comparison, points=points, turns=turns)
        self.progress(0)
        yield
        self.save(self.comparison.changed(replace(self.part_now(), ended=True)))

    def part_now(self) -> Part:
        return replace(self.doing, seconds=time.monotonic() - self.began)

    def progress(self, done: int, answers: int = 0) -> None:
        self.doing = replace(self.doing, done=done, answers=answers)
        self.comparison = self.comparison.changed(self.part_now())
        if time.monotonic() - self.written > LOOK_SECONDS:
            self.save(self.comparison)

    def obey(self) -> None:
        """Raises Stopped if a person wants it to end."""
        if is_stop_requested(self.directory):
            raise Stopped

    def ended(self, name: str, votes: int = 0) -> Part:
        """A part that came before."""
        return next(part for part in self.comparison.parts if (part.name, part.votes) == (name, votes))

    def add(self, method: str, strength: int, measured: Measured, spent: Cost, each: int = 1) -> None:
        made = point(method, strength, measured, spent, len(self.evaluator.prompts), each)
        self.save(replace(self.comparison, points=[*self.comparison.points, made]))
        log.info("%s", describe(made, self.comparison.kind))

    # --- what parts are made of ---------------------------------------------------------------------------------

    def write_answers(self) -> list[Response]:
        """By the parent, so many to each prompt, those to one after the other."""
        found: list[Response] = []
        for some in self.evaluator.write(self.parent.model, self.config.samples):
            found += some
            self.progress(len(found))
            self.obey()
        return found

    def check_scores(self, scores: Sequence[float]) -> None:
        """Raise ValueError in words if the rule says the same of all answers by the parent."""
        if len(set(scores)) == 1:
            raise ValueError(
                f"the rule {self.config.rule} says the same of all {len(scores):,} answers by {self.parent_name}: "
                "nothing can be learned from it, so choose another rule, or another model"
            )

    def vote(self, count: int, fewest: int) -> list[Preference]:
        """Let the rule vote on pairs of answers by the parent. Raises ValueError if it decides on fewer than that."""
        model, config = self.parent.model, self.config
        packed = PackedGPT(model) if self.device.type == "cpu" else model
        writer = Writer(packed, self.parent.tokenizer, self.parent_name)
        place = self.runs / "votes"
        if place.is_dir():
            remove(place)  # of a process that was cut off
        place.mkdir()
        votes, asked, voted = Votes(place / "preferences.db"), 0, 0
        for voted in simulate(votes, writer, config.rule, count, PAIR_SAMPLING, config.seed):
            asked += AT_ONCE
            self.progress(voted, 2 * asked)
            self.obey()
            if asked >= MOST_PAIRS * count:
                break
        if voted < fewest:
            raise ValueError(
                f"the rule {config.rule} could decide on {voted} of {asked:,} pairs of answers by "
                f"{self.parent_name}, too few to learn from: choose another rule, or another model"
            )
        return votes.preferences()

    def train(self, stage: str, config: Any, name: str) -> Run:
        """A run of a stage, which ends where a person wants it to. Raises ValueError if it fails."""
        self.obey()
        if (self.runs / name).is_dir():
            remove(self.runs / name)  # of a process that was cut off
        made, ended = Run.create(self.runs / name, stage, config.to_dict()), threading.Event()
        watcher = threading.Thread(target=self.watch, args=(made, ended), daemon=True)
        watcher.start()
        try:
            status = registry.train(made)
        finally:
            ended.set()
            watcher.join()
        if status.state == "failed":
            raise ValueError(f"{self.doing.title}: {status.message}")
        if status.state != "finished":
            raise Stopped
        self.progress(status.step)
        return made

    def watch(self, training: Run, ended: threading.Event) -> None:
        """In a thread, as long as a training goes on: tell how far it is, and pass on that it is to stop."""
        while not ended.wait(LOOK_SECONDS):
            self.progress(training.status().step)
            if is_stop_requested(self.directory):
                training.request("stop")

    def follow(self, stage: str, config: Any, name: str, before: Cost, measure: Callable[[GPT], Measured]) -> Run:
        """Train, and measure the model at some steps. before: what it took until the training could begin."""
        began = time.time()
        trained = self.train(stage, config, name)
        seconds = {line["step"]: line["time"] - began for line in read_lines(trained.metrics)[0]}
        for directory in steps_kept(trained):
            self.obey()
            made = checkpoint.load(directory, self.device)
            answers = before.answers + STAGES[stage].answers_written(config, made.card.step)
            spent = Cost(before.seconds + seconds[made.card.step], answers, before.votes)
            self.add(stage, made.card.step, measure(made.model), spent)
        return trained


def size_of(config: ComparisonConfig) -> float:
    """Of the parent, as a multiple of the model for which seconds are told."""
    return read_config(Path(config.parent).expanduser() / "config.json").n_params / WEIGHTS


def usual_steps(stage: str) -> int:
    """Of its own recipe."""
    fit: FitConfig = STAGES[stage].configure({}).fit
    return fit.max_steps


def stage_config(stage: str, config: ComparisonConfig, steps: int, settings: dict[str, Any]) -> Any:
    """The stage's own recipe, as long as was asked for, with weights kept on the way."""
    usual: FitConfig = STAGES[stage].configure({}).fit
    given = {"parent": config.parent, "device": config.device, "processes": 1, "keep_steps": 0}
    given |= {"max_steps": steps, "warmup_steps": usual.warmup_steps * steps // usual.max_steps, "save_interval": steps}
    if stage != REWARD:  # which is kept at its best evaluation
        given |= {"snapshots": POINTS, "eval_interval": steps}
    return STAGES[stage].configure(given | settings)
