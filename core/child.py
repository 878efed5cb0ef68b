"""A process of its own for a module of this package: `python -P core/child.py MODULE ARGUMENTS`.

The directory from which a person starts the playground is not code: with -P no file in it is taken for a module, be it
called random.py or core/, and the package is found by where this file lies.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

CORE = Path(__file__).parent


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of `core`, or `core` itself."""
    return [sys.executable, "-P", __file__, module, *arguments]


def main(module: str, *arguments: str) -> None:
    spec = importlib.util.spec_from_file_location("core", CORE / "__init__.py", submodule_search_locations=[str(CORE)])
    assert spec is not None and spec.loader is not None
    sys.modules["core"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
