"""The directory from which a person starts is not code: what lies in it changes no process that is begun there."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import child
from core.child import command

TRAP = "raise SystemExit('this is not a module of the standard library')\n"


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of a person who calls files as modules are called; it is the current one."""
    for name in ("random", "json", "torch", "socket", "regex"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text(TRAP)
    (tmp_path / "core" / "__main__.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.fault(
    "the playground is started where files are called `random.py` or `core/`",
    "trainings and imports run none of them",
)
@pytest.mark.slow
def test_a_command_of_core_runs_whatever_lies_around(trapped: Path) -> None:
    done = subprocess.run(command("core", "queue", "list", "--directory", "."), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "nothing waits in .\n"), done.stderr


def test_it_is_this_very_package_that_runs(trapped: Path) -> None:
    code = "import core.child, sys; sys.stdout.write(core.child.__file__)"
    seen = subprocess.run([sys.executable, "-P", child.__file__, "timeit", "-n1", "-r1", code], capture_output=True)
    assert child.__file__.encode() in seen.stdout, seen.stderr
