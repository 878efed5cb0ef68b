"""A form made from a dataclass: one widget a field."""

import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import Field
from typing import Any, Generic, TypeVar

import gradio as gr

from core.config import Config, is_optional, leaves, setting_of, title_of, value_type
from playground.ui.form_values import parse, shown

C = TypeVar("C", bound=Config)


class Form(Generic[C]):
    """One widget a field of a configuration: the `main` ones in sight, the others folded away.

    `prefix` begins the elem_ids, which must differ where a page has several forms with settings of the same name.
    """

    def __init__(
        self, config: C, main: Iterable[str], choices: dict[str, list[Any]] | None = None, prefix: str = "setting"
    ):
        self.cls, self.prefix = type(config), prefix
        self.values, self.choices = config.to_dict(), choices or {}
        self.widgets: dict[str, Any] = {}
        by_name = {f.name: f for f in leaves(self.cls)}
        self.lay_out([by_name.pop(name) for name in main])
        if by_name:
            with gr.Accordion("More settings", open=False):
                self.lay_out(by_name.values())

    def lay_out(self, wanted: Iterable[Field[Any]]) -> None:
        """Widgets in order; plain numbers, which are narrow, side by side."""
        for narrow, together in itertools.groupby(wanted, is_plain_number):
            with gr.Row(elem_classes="pg-numbers") if narrow else contextlib.nullcontext():
                for f in together:
                    self.widgets[f.name] = widget(f, self.values[f.name], self.choices.get(f.name), self.prefix)

    def read(self, values: dict[Any, Any]) -> C:
        """The configuration from an event's {widget: value}. Raises ValueError naming what is out of range."""
        return self.parse({name: values[widget] for name, widget in self.widgets.items()})

    def parse(self, values: dict[str, Any]) -> C:
        """The configuration from what the widgets hold, by name."""
        return parse(self.cls, values)

    def show(self, config: C) -> dict[Any, Any]:
        """{widget: value} that fills the form with `config`."""
        return {self.widgets[name]: shown(value) for name, value in config.to_dict().items()}


def is_plain_number(f: Field[Any]) -> bool:
    return value_type(f) in (int, float) and setting_of(f).step is None and not is_optional(f)


def widget(f: Field[Any], value: Any, choices: list[Any] | None, prefix: str) -> Any:
    """The control for a field, with the field's own explanation; its name, where the label is another, follows."""
    about, title = setting_of(f), title_of(f)
    common = {
        "label": title,
        "info": about.help if title.lower() == f.name else f"{about.help} · {f.name}",
        "value": shown(value),
        "elem_id": f"{prefix}-{f.name}",
        "interactive": True,
    }
    if choices is not None:
        return gr.Dropdown(choices, allow_custom_value=True, **common)
    if about.choices:
        return gr.Dropdown(list(about.choices), **common)
    kind = value_type(f)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind is str or is_optional(f):
        return gr.Textbox(max_lines=3, **common)
    if about.step is not None and about.low is not None and about.high is not None:
        return gr.Slider(about.low, about.high, step=about.step, **common)
    return gr.Number(precision=0 if kind is int else None, min_width=130, **common)
