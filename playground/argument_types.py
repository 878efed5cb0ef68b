"""Arguments that programs give: of the types that a function declares, or a sentence."""

import functools
import inspect
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

R = TypeVar("R")
NAMES: dict[Any, str] = {  # as JSON has them
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    dict: "an object",
}
SHOWN = 80  # characters of what was given


def check_types(function: Callable[..., R]) -> Callable[..., R]:
    """The function, which raises ValueError in words where an argument has another type than is declared."""
    declared = get_type_hints(function)
    names = list(inspect.signature(function).parameters)

    def check(args: tuple[Any, ...]) -> None:
        for name, value in zip(names, args, strict=False):
            if not fits(value, declared[name]):
                raise ValueError(f"{name} must be {in_words(declared[name])}, got {value!r:.{SHOWN}}")

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any) -> Any:
            check(args)
            yield from function(*args)

        return stream

    @functools.wraps(function)
    def call(*args: Any) -> R:
        check(args)
        return function(*args)

    return call


def fits(value: Any, kind: Any) -> bool:
    """Whole numbers are numbers, too; true and false are none."""
    if kind is Any:
        return True
    if isinstance(kind, UnionType):
        return any(fits(value, one) for one in get_args(kind))
    if get_origin(kind) is list:
        return type(value) is list and all(fits(one, get_args(kind)[0]) for one in value)
    if get_origin(kind) is dict:
        of_key, of_value = get_args(kind)
        return type(value) is dict and all(fits(k, of_key) and fits(v, of_value) for k, v in value.items())
    return type(value) is kind or (kind is float and type(value) is int)


def in_words(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return " or ".join(in_words(one) for one in get_args(kind))
    if get_origin(kind) is list:
        return f"a list, each of it {in_words(get_args(kind)[0])},"
    return NAMES[get_origin(kind) or kind]
