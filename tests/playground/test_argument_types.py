"""What a program gives to an endpoint is of the type that is declared, or refused in words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from playground.argument_types import check_types


def endpoint(
    name: str, settings: dict[str, Any], history: list[dict[str, str]] | None = None, share: float = 1.0
) -> str:
    return f"{name} {settings} {history} {share}"


def stream(count: int, fast: bool = False) -> Iterator[int]:
    yield from range(count)


@pytest.mark.parametrize("args", [("a", {}), ("a", {"b": [1]}, None, 2), ("", {}, [{"role": "user"}], 0.5)])
def test_what_is_declared_passes(args: tuple) -> None:
    assert check_types(endpoint)(*args) == endpoint(*args) and list(check_types(stream)(3, True)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((5, {}), "name must be a text, got 5"),
        (("a", []), "settings must be an object, got"),
        (("a", {}, "x"), "history must be a list, each of it an object, or null, got 'x'"),
        (("a", {}, [{"role": 1}]), "history must be a list"),
        (("a", {}, None, True), "share must be a number, got True"),
        (("a", {}, None, "x" * 999), f"share must be a number, got '{'x' * 79}"),
    ],
)
def test_what_is_not_is_refused_in_words(args: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_types(endpoint)(*args)


def test_a_stream_is_refused_when_it_begins() -> None:
    with pytest.raises(ValueError, match=r"count must be a whole number, got 1\.5"):
        next(check_types(stream)(1.5))
