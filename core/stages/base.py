"""What a training stage is, as one declaration: whoever must know in what stages differ reads it here.

A stage's file ends with its `STAGE`, and core/stages/registry.py lists them. The command line, the API, the form and
its planner, the preview, the live curves, the report card, the family tree, the pickers, the protection of models in
use and the doctor are made from these fields; none of them knows a stage by its name.

Plain data and functions: no colour, no widget.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.bounded_files import is_file
from core.chat_template import with_template
from core.checkpoint import check_language_model, is_checkpoint, read_config
from core.config import CHECKPOINTS, Config, leaves, names, setting_of
from core.datasets.classification import Labelled
from core.datasets.look import Reader
from core.datasets.preview import Preview
from core.datasets.shakespeare import Corpus
from core.diagnostics.loss_rules import LOSS_RULES
from core.diagnostics.machine_rules import MACHINE_RULES
from core.diagnostics.run_log import Rule
from core.diagnostics.verdict import FinishedRun, Verdict
from core.model import GPTConfig
from core.rlhf.rewards import check_reward_model
from core.tokenizer import Tokenizer
from core.training.device import pick_device
from core.training.launch import processes_of
from core.training.loop import FitConfig
from core.training.runner import Job, Progress

TRAINING, HELD_OUT, ROLLOUTS = "training", "held out", "rollouts"  # where a metric is measured


@dataclass(frozen=True)
class About:
    """What a panel says, in plain words."""

    name: str  # what is measured
    text: str  # one sentence, which begins with a small letter


@dataclass(frozen=True)
class Metric:
    """A number in a run's log: how it is called where it is drawn, and where it stands on a report card.

    One that is not declared is drawn and listed all the same, under its key.
    """

    key: str  # in metrics.jsonl: TRL's, where TRL has it
    title: str  # of its panel
    unit: str = ""  # "share" for one from 0 to 1
    role: str = TRAINING  # at every step, at every evaluation, or once for all answers of an iteration
    meaning: str = ""  # in words, on a report card; "" = it does not come to stand there
    curve: str = ""  # of which of the panel's curves it is: "" = its title
    panel: str = ""  # of those that are drawn together: the first one says title and unit; "" = it is alone
    about: About | None = None
    late: bool = False  # its panel stands last, and comes with the first value: the others do not move then
    counted: tuple[str, ...] = ()  # of a share: the metrics that may say of how many independent cases, n/CASES


@dataclass(frozen=True)
class AgainstKL:
    """The main picture of a stage that bends a policy: what the movement away from the reference buys."""

    title: str
    about: str
    y: str  # title of the axis
    paths: tuple[tuple[str, str, str], ...]  # (metric of KL, metric of what it buys, name), measured at the same steps
    limits: Mapping[str, str] = field(default_factory=dict)  # settings that are distances, and what is written there
    from_zero: bool = True  # does the parent stand at 0? Otherwise where the first path begins, as it wrote that


@dataclass(frozen=True)
class Presets:
    """Settings that go together, chosen by one word: the value of the setting `flag`, or of a flag of that name."""

    flag: str
    recipes: Mapping[str, Mapping[str, Any]]  # what each word sets
    default: str
    help: str = ""  # where `flag` is no setting


def parent_shape(config: Any) -> GPTConfig:
    """The shape of the model that `parent` names. Raises ValueError if it cannot be read."""
    return read_config(Path(config.to_dict()["parent"]).expanduser() / "config.json")


@dataclass(frozen=True)
class Stage:
    """A kind of training. What has a default suits a fine-tuning of a language model on texts."""

    name: str  # on disk, on the command line, in addresses
    title: str  # a few words
    summary: str  # what it does, a sentence
    config: type[Any]  # a Config with a field `fit`
    prepare: Callable[[Any, Path | None, torch.device, Progress], Job]  # given the saved step to go on from, if any
    lesson: str = ""  # from what to what, and what is learned from: a sentence below the title
    needs: str = ""  # what must be there before, a sentence
    # --- what it makes -----------------------------------------------------------------------------------------
    answers: bool = False  # does its model answer in turns? Others continue texts, or name a class
    scores: bool = False  # is its model a reward model, which scores answers?
    stem: str = ""  # of the names that are suggested; "" = its name
    held_out: Callable[[Any], Labelled] | None = None  # texts of known class that its classifier has not learned from
    learned_text: Callable[[Any], Corpus] | None = None  # what its model learns to write, and what was held out of that
    # --- in how many processes ---------------------------------------------------------------------------------
    several: bool = True  # can several share each batch?
    shards: bool = False  # can they share the model?
    # --- what it costs -----------------------------------------------------------------------------------------
    frozen_models: Callable[[Any], int] = lambda config: 0  # as large as the one that learns, beside it
    sequences_per_example: int = 1  # that are in memory at once: a pair has two answers
    passes: Callable[[Any], float] = lambda config: 1.0  # work for each token, in forward and backward passes
    answers_written: Callable[[Any, int], int] = lambda config, step: 0  # by its own model, up to a step, to learn from
    shape: Callable[[Any], GPTConfig] = parent_shape  # of the model that is trained
    fills_context: bool = False  # is every sequence as long as the context, so that no data need be read to know it?
    # --- what it measures --------------------------------------------------------------------------------------
    loss_unit: str = "nats per token"
    loss_about: str = ""  # what the loss says, as in About
    metrics: tuple[Metric, ...] = ()  # beside those of every training, in the order in which they are drawn
    against_kl: AgainstKL | None = None
    doctor_rules: tuple[Rule, ...] = (*LOSS_RULES, *MACHINE_RULES)  # by which its runs are judged, the worst first
    verdict: Callable[[FinishedRun], Verdict | None] | None = None  # on a run that has ended
    skills: tuple[str, ...] = ()  # that its runs can be seen to learn (core/skills)
    # --- what a form offers ------------------------------------------------------------------------------------
    main_settings: tuple[str, ...] = ()  # in sight; the others are folded away
    offers: tuple[str, ...] = ()  # data by name
    files: tuple[str, ...] = ()  # kinds of files that can be its data
    presets: Presets | None = None
    look: Reader | None = None  # at a file of its data, before anything is set
    preview: Callable[[Any], Preview] | None = None  # what the model will see; ValueError in words, as in the training

    def configure(self, given: Mapping[str, Any], preset: str | None = None) -> Any:
        """The configuration with what was `given`; the rest as the preset has it, or by default."""
        recipe: Mapping[str, Any] = {}
        if self.presets:
            chosen = preset or given.get(self.presets.flag) or self.presets.default
            if chosen not in self.presets.recipes:
                known = ", ".join(self.presets.recipes)
                raise ValueError(f"{self.presets.flag} must be one of {known}, got {chosen!r}")
            recipe = self.presets.recipes[chosen]
        return self.config.from_dict({**self.config().to_dict(), **recipe, **given})

    def check(self, config: Any) -> None:
        """Raise ValueError in words for a start that could only fail: its parent or its data cannot be used.

        What only the weights would tell is not looked for, nor what another run is still to make.
        """
        self.processes(config)
        values = config.to_dict()
        named = {name: values[name] for name in self.settings_that_name(*CHECKPOINTS) if values[name]}
        paths = {name: Path(value).expanduser() for name, value in named.items()}
        if any(is_file(path / "run.json") and not is_checkpoint(path) for path in paths.values()):
            return
        for name in self.settings_that_name("checkpoint"):
            if name in paths:
                check_language_model(paths[name])
        for name in self.settings_that_name("reward model"):
            if values[name] or name not in self.optional_settings:
                check_reward_model(values[name], with_template(Tokenizer.load(paths["parent"])))
        if self.preview:
            self.preview(config)

    def processes(self, config: Any) -> int:
        """In how many it trains on this machine. Raises ValueError if it cannot train in as many as are asked for."""
        fit: FitConfig = config.fit
        if fit.shard and not self.shards:
            raise ValueError(f"shard must be off: {self.name} trains a model that one process holds")
        if self.several:
            return processes_of(fit, pick_device(fit.device))
        if fit.processes > 1:
            raise ValueError(f"processes must be 1, since {self.name} trains in one, got {fit.processes}")
        return 1

    @property
    def refused(self) -> list[str]:
        """The settings that it takes at their defaults alone, so that no form and no help offers them."""
        taken = {"processes": self.several, "shard": self.shards}
        return [name for name, can in taken.items() if not can]

    def usual_rate(self, config: Any) -> float | None:
        """The learning rate that suits such a training: its preset's, else the default; None for an odd shape."""
        values = config.to_dict()
        if self.presets is None:
            return float(self.configure({}).fit.learning_rate)
        if not self.has_preset_flag:
            return float(self.configure({self.presets.flag: values[self.presets.flag]}).fit.learning_rate)
        if values.get("init_from"):
            return None  # what goes on from a checkpoint wants another
        same = (name for name, recipe in self.presets.recipes.items() if is_shape(recipe, values))
        return next((float(self.configure({}, name).fit.learning_rate) for name in same), None)

    @property
    def has_preset_flag(self) -> bool:
        """Are presets chosen by a flag of their own, not by a setting?"""
        return self.presets is not None and self.presets.flag not in names(self.config)

    def settings_that_name(self, *what: str) -> list[str]:
        """The settings whose value names one of these: see `core.config.REFERS`."""
        return settings_that_name(self.config, *what)

    @property
    def optional_settings(self) -> list[str]:
        """The settings that name something which may be left out."""
        return [f.name for f in leaves(self.config) if setting_of(f).optional]

    @property
    def needs_reward_model(self) -> bool:
        return bool(set(self.settings_that_name("reward model")) - set(self.optional_settings))

    @property
    def data(self) -> str:
        """The setting that names what is learned from; "" if there is none."""
        return next(iter(self.settings_that_name("votes", "corpus")), "")

    @property
    def aligns(self) -> bool:
        """Does it learn what people prefer, from their votes or from a reward model? Then its parent must answer."""
        return bool(self.settings_that_name("votes", "reward model"))


def is_shape(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Is it the shape of the model that the recipe makes?"""
    return all(recipe.get(name) == values[name] for name in ("n_layer", "n_head", "n_embd"))


def settings_that_name(config: type[Config] | Any, *what: str) -> list[str]:
    return [f.name for f in leaves(config) if setting_of(f).refers in what]
