"""README, the docs and the recipes: links and paths lead somewhere, commands are understood, snippets run."""

import ast
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from core.cli import build_parser
from playground import api
from playground.services.services import Services
from tests import architecture, data_table, fault_table, lesson_table, weight_table

REPO = Path(__file__).parents[1]
README = REPO / "README.md"
PAGES = [README, *sorted((REPO / "assets" / "docs").glob("*.md")), REPO / ".github" / "CONTRIBUTING.md"]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
TOPS = r"core|playground|assets|tests|\.ci|\.github|checkpoints/bard-\w+"
PATH = re.compile(rf"`((?:{TOPS})/[\w./*-]*|checkpoints/bard-\w+)`")
INVENTED = {"core/stages/grpo.py", "playground/tabs/NAME/"}  # what recipes make


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, code) of every fenced block of a language."""
    found = [(page, match) for page in PAGES for match in FENCE.findall(page.read_text(encoding="utf-8"))]
    return [(page.name, code) for page, (name, code) in found if name == language]


def typed(start: str) -> list[str]:
    """The command lines of all blocks that begin so, without what is said about them."""
    lines = {line.split(" #")[0].strip() for _, code in blocks("bash") for line in code.splitlines()}
    return sorted(line for line in lines if line.startswith(start))


def mentioned(start: str) -> list[str]:
    """The commands that begin so within sentences."""
    texts = (FENCE.sub("", page.read_text(encoding="utf-8")) for page in PAGES)
    return sorted({" ".join(found.split()) for text in texts for found in re.findall(rf"`({start}[^`]*)`", text)})


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_link_and_every_path_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    missing = [path for path in PATH.findall(text) if path not in INVENTED and not any(REPO.glob(path.rstrip("/")))]
    assert (links, missing) == ([], [])


def test_every_page_is_linked_from_readme() -> None:
    linked = {(REPO / link).resolve() for link in LINK.findall(README.read_text(encoding="utf-8"))}
    assert {page for page in PAGES if page != README} <= linked


def test_readme_is_short_and_has_the_two_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    for mark in ("start", "test"):
        (command,) = re.findall(rf"^<!-- {mark} -->\n```bash\n(.*)\n```$", text, re.MULTILINE)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")


def test_no_page_names_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|home|root|Users)/|pypi\.|files\.pythonhosted", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", typed("python -m core"))
def test_a_command_is_understood(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[3:])  # raises SystemExit if it is not


@pytest.mark.parametrize("command", mentioned("python -m core"))
def test_a_command_in_a_sentence_has_these_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[3:]
    name = [word for word in words[:1] if word.islower() and not word.startswith("-")]
    with pytest.raises(SystemExit):
        build_parser().parse_args([*name, "--help"])
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", capsys.readouterr().out))


@pytest.mark.parametrize("command", [*typed("python -m tests"), *mentioned("python -m (?:tests|playground)")])
def test_a_module_that_is_run_exists(command: str) -> None:
    name = shlex.split(command)[2]
    assert find_spec(f"{name}.__main__" if (REPO / name.replace(".", "/")).is_dir() else name)


@pytest.mark.parametrize("code", [code for _, code in blocks("python")], ids=[name for name, _ in blocks("python")])
def test_a_snippet_runs(code: str) -> None:
    lines = code.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    plain = "\n".join(line[indent:] for line in lines)
    ast.parse(plain)
    if "from core" in plain:
        ended = subprocess.run(
            [sys.executable, "-c", plain], cwd=REPO, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True
        )
        assert ended.returncode == 0, ended.stderr.decode()


def test_programs_are_told_of_every_endpoint(tmp_path: Path) -> None:
    text = (REPO / "assets" / "docs" / "programs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `/(\w+)`", text, re.MULTILINE))
    assert named == {endpoint.__name__ for endpoint in api.endpoints(Services.open(tmp_path, torch.device("cpu")))}
    assert set(re.findall(r'api_name="/(\w+)"', text)) <= named


@pytest.mark.parametrize("path", architecture.modules(), ids=lambda path: path.relative_to(REPO).as_posix())
def test_a_module_says_what_it_is(path: Path) -> None:
    assert architecture.sentence(path).endswith((".", "?", ":"))


def test_the_tree_of_modules_is_current() -> None:
    page, updated = architecture.PART.updated()
    assert page == updated, "run python -m tests.architecture --write"


def test_the_tables_of_data_are_what_the_readers_say() -> None:
    page, updated = data_table.PART.updated()
    assert page == updated, "run python -m tests.data_table --write"


def test_the_table_of_weights_is_what_the_readers_declare() -> None:
    page, updated = weight_table.PART.updated()
    assert page == updated, "run python -m tests.weight_table --write"


def test_the_table_of_lessons_is_what_they_declare() -> None:
    page, updated = lesson_table.PART.updated()
    assert page == updated, "run python -m tests.lesson_table --write"


def test_the_table_of_faults_is_made_of_what_the_tests_do() -> None:
    page, updated = fault_table.PART.updated()
    assert page == updated, "run python -m tests.fault_table --write"
