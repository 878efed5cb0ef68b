"""Which method, when? DPO, PPO, GRPO, best-of-n, a dial and steering from one parent on one rule: reward, KL and cost.

A rule (core/preferences/rule_annotators.py) is what all are to please: it votes for DPO, for PPO's reward model and for
a steering vector (core/rlhf/steering.py), rewards GRPO's answers, and picks the best of n. A dial is turned from the
parent to what DPO has made, and beyond (core/rlhf/task_vectors.py). Each stage trains as it always does, with its own
recipe. At some of its steps, and for some turns of the dial, it is measured on prompts from plays that nothing was
learned from: how often the rule likes an answer, and how far the model has moved for that. What each has cost is told
in seconds, answers and votes.

Gao et al. 2022, arXiv:2210.10760, draw reward against KL for best-of-n and for PPO in such a picture.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core import checkpoint, goodhart
from core.atomic_files import claim, remove
from core.bounded_files import is_file
from core.checkpoint import read_card
from core.datasets.preference_files import read_preferences, write_preferences
from core.goodhart import GoodhartWork
from core.method_comparison_file import (
    BEST_OF_N,
    CREATED,
    DIAL,
    DIRECTORY,
    FILE,
    FINISHED,
    LOCK,
    PARENT,
    STEERING,
    VOTES,
    Comparison,
    Part,
    Point,
    Turn,
    forget_stop,
    read_comparison,
    write_comparison,
)
from core.method_comparison_settings import (
    COMPARE,
    FEWEST_VOTES,
    GOODHART,
    ComparisonConfig,
    GoodhartConfig,
    MethodsConfig,
)
from core.method_comparison_work import Work, size_of, stage_config, usual_steps
from core.method_points import Cost
from core.model import GPT
from core.rlhf.steering import steer, steering_vectors
from core.rlhf.task_vectors import mix
from core.stages import registry
from core.stages.registry import DPO, GRPO, PPO, REWARD
from core.training.device import pick_device
from core.training.run_directory import check_name

# Seconds that a part takes on two cores with the default settings, about.
SECONDS = {PARENT: 35.0, VOTES: 25.0, DPO: 40.0, DIAL: 15.0, STEERING: 18.0, GRPO: 120.0, REWARD: 45.0, PPO: 120.0}
AMOUNTS = (25, 50, 100, 150, 200)  # of the dial, in hundredths of what DPO has changed
STRENGTHS = (100, 200, 400, 600, 800)  # of the steering vector, in hundredths


# --- from the beginning to the end ----------------------------------------------------------------------------


def check(config: ComparisonConfig) -> None:
    """Raise ValueError in words for a comparison that could only fail: its parent, or the device, cannot be used."""
    parent = Path(config.parent).expanduser()
    checkpoint.check_language_model(parent)
    if not registry.answers(read_card(parent / "card.json")):
        raise ValueError(f"{parent.name} does not answer in turns: fine-tune it on instructions first")
    pick_device(config.device)


def create(checkpoints: Path, name: str, config: ComparisonConfig) -> Path:
    """The directory of a new comparison. Raises ValueError like `check`, and if the name is unfit or taken."""
    check(config)
    check_name(name)
    parent, directory = Path(config.parent).expanduser(), checkpoints / DIRECTORY / name
    created, digest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), checkpoint.weights_digest(parent)
    kind = GOODHART if isinstance(config, GoodhartConfig) else COMPARE
    begun = Comparison(config, parent.name, digest, CREATED, created, "", planned(config), [], kind)
    with claim(directory):
        write_comparison(directory, begun)
    return directory


def planned(config: ComparisonConfig) -> list[Part]:
    """The parts of the work, with the seconds that they take on two cores."""
    if isinstance(config, GoodhartConfig):
        return goodhart.planned(config)
    assert isinstance(config, MethodsConfig)
    usual, size, answers = MethodsConfig(), size_of(config), config.prompts * config.samples
    measured = config.prompts / usual.prompts
    amounts = {PARENT: answers / (usual.prompts * usual.samples), VOTES: config.votes / usual.votes}
    amounts |= {DIAL: measured, STEERING: measured}
    totals = {PARENT: answers, VOTES: config.votes, DIAL: len(AMOUNTS), STEERING: len(STRENGTHS)}
    return [
        Part(
            name,
            totals[name] if name in totals else steps(name, config),
            size * seconds * amounts.get(name, config.length),
        )
        for name, seconds in SECONDS.items()
    ]


def steps(stage: str, config: MethodsConfig) -> int:
    return max(1, round(usual_steps(stage) * config.length))


def run(directory: Path) -> Comparison:
    """Compute a comparison that was created, stopped or cut off; what comes of it is written down.

    What it needed is removed when it is finished.
    Raises ValueError if it is not there, if another process is at it, or if it has ended.
    """
    if not is_file(directory / FILE):
        raise ValueError(f"there is no comparison called {directory.name} in {directory.parent}")
    try:
        with FileLock(directory / LOCK, timeout=2):
            found = read_comparison(directory)
            if found.state == FINISHED:
                raise ValueError(f"{directory.name} was {found.state}: begin a new one")
            if found.state != CREATED:  # it was stopped or cut off
                forget_stop(directory)
            return (GoodhartWork if found.kind == GOODHART else MethodsWork)(directory).run()
    except Timeout:
        raise ValueError(f"{directory.name} is being computed already") from None


class MethodsWork(Work):
    """The methods in turn."""

    config: MethodsConfig

    def has_made(self, part: Part, found: Point | Turn) -> bool:
        return part.name == (PARENT if found.method == BEST_OF_N else found.method)

    def work(self, part: Part) -> None:
        parts: dict[str, Callable[[], None]] = {
            PARENT: self.measure_parent,
            VOTES: self.ask_rule,
            DPO: lambda: self.bend(DPO, self.votes_cost(), {"data": self.votes_file}),
            DIAL: self.turn_dial,
            STEERING: self.steer,
            GRPO: lambda: self.bend(GRPO, Cost(), dict(reward=self.config.rule)),
            REWARD: self.train_reward_model,
            PPO: lambda: self.bend(PPO, self.reward_cost(), {"reward_model": str(self.runs / REWARD)}),
        }
        parts[part.name]()

    # --- the parent, and best-of-n ------------------------------------------------------------------------------

    def measure_parent(self) -> None:
        """Several answers to each prompt: what the parent does, and what picking the best of them does."""
        texts = self.evaluator.texts(self.write_answers())
        self.check_scores([self.rule.score(text) for text in texts])
        for n, measured in self.evaluator.best_of(texts, self.config.samples).items():
            self.add(BEST_OF_N, n, measured, Cost(), each=n)

    # --- the methods that learn ---------------------------------------------------------------------------------

    @property
    def votes_file(self) -> str:
        return str(self.runs / "votes.jsonl")

    def ask_rule(self) -> None:
        write_preferences(self.votes_file, self.vote(self.config.votes, fewest=FEWEST_VOTES))

    def votes_cost(self) -> Cost:
        voted = self.ended(VOTES)
        return Cost(voted.seconds, voted.answers, voted.done)

    def reward_cost(self) -> Cost:
        votes = self.votes_cost()
        return replace(votes, seconds=votes.seconds + self.ended(REWARD).seconds)

    def configure(self, stage: str, settings: dict[str, Any]) -> Any:
        return stage_config(stage, self.config, steps(stage, self.config), settings)

    def train_reward_model(self) -> None:
        self.train(REWARD, self.configure(REWARD, {"data": self.votes_file}), REWARD)

    def bend(self, stage: str, before: Cost, settings: dict[str, Any]) -> None:
        """Train a policy, and measure it at some steps. before: what it took until the training could begin."""
        trained = self.follow(stage, self.configure(stage, settings), stage, before, self.evaluator.measure)
        if stage != DPO:  # whose policy the dial needs
            remove(trained.directory)

    # --- those that train nothing of their own ------------------------------------------------------------------

    def turn_dial(self) -> None:
        """From the parent to what DPO has made, and beyond: it costs what that has cost."""
        child = checkpoint.load(self.runs / DPO, self.device).model
        spent = max((point for point in self.comparison.points if point.method == DPO), key=lambda one: one.strength)
        cost = Cost(spent.seconds, spent.answers, spent.votes)
        for amount in AMOUNTS:
            self.measure(DIAL, amount, mix(self.parent.model, [(child, amount / 100)]), cost)
        remove(self.runs / DPO)

    def steer(self) -> None:
        """Along the difference of preferred and rejected answers, behind the middle layer."""
        model, began = self.parent.model, time.monotonic()
        votes = read_preferences(self.votes_file).pairs
        vectors = steering_vectors(model, self.parent.tokenizer, votes).vectors
        cost, layer = self.votes_cost(), (model.config.n_layer - 1) // 2
        cost = replace(cost, seconds=cost.seconds + time.monotonic() - began)
        for strength in STRENGTHS:
            self.measure(STEERING, strength, steer(model, layer, vectors[layer], strength / 100), cost)

    def measure(self, method: str, strength: int, model: GPT, spent: Cost) -> None:
        self.obey()
        self.add(method, strength, self.evaluator.measure(model), spent)
        self.progress(self.doing.done + 1)
