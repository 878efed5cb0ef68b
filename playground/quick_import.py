"""Gradio, imported in little more than half of the time.

Whenever Gradio is imported, it compares the stub (.pyi) of each class with events, which is for editors, with one that
it makes of the source: more than a second, for which who starts the playground would wait. It leaves out a class that
has no file.
"""

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from unittest.mock import patch

getfile = inspect.getfile


def file_of(thing: Any) -> str:
    """As `inspect.getfile`. Raises OSError for a class of Gradio."""
    if inspect.isclass(thing) and thing.__module__.startswith("gradio."):
        raise OSError("no stub is needed")
    return getfile(thing)


class WithoutStubs(MetaPathFinder):
    """Finds Gradio, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gradio":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def without_stubs(module: ModuleType) -> None:
                with patch.object(inspect, "getfile", file_of):
                    execute(module)

            setattr(spec.loader, "exec_module", without_stubs)  # noqa: B010 (to a type checker, a method stays what it is)
        return spec


def install() -> None:
    """For when Gradio is imported; nothing is imported yet."""
    sys.meta_path.insert(0, WithoutStubs())
