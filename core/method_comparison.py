"""Which method, when? DPO, PPO, GRPO and best-of-n from the same parent on the same rule: reward against KL, and cost.

A rule (core/preferences/rule_annotators.py) is what all are to please: it votes for DPO and for PPO's reward model,
rewards GRPO's answers, and picks the best of n. Each stage trains as it always does, with its own recipe, and is
measured at some of its steps, on prompts from plays that nothing was learned from: how often the rule likes an answer,
and how far the model has moved for that. What each has cost is told in seconds, answers and votes.

Gao et al. 2022, arXiv:2210.10760, draw reward against KL for best-of-n and for PPO in such a picture.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core import checkpoint
from core.atomic_files import claim, is_locked, remove
from core.checkpoint import read_card, read_config
from core.config import describe_os_error
from core.datasets.preference_files import write_preferences
from core.datasets.prompts import fitting_prompts, held_out_prompts
from core.method_comparison_file import (
    BEST_OF_N,
    CREATED,
    DIRECTORY,
    FAILED,
    FINISHED,
    LOCK,
    LOG,
    PARENT,
    PARTS,
    RUNNING,
    STOPPED,
    VOTES,
    Comparison,
    MethodsConfig,
    Part,
    comparisons,
    is_stop_requested,
    read_comparison,
    write_comparison,
)
from core.method_points import Cost, Evaluator, Measured, describe, point, steps_kept
from core.packed_model import PackedGPT
from core.preferences.pair_generation import AT_ONCE, PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import rule_of
from core.preferences.vote_store import Votes
from core.stages import registry
from core.stages.registry import DPO, GRPO, PPO, REWARD, STAGES
from core.training.device import pick_device
from core.training.finetuning import load_with_turns
from core.training.log_lines import read_lines
from core.training.loop import FitConfig
from core.training.run_directory import Run, check_name, hold_device

log = logging.getLogger(__name__)
RUNS = "runs"
POINTS = 5  # at which a training is measured: its start, which is the parent, and on a log scale up to its end
LOOK_SECONDS = 0.5  # between two looks at a training
MOST_PAIRS = 10  # for each vote: a rule that hardly ever decides is waited for no longer
FEWEST_VOTES = 20
# Seconds that a part takes on two cores with a model of WEIGHTS weights and the default settings, about.
SECONDS = {PARENT: 35.0, VOTES: 25.0, DPO: 40.0, GRPO: 120.0, REWARD: 45.0, PPO: 120.0}
WEIGHTS = 6.7e6


class Stopped(Exception):
    """The person does not want to wait for the end."""


# --- from the beginning to the end ----------------------------------------------------------------------------


def check(config: MethodsConfig) -> None:
    """Raise ValueError in words for a comparison that could only fail: its parent, or the device, cannot be used."""
    parent = Path(config.parent).expanduser()
    checkpoint.check_language_model(parent)
    if not registry.answers(read_card(parent / "card.json")):
        raise ValueError(f"{parent.name} does not answer in turns: fine-tune it on instructions first")
    pick_device(config.device)


def create(checkpoints: Path, name: str, config: MethodsConfig) -> Path:
    """The directory of a new comparison. Raises ValueError like `check`, and if the name is unfit or taken."""
    check(config)
    check_name(name)
    for other in comparisons(checkpoints):  # of those that were interrupted or failed
        if (other / RUNS).is_dir() and not is_locked(other / LOCK):
            remove(other / RUNS)
    parent, directory = Path(config.parent).expanduser(), checkpoints / DIRECTORY / name
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    begun = Comparison(
        config, parent.name, checkpoint.weights_digest(parent), CREATED, created, "", planned(config), []
    )
    with claim(directory):
        write_comparison(directory, begun)
    return directory


def planned(config: MethodsConfig) -> list[Part]:
    """The parts of the work, with the seconds that they take on two cores."""
    size = read_config(Path(config.parent).expanduser() / "config.json").n_params / WEIGHTS
    usual = MethodsConfig()
    answers = config.prompts * config.samples
    amounts = {PARENT: answers / (usual.prompts * usual.samples), VOTES: config.votes / usual.votes}
    totals = {PARENT: answers, VOTES: config.votes}
    return [
        Part(
            name,
            totals[name] if name in totals else steps(name, config),
            size * SECONDS[name] * amounts.get(name, config.length),
        )
        for name in PARTS
    ]


def steps(stage: str, config: MethodsConfig) -> int:
    usual: FitConfig = STAGES[stage].configure({}).fit
    return max(1, round(usual.max_steps * config.length))


def stage_config(stage: str, config: MethodsConfig, settings: dict[str, Any]) -> Any:
    """The stage's own recipe, as long as was asked for, with weights kept on the way."""
    usual = STAGES[stage].configure({}).fit
    count = steps(stage, config)
    given = {"parent": config.parent, "device": config.device, "processes": 1, "keep_steps": 0}
    given |= {"max_steps": count, "warmup_steps": usual.warmup_steps * count // usual.max_steps, "save_interval": count}
    if stage != REWARD:  # which is kept at its best evaluation
        given |= {"snapshots": POINTS, "eval_interval": count}
    return STAGES[stage].configure(given | settings)


def run(directory: Path) -> Comparison:
    """Compute a comparison that was created; whatever comes of it is written down, and what it needed is removed.

    Raises ValueError if another process is at it.
    """
    try:
        with FileLock(directory / LOCK, timeout=2):
            return Work(directory).run()
    except Timeout:
        raise ValueError(f"{directory.name} is being computed already") from None


class Work:
    """One process's time with a comparison."""

    def __init__(self, directory: Path):
        self.directory, self.runs = directory, directory / RUNS
        self.comparison = read_comparison(directory)
        self.config, self.parent_name = self.comparison.config, self.comparison.parent
        self.rule = rule_of(self.config.rule)
        self.began, self.written = 0.0, 0.0  # when the part of the moment was, and comparison.json

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
            if end != FAILED and self.runs.is_dir():
                remove(self.runs)
            self.save(replace(self.comparison, state=end, message=message))
        return self.comparison

    def compare(self) -> None:
        config = self.config
        self.save(replace(self.comparison, state=RUNNING))
        self.runs.mkdir(parents=True, exist_ok=True)
        self.parent = load_with_turns(Path(config.parent).expanduser(), self.device)
        room = PAIR_SAMPLING.max_new_tokens, self.parent.model.config.block_size
        prompts = fitting_prompts(self.parent.tokenizer, held_out_prompts(config.prompts), *room)
        self.evaluator = Evaluator(self.parent, self.rule, prompts, config.seed)
        self.measure_parent()
        voted = self.vote()
        data = str(self.runs / "votes.jsonl")
        self.follow(DPO, voted, {"data": data})
        self.follow(GRPO, Cost(), dict(reward=config.rule))
        rated = self.train_reward_model(voted, {"data": data})
        self.follow(PPO, rated, {"reward_model": str(self.runs / REWARD)})

    # --- how far it is ------------------------------------------------------------------------------------------

    def save(self, comparison: Comparison) -> None:
        self.comparison, self.written = comparison, time.monotonic()
        write_comparison(self.directory, comparison)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of the work, with the time that it takes."""
        log.info("%s", PARTS[name])
        self.began = time.monotonic()
        self.progress(name, 0)
        yield
        self.save(self.comparison.changed(replace(self.part_now(name), ended=True)))

    def part_now(self, name: str) -> Part:
        part = next(part for part in self.comparison.parts if part.name == name)
        return replace(part, seconds=time.monotonic() - self.began)

    def progress(self, name: str, done: int) -> None:
        self.comparison = self.comparison.changed(replace(self.part_now(name), done=done))
        if time.monotonic() - self.written > LOOK_SECONDS:
            self.save(self.comparison)

    def obey(self) -> None:
        """Raises Stopped if a person wants it to end."""
        if is_stop_requested(self.directory):
            raise Stopped

    # --- the parent, and best-of-n ------------------------------------------------------------------------------

    def measure_parent(self) -> None:
        """Several answers to each prompt: what the parent does, and what picking the best of them does."""
        texts: list[str] = []
        with self.part(PARENT):
            for some in self.evaluator.write(self.parent.model, self.config.samples):
                texts += self.evaluator.texts(some)
                self.progress(PARENT, len(texts))
                self.obey()
            if len({self.rule.score(text) for text in texts}) == 1:
                raise ValueError(
                    f"the rule {self.config.rule} says the same of all {len(texts):,} answers by {self.parent_name}: "
                    "nothing can be learned from it, so choose another rule, or another model"
                )
            for n, measured in self.evaluator.best_of(texts, self.config.samples).items():
                self.add(BEST_OF_N, n, measured, Cost(), each=n)

    # --- the methods that learn ---------------------------------------------------------------------------------

    def vote(self) -> Cost:
        """Let the rule vote on pairs of answers by the parent."""
        config, began = self.config, time.monotonic()
        model = self.parent.model
        packed = PackedGPT(model) if self.device.type == "cpu" else model
        writer = Writer(packed, self.parent.tokenizer, self.parent_name)
        votes, asked, voted = Votes(self.runs / "preferences.db"), 0, 0
        with self.part(VOTES):
            for voted in simulate(votes, writer, config.rule, config.votes, PAIR_SAMPLING, config.seed):
                asked += AT_ONCE
                self.progress(VOTES, voted)
                self.obey()
                if asked >= MOST_PAIRS * config.votes:
                    break
            if voted < FEWEST_VOTES:
                raise ValueError(
                    f"the rule {config.rule} could decide on {voted} of {asked:,} pairs of answers by "
                    f"{self.parent_name}, too few to learn from: choose another rule, or another model"
                )
            write_preferences(self.runs / "votes.jsonl", votes.preferences())
        return Cost(time.monotonic() - began, 2 * asked, voted)

    def train_reward_model(self, before: Cost, settings: dict[str, Any]) -> Cost:
        began = time.monotonic()
        with self.part(REWARD):
            self.train(REWARD, stage_config(REWARD, self.config, settings))
        return replace(before, seconds=before.seconds + time.monotonic() - began)

    def follow(self, stage: str, before: Cost, settings: dict[str, Any]) -> None:
        """Train, and measure the model at some steps. before: what it took until the training could begin."""
        config, began = stage_config(stage, self.config, settings), time.time()
        with self.part(stage):
            trained = self.train(stage, config)
            seconds = {line["step"]: line["time"] - began for line in read_lines(trained.metrics)[0]}
            for directory in steps_kept(trained):
                self.obey()
                made = checkpoint.load(directory, self.device)
                answers = before.answers + STAGES[stage].answers_written(config, made.card.step)
                spent = Cost(before.seconds + seconds[made.card.step], answers, before.votes)
                self.add(stage, made.card.step, self.evaluator.measure(made.model), spent)
            remove(trained.directory)

    def train(self, stage: str, config: Any) -> Run:
        """A run of a stage, which ends where a person wants it to. Raises ValueError if it fails."""
        self.obey()
        made, ended = Run.create(self.runs / stage, stage, config.to_dict()), threading.Event()
        watcher = threading.Thread(target=self.watch, args=(made, ended), daemon=True)
        watcher.start()
        try:
            status = registry.train(made)
        finally:
            ended.set()
            watcher.join()
        if status.state == "failed":
            raise ValueError(f"{PARTS[stage]}: {status.message}")
        if status.state != "finished":
            raise Stopped
        self.progress(stage, status.step)
        return made

    def watch(self, training: Run, ended: threading.Event) -> None:
        """In a thread, as long as a training goes on: tell how far it is, and pass on that it is to stop."""
        while not ended.wait(LOOK_SECONDS):
            self.progress(training.name, training.status().step)
            if is_stop_requested(self.directory):
                training.request("stop")

    def add(self, method: str, strength: int, measured: Measured, spent: Cost, each: int = 1) -> None:
        made = point(method, strength, measured, spent, len(self.evaluator.prompts), each)
        self.save(replace(self.comparison, points=[*self.comparison.points, made]))
        log.info("%s", describe(made))
