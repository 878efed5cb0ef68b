"""Who may import whom in the page, read from the sources: what is below does not know what is above it, and what
works does not know Gradio, neither itself nor through what it imports."""

import ast
import subprocess
import sys
from functools import cache

import pytest

from tests.core.test_imports import REPO, imported

# What stands in a later row may import what stands in an earlier one: not its own row, not a later one.
ROWS = (
    ("quick_import",),
    ("",),  # the package itself
    ("argument_types", "error_text", "security"),
    ("ui", "services"),
    ("panels", "tour"),
    ("tabs",),
    ("api", "openai_api"),
    ("app",),
    ("__main__",),
)
ROW = {part: row for row, parts in enumerate(ROWS) for part in parts}
OF_THEIR_KIND = ("panels", "tabs")  # of which no folder imports another
LAYOUT_PARTS = (  # what lays out a part of a tab, beside the modules that define `build`
    "playground.tabs.chat.feedback",
    "playground.tabs.chat.talk",
    "playground.tabs.tokenizer.common",
)


def sources() -> dict[str, str]:
    """All modules of the page, by their dotted name; a package goes by that of its folder."""
    found = {}
    for path in sorted((REPO / "playground").rglob("*.py")):
        name = path.relative_to(REPO).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        found[name] = path.read_text(encoding="utf-8")
    return found


SOURCES = sources()


def module_of(name: str) -> str:
    """The module of the page that an imported name is, or is in: that of `playground.ui.text.sentence` is `...text`."""
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return name


def is_forbidden(module: str, name: str) -> bool:
    """May the module not import what is called so?"""
    target = module_of(name)
    if not target.startswith("playground."):
        return False  # torch, core or Gradio; `playground` itself holds nothing
    ours, theirs = module.split(".")[1:] or [""], target.split(".")[1:]
    if ours[:1] != theirs[:1]:
        return ROW[theirs[0]] >= ROW[ours[0]]
    if ours[0] in OF_THEIR_KIND and len(theirs) > 1:
        return ours[1:2] != theirs[1:2]
    return False


def offences(module: str, source: str) -> list[str]:
    return sorted(name for name in imported(source) if is_forbidden(module, name))


@cache
def gradio_path(module: str) -> tuple[str, ...]:
    """By which imports a module comes to Gradio, from itself on; empty if by none."""
    names = imported(SOURCES[module])
    if any(name.split(".")[0] == "gradio" for name in names):
        return (module,)
    for target in sorted({module_of(name) for name in names} - {"", "playground", module}):
        if path := gradio_path(target):
            return (module, *path)
    return ()


def lays_out(module: str, source: str) -> bool:
    """Is the module one of those that build the page?"""
    _, part, *rest = module.split(".") if "." in module else ("", module)
    if part == "tabs":
        functions = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
        return "build" in functions or module in LAYOUT_PARTS
    if part == "panels":
        return rest[-1:] in (["panel"], ["server"])  # it, and the functions that its script calls
    return part in ("ui", "api", "app", "__main__")


def test_every_part_of_the_page_has_its_place_in_the_order() -> None:
    parts = {name.split(".")[1] for name in SOURCES if "." in name}
    assert {"", *parts} == set(ROW)


@pytest.mark.parametrize("module", SOURCES)
def test_no_module_imports_against_the_direction(module: str) -> None:
    assert offences(module, SOURCES[module]) == []


@pytest.mark.parametrize("module", SOURCES)
def test_what_does_not_lay_out_works_without_gradio(module: str) -> None:
    claims = "No gradio" in (ast.get_docstring(ast.parse(SOURCES[module])) or "")
    if claims or not lays_out(module, SOURCES[module]):
        assert gradio_path(module) == ()


def test_what_is_excused_still_needs_it() -> None:
    assert set(LAYOUT_PARTS) <= set(SOURCES) and not any("def build(" in SOURCES[module] for module in LAYOUT_PARTS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("playground.error_text", "from playground.ui.text import sentence"),
        ("playground.ui.forms", "from playground.services.checkpoints import Checkpoints"),
        ("playground.ui.components", "def bind():\n    from playground.panels.voting import panel"),
        ("playground.services.checkpoints", "from playground.ui.text import sentence"),
        ("playground.services.services", "from playground.tabs.chat.token_inspection import TokenInspector"),
        ("playground.services.labelling.prefetch", "import playground.panels.voting.annotator_stats"),
        ("playground.panels.voting.panel", "from playground.tabs.label.choose import build"),
        ("playground.panels.live_run.panel", "from playground.panels.stage_form.panel import Tool"),
        ("playground.panels.stage_form.panel", "from playground.panels.live_run.panel import Place"),
        ("playground.panels.voting.panel", "from playground.panels import live_run"),
        ("playground.tour.stops", "from playground.panels.voting.panel import name"),
        ("playground.tabs.chat.talk", "from playground.tabs.train import build"),
        ("playground.tabs.chat.talk", "from playground.tabs import train"),
        ("playground.tabs.chat", "from playground.app import THEME"),
        ("playground.api", "from playground import app"),
        ("playground.app", "from playground.__main__ import main"),
    ],
)
def test_a_forbidden_import_would_be_noticed(module: str, source: str) -> None:
    assert len(offences(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "playground.tabs.chat.talk",
            "import gradio as gr\nfrom core import model\nfrom playground.ui import forms",
        ),
        ("playground.tabs.chat", "from playground.tabs.chat import talk"),
        ("playground.ui.errors", "from playground.error_text import describe_error"),
        (
            "playground.app",
            "from playground import api\nfrom playground.tabs import chat",
        ),
    ],
)
def test_an_allowed_import_is_not_reproached(module: str, source: str) -> None:
    assert offences(module, source) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("playground.services.checkpoints", "import gradio as gr"),
        ("playground.security", "from gradio import Request"),
        ("playground.tour.stops", "from playground.ui.components import view"),
        ("playground.tabs.models.cards", "from playground.ui.errors import handler"),
        ("playground.panels.stage_form.cost", "from playground.panels.stage_form import panel"),
    ],
)
def test_gradio_would_be_noticed_even_behind_another_module(
    module: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradio_path.cache_clear()
    monkeypatch.setitem(SOURCES, module, source)
    assert gradio_path(module) and not lays_out(module, source)
    gradio_path.cache_clear()


STUBS_OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
import playground, gradio
assert gradio.HTML().click and gradio.HTML.get_component_class_id()
sys.exit(sum(str(name).endswith(".pyi") for name in opened))
"""


def test_gradio_is_imported_without_its_stubs():
    assert subprocess.run([sys.executable, "-c", STUBS_OPENED], check=False).returncode == 0
