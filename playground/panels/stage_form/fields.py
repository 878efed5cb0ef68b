"""The settings of a stage as its form's script wants them: which control each gets, and what is said of it."""

from dataclasses import Field
from typing import Any

from core.config import is_optional, leaves, setting_of, title_of, value_type
from core.stages.base import Stage
from playground.ui.form_values import shown

NUMBERS = {int: "whole", float: "number"}


def fields(stage: Stage) -> list[dict[str, Any]]:
    """Those that it takes, those in sight first; `kind` is whole, number, box, choice, name (offers what is there) or
    text.
    """
    every = {f.name: f for f in leaves(stage.config) if f.name not in stage.refused}
    main = [every.pop(name) for name in stage.main_settings]
    return [describe(f, main=True) for f in main] + [describe(f, main=False) for f in every.values()]


def describe(f: Field[Any], main: bool) -> dict[str, Any]:
    about = setting_of(f)
    return {
        "name": f.name,
        "title": title_of(f),
        "help": about.help,
        "kind": kind_of(f),
        "choices": list(about.choices or ()),
        "main": main,
    }


def kind_of(f: Field[Any]) -> str:
    if setting_of(f).refers:
        return "name"
    if setting_of(f).choices:
        return "choice"
    if value_type(f) is bool:
        return "box"
    return "text" if is_optional(f) else NUMBERS.get(value_type(f), "text")


def shown_values(config: Any) -> dict[str, Any]:
    """{name: what its control shows}."""
    return {name: shown(value) for name, value in config.to_dict().items()}
