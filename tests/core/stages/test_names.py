"""No file outside core/stages/ knows a stage by its name: what stages differ in is read from their declarations."""

import ast
from pathlib import Path

import pytest

from core.stages.registry import STAGES

REPO = Path(__file__).parents[3]
FILES = sorted(
    path.relative_to(REPO).as_posix()
    for top in ("core", "playground")
    for path in (REPO / top).rglob("*.py")
    if not path.is_relative_to(REPO / "core" / "stages")
)


def is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in tuple(STAGES)


def offences(source: str) -> list[int]:
    """The lines that compare with a stage's name, look something up by it, or gather such names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        children: list[ast.AST | None] = []
        match node:
            case ast.Compare():
                children = [node.left, *node.comparators]
            case ast.Dict():
                children = list(node.keys)
            case ast.Tuple() | ast.List() | ast.Set():
                children = list(node.elts)
            case ast.Subscript():
                children = [node.slice]
            case ast.MatchValue():
                children = [node.value]
        found += [child.lineno for child in children if is_name(child)]
    return found


@pytest.mark.parametrize("path", FILES)
def test_no_stage_is_known_by_its_name(path: str) -> None:
    assert offences((REPO / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'stage == "ppo"',
        '"dpo" != card.stage',
        'card.stage in ("sft", "dpo")',
        'ABOUT = {"reward": "A copy of the model"}',
        'of = ["ppo"]',
        'STAGES["pretrain"]',
        'match stage:\n    case "classify":\n        pass',
    ],
)
def test_a_name_would_be_noticed(source: str) -> None:
    assert offences(source)


def test_other_words_are_free() -> None:
    assert offences('REWARD = "reward"\nkind == "reward model"\nlog.info("pretrain")') == []
