"""One dataclass field = one JSON key = one CLI flag = one form widget.

A configuration is a frozen dataclass that inherits `Config` and declares its fields with `setting`,
beside the code that it configures. Help, range and choices are written once, in the field; from them come the
validation, `--help` and the form of the page. A field may itself be a `Config` (a pre-training holds a model and
a fit): to JSON, to the command line and to the form such a tree is flat, so names must not repeat in it.
"""

import argparse
import math
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Self, get_args

# What the value of a setting may name: the path of a checkpoint, of a checkpoint for its vocabulary, of a reward model;
# votes; a text, by its name or path; a column of these; or what answers are rewarded for.
CHECKPOINTS = ("checkpoint", "vocabulary", "reward model")
DATA = ("votes", "corpus")
COLUMN = "column"
REWARD = "reward"
REFERS = (*CHECKPOINTS, *DATA, COLUMN, REWARD)


@dataclass(frozen=True)
class Setting:
    """What people are told about a field, and what they may put into it."""

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    step: float | None = None  # a slider with this step is the handiest control
    refers: str = ""  # what the value names, one of REFERS; "" = nothing
    optional: bool = False  # may what it names be left out? Then it is empty
    fixed: bool = False  # a run that goes on from a saved step must keep it
    title: str = ""  # a plain label; "" = its name in words: see `title_of`


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    step: float | None = None,
    refers: str = "",
    optional: bool = False,
    fixed: bool = False,
    title: str = "",
) -> Any:
    """A dataclass field with its explanation, bounds (both inclusive), choices, and what hangs on it: see `Setting`."""
    assert not refers or refers in REFERS, refers
    about = Setting(help, low, high, choices, step, refers, optional, fixed, title)
    return field(default=default, metadata={"setting": about})


@dataclass(frozen=True)
class Config:
    """Base of all configurations: validated when made, flat when written."""

    def __post_init__(self) -> None:
        for f in fields(self):
            if not is_config(f):
                object.__setattr__(self, f.name, validate(f, getattr(self, f.name)))

    def to_dict(self) -> dict[str, Any]:
        """Flat {name: value}, nested configurations included; JSON-ready."""
        flat: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            flat.update(value.to_dict() if is_config(f) else {f.name: value})
        return flat

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; missing names keep their default, unknown ones raise ValueError."""
        unknown = set(values) - {f.name for f in leaves(cls)}
        if unknown:
            raise ValueError(f"unknown setting {', '.join(sorted(unknown))}; known: {', '.join(names(cls))}")
        chosen: dict[str, Any] = {}
        for f in fields(cls):
            if is_config(f):
                inside = names(f.type)
                defaults = f.default_factory().to_dict() if f.default_factory is not MISSING else {}
                chosen[f.name] = f.type.from_dict(  # type: ignore[union-attr]
                    defaults | {k: v for k, v in values.items() if k in inside}
                )
            elif f.name in values:
                chosen[f.name] = values[f.name]
        return cls(**chosen)


def is_config(f: Field[Any]) -> bool:
    return isinstance(f.type, type) and issubclass(f.type, Config)


def leaves(cls: Any) -> Iterator[Field[Any]]:
    """Every field that holds a value, nested configurations unfolded in order."""
    for f in fields(cls):
        if is_config(f):
            yield from leaves(f.type)
        else:
            yield f


def names(cls: Any) -> list[str]:
    return [f.name for f in leaves(cls)]


def setting_of(f: Field[Any]) -> Setting:
    """What was said of a field with `setting`."""
    found: Setting = f.metadata["setting"]
    return found


WORDS = {  # parts of names that are no words
    **{"attn": "attention", "lam": "lambda", "val": "held-out", "vf": "value"},
    **{"kl": "KL", "lora": "LoRA", "qkv": "QKV"},
}


def title_of(f: Field[Any]) -> str:
    """What people read beside the name: `Learning rate` of learning_rate."""
    words = [WORDS.get(word, word) for word in f.name.split("_")]
    return setting_of(f).title or words[0][0].upper() + " ".join(words)[1:]


def value_type(f: Field[Any]) -> type:
    """int, float, bool or str: the field's type with an optional `| None` taken off."""
    options = get_args(f.type) if isinstance(f.type, types.UnionType) else (f.type,)
    kind: type = next(t for t in options if t is not type(None))
    return kind


def is_optional(f: Field[Any]) -> bool:
    return type(None) in get_args(f.type)


def validate(f: Field[Any], value: Any) -> Any:
    """`value` as the field's type. Raises ValueError that names the field, the value and what is allowed."""
    about = setting_of(f)
    kind = value_type(f)
    if value is None and is_optional(f):
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf  # beyond, Python raises OverflowError
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # forms and JSON know only one kind of number
    if type(value) is not kind:
        raise ValueError(f"{f.name} must be {KINDS[kind]}, got {value!r}")
    if about.choices and value not in about.choices:
        raise ValueError(f"{f.name} must be one of {', '.join(about.choices)}, got {value!r}")
    if isinstance(value, int | float):
        low = -math.inf if about.low is None else about.low
        high = math.inf if about.high is None else about.high
        if not low <= value <= high or value in (math.inf, -math.inf):  # the first is false for NaN too
            raise ValueError(f"{f.name} must be {describe_range(about)}, got {value}")
    return value


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def describe_range(about: Setting) -> str:
    if about.low is not None and about.high is not None:
        return f"between {readable(about.low)} and {readable(about.high)}"
    if about.low is not None:
        return f"at least {readable(about.low)}"
    return "a finite number" if about.high is None else f"at most {readable(about.high)}"


def readable(bound: float) -> str:
    """`100,000,000` instead of `1e+08`; small ones as they are: `1e-06`."""
    return f"{bound:,.0f}" if float(bound).is_integer() and abs(bound) < 2**53 else f"{bound:g}"


def add_flags(
    parser: argparse.ArgumentParser, cls: type[Config], defaults: Config, untold: Collection[str] = ()
) -> None:
    """One `--flag` a field, with its help, range and default; of the fields `untold` the help says nothing."""
    values = defaults.to_dict()
    for f in leaves(cls):
        about = setting_of(f)
        kind = value_type(f)
        limits = "" if about.low is None and about.high is None else f" ({describe_range(about)})"
        options: dict[str, Any] = {
            "dest": f.name,
            "default": argparse.SUPPRESS,  # only what was typed reaches the namespace
            "help": f"{about.help}{limits} [{values[f.name]}]".replace("%", "%%"),
        }
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": parse_optional(kind) if is_optional(f) else kind, "choices": about.choices}
            options["metavar"] = None if about.choices else kind.__name__.upper()
        if f.name in untold:
            options["help"] = argparse.SUPPRESS
        parser.add_argument(f"--{f.name.replace('_', '-')}", **options)


def typed(args: argparse.Namespace, cls: type[Config]) -> dict[str, Any]:
    """The settings of a configuration that were given on the command line."""
    return {name: value for name, value in vars(args).items() if name in names(cls)}


def parse_optional(kind: type) -> Any:
    def parse(text: str) -> Any:
        return None if text.lower() in ("", "none") else kind(text)

    parse.__name__ = kind.__name__  # argparse names it in its error
    return parse


def describe_os_error(error: OSError) -> str:
    """`path: No such file or directory`, the part of an OSError that a person needs."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def listed(names: Sequence[str], shown: int = 3) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def plural(count: int, one: str, many: str = "") -> str:
    """`1 vote`, `2,000 votes`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
