"""The command that is shown makes the very configuration for which it is shown."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from core import cli
from core.command_line import command_of
from core.stages.registry import STAGES


@pytest.mark.parametrize(
    ("stage", "preset", "changes"),
    [
        ("pretrain", "nano", {}),
        ("pretrain", "tiny", {"max_steps": 120, "sample_prompt": 'ROMEO:\n"it\'s"', "skip_bad_lines": True}),
        ("pretrain", "bard", {"attn_scale": 0.5, "keep_best": False}),
        ("classify", None, {"train_what": "head", "learning_rate": 0.5}),
        ("sft", None, {"method": "lora", "data": "my talks/a.jsonl"}),
    ],
)
def test_the_command_makes_the_same_configuration(stage: str, preset: str | None, changes: dict[str, Any]) -> None:
    known = STAGES[stage]
    config = known.configure(changes, preset)
    command = command_of(known, Path("checkpoints/mine"), config)
    words = shlex.split(command)
    assert words[:5] == ["python", "-m", "core", stage, "checkpoints/mine"]
    args = cli.build_parser().parse_args(words[3:])
    given = {name: value for name, value in vars(args).items() if name in config.to_dict()}
    assert known.configure(given, getattr(args, "preset", None)) == config


def test_only_what_differs_is_said() -> None:
    command = command_of(STAGES["pretrain"], Path("checkpoints/mine"), STAGES["pretrain"].configure({}, "tiny"))
    assert command == "python -m core pretrain checkpoints/mine --preset tiny"
