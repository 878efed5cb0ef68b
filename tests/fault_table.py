"""The tables of faults in assets/docs/security-and-faults.md, made of what the tests say that they do to the playground
and what then comes of it: `python -m tests.fault_table --write`.

A test says so by `@pytest.mark.fault("what goes wrong", "what then happens")`, an event of the soak by its docstring.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.helpers.generated import Generated
from tests.helpers.soak_events import EVENTS

TESTS = Path(__file__).parent


class Fault(NamedTuple):
    what: str
    then: str
    file: str


def faults() -> Iterator[Fault]:
    """Those that the tests declare, file by file."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    what, then = (ast.literal_eval(text) for text in mark.args)
                    yield Fault(what, then, path.relative_to(TESTS.parent).as_posix())


def table() -> str:
    lines = ["| if ... | then ... | tried in |", "| --- | --- | --- |"]
    lines += [f"| {fault.what} | {fault.then} | `{fault.file}` |" for fault in faults()]
    lines += [
        "",
        "The soak, `python -m tests.benchmarks.soak`, does the following to one workspace at random and looks",
    ]
    lines += ["after each event whether a vote, a model or a run was lost, a process left over, or memory filled:", ""]
    lines += [f"- {' '.join((event.__doc__ or '').split())}" for event in EVENTS]
    return "\n".join(lines) + "\n"


PART = Generated(
    "security-and-faults.md", "<!-- faults: python -m tests.fault_table --write -->\n", "<!-- end of faults -->", table
)


if __name__ == "__main__":
    PART.main(__doc__)
