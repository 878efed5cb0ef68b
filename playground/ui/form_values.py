"""What a form holds, and the configuration that it means. No gradio."""

from dataclasses import Field
from typing import Any, TypeVar

from core.config import Config, is_optional, leaves, parse_optional, value_type

C = TypeVar("C", bound=Config)


def parse(cls: type[C], values: dict[str, Any]) -> C:
    """A configuration from what a form holds, by name. Raises ValueError naming what is empty or out of range."""
    typed = {}
    for f in leaves(cls):
        value = values[f.name]
        if is_optional(f):
            value = optional_number(f, value)
        elif value is None:
            raise ValueError(f"{f.name} is empty: type a number")
        typed[f.name] = value
    return cls.from_dict(typed)


def optional_number(f: Field[Any], typed: str) -> Any:
    try:
        return parse_optional(value_type(f))(str(typed).strip())
    except ValueError:
        raise ValueError(f"{f.name} must be a number or none, got {typed!r}") from None


def shown(value: Any) -> Any:
    """What a control shows."""
    return "none" if value is None else value
