"""The command that starts a training with given settings: what the page shows to be copied."""

import shlex
from pathlib import Path
from typing import Any

from core.config import is_optional, leaves, value_type
from core.stages.base import Stage


def command_of(stage: Stage, directory: Path, config: Any) -> str:
    """`python -m core STAGE DIRECTORY ...`, with the flags that differ from the preset which needs fewest of them."""
    values, presets = config.to_dict(), stage.presets
    if presets is None:
        chosen, changed = "", changes(values, stage.configure({}))
    elif stage.has_preset_flag:
        every = ((name, changes(values, stage.configure({}, name))) for name in presets.recipes)
        chosen, changed = min(every, key=lambda pair: len(pair[1]))
    else:  # a setting chooses it
        chosen, flag = "", presets.flag
        changed = changes(values, stage.configure({flag: values[flag]}))
        changed |= changes({flag: values[flag]}, stage.configure({}))
    words = ["python", "-m", "core", stage.name, str(directory)]
    if chosen and presets:
        words += [f"--{presets.flag}", chosen]
    for f in leaves(stage.config):
        if f.name in changed:
            words += flag_of(f.name, changed[f.name], value_type(f) is bool, is_optional(f))
    return shlex.join(words)


def changes(values: dict[str, Any], base: Any) -> dict[str, Any]:
    """Those of the values that `base` has otherwise."""
    before = base.to_dict()
    return {name: value for name, value in values.items() if value != before[name]}


def flag_of(name: str, value: Any, is_switch: bool, optional: bool) -> list[str]:
    flag = name.replace("_", "-")
    if is_switch:
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", "none" if value is None and optional else str(value)]
