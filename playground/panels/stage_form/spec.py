"""A stage as a form: what its settings offer on this machine, and what a training can take of them."""

import contextlib
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any

from core.chat_template import AUTO, describe_added, reads, with_template
from core.config import COLUMN, REWARD, leaves, setting_of
from core.preferences.reward_terms import REWARDS
from core.stages.base import Stage
from core.tokenizer import Tokenizer
from playground.panels.stage_form import vote_files
from playground.panels.stage_form.compatibility import check_answers, check_same_vocabulary, vocabulary
from playground.services import uploads
from playground.services.services import Services
from playground.ui.form_values import parse

NONE = ("none", "")  # the choice of nothing, where something may be left out


@dataclass(frozen=True)
class Spec:
    """The form of a stage, and under which ids it stands on the page."""

    stage: Stage
    prefix: str  # of the settings' elem_ids
    id: str  # of those of all else

    @classmethod
    def of(cls, stage: Stage) -> "Spec":
        return cls(stage, stage.name, stage.name)

    @property
    def stem(self) -> str:
        """Of the suggested names."""
        presets = self.stage.presets
        return presets.default if presets and self.stage.has_preset_flag else self.stage.stem or self.stage.name

    @property
    def depending(self) -> list[str]:
        """The settings that offer what suits the parent."""
        return self.stage.settings_that_name("reward model")

    @property
    def columns(self) -> list[str]:
        """The settings that offer the columns of the data."""
        return self.stage.settings_that_name(COLUMN)

    def defaults(self, services: Services) -> Any:
        """What the form shows at first: the stage's defaults, with what is there."""
        there: dict[str, Any] = {}
        for f in leaves(self.stage.config):
            what = setting_of(f).refers
            if setting_of(f).optional:
                continue
            if what == "votes":
                there[f.name] = vote_files.EVERYONE
            elif what == "checkpoint" and f.default and (found := self.checkpoints(services)):
                there[f.name] = found[0][1]
        if self.stage.needs_reward_model and (rewards := with_same_vocabulary(there.get("parent", ""), services)):
            there |= {name: rewards[0][1] for name in self.depending}
        return self.stage.config.from_dict(there)

    def parse(self, values: dict[str, Any]) -> Any:
        """The configuration from what the form holds. Raises ValueError naming what is empty or out of range."""
        default = self.stage.config().to_dict()
        return parse(self.stage.config, {name: default[name] for name in self.stage.refused} | values)

    def choices(self, services: Services) -> dict[str, list[Any]]:
        """What the settings that name something offer, but those that depend on others; other paths may be typed."""
        apart = (*self.depending, *self.columns)
        named = [f for f in leaves(self.stage.config) if setting_of(f).refers and f.name not in apart]
        return {f.name: self.offered(f, services) for f in named}

    def offered(self, f: Field[Any], services: Services) -> list[Any]:
        what = setting_of(f).refers
        if what == "checkpoint":
            without = NONE if setting_of(f).optional else ("random weights", "")
            return [*([] if f.default else [without]), *self.checkpoints(services)]
        if what == "vocabulary":
            return ["train", "gpt2", *services.vocabularies.paths()]
        if what == REWARD:
            return [(f"{about} ({name})", name) for name, about in REWARDS.items()]
        if what == "votes" and setting_of(f).optional:
            return [NONE, *vote_files.vote_choices(services.preferences)]
        built_in = vote_files.vote_choices(services.preferences) if what == "votes" else self.stage.offers
        if not f.default and what != "votes":  # more data, beside those that must be there
            built_in = [NONE]
        return [*built_in, *uploads.kept(data_directory(services), self.stage.files)]

    def checkpoints(self, services: Services) -> list[tuple[str, str]]:
        """The models from which the stage can start."""
        known = services.checkpoints
        return paths(known.chat_names() if self.stage.aligns else known.names(), services)

    def resolve(self, services: Services, config: Any, directory: Path) -> Any:
        """The configuration as a training can take it, with votes written as a file into the directory.

        Raises ValueError in words if there are too few votes, or if what is named does not fit together.
        """
        values = config.to_dict()
        if self.stage.aligns:
            check_answers(values["parent"])
        for name in self.named(self.depending, values):
            there = [path for _, path in with_same_vocabulary(values["parent"], services)]
            check_same_vocabulary(values[name], values["parent"], there)
        named = self.named(self.stage.settings_that_name("votes"), values)
        for name in named:
            vote_files.check_kind(values[name], values.get("loss_type", ""))
        votes = {name: vote_files.write_votes(services.preferences, values[name], directory) for name in named}
        return type(config).from_dict(values | votes) if votes else config

    def named(self, settings: list[str], values: dict[str, Any]) -> list[str]:
        """Those of the settings that must name something, or do."""
        return [name for name in settings if values[name] or name not in self.stage.optional_settings]

    def status_text(self, services: Services, config: Any) -> str:
        """How many votes there are, if it learns from votes: they may change while the form is open; and what is added
        to the vocabulary of a parent that knows no turns."""
        values = config.to_dict()
        bad_lines = values.get("skip_bad_lines", False)
        named = self.named(self.stage.settings_that_name("votes"), values)
        votes = [self.describe_votes(services, values, values[name], bad_lines) for name in named]
        return " ".join([*votes, *self.added_tokens(values)])

    def describe_votes(self, services: Services, values: dict[str, Any], data: str, skip_bad_lines: bool) -> str:
        """As its loss reads them: pairs, or single answers."""
        if values.get("loss_type") == vote_files.KTO:
            return vote_files.describe_thumbs(vote_files.read_thumbs(services.preferences, data, skip_bad_lines))
        return vote_files.describe_votes(vote_files.read_votes(services.preferences, data, skip_bad_lines))

    def added_tokens(self, values: dict[str, Any]) -> list[str]:
        """In words, the special tokens that the parent's vocabulary gets."""
        if not (self.stage.answers or self.stage.scores):
            return []
        before = Tokenizer.load(values["parent"])
        return list(filter(None, [describe_added(before, with_template(before, values.get("template", AUTO)))]))


def with_same_vocabulary(parent: str, services: Services) -> list[tuple[str, str]]:
    """The reward models that read what the parent writes; those first that are still to be finished."""
    try:
        writer = Tokenizer.load(parent)
    except ValueError:  # that the parent cannot be read is said when it is planned
        return []
    unfinished = services.jobs.unfinished(lambda stage: stage.scores)
    made = [name for name in services.checkpoints.reward_models() if name not in unfinished]
    found = []
    for name, state in (unfinished | dict.fromkeys(made, "")).items():
        path = str(services.checkpoints.roots.path(name))
        with contextlib.suppress(ValueError):  # of one that is still to be made, the parent may be gone
            if reads(vocabulary(path), writer):
                found.append((f"{name} ({state})" if state else name, path))
    return found


def paths(names: list[str], services: Services) -> list[tuple[str, str]]:
    """Checkpoints as choices: (what is read, its path)."""
    return [(name, str(services.checkpoints.roots.path(name))) for name in names]


def data_directory(services: Services) -> Path:
    """Where the files lie that a person gave to a form, and votes that were written as one."""
    return services.checkpoints.directory / "data"
