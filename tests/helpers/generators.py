"""Generators that report progress and return what they have made."""

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def returned(work: Generator[Any, None, T]) -> T:
    """What it returns at its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: T = end.value
            return found
