"""The widget of a setting: made from the field of a configuration."""

from dataclasses import Field
from typing import Any

import gradio as gr

from core.config import is_optional, setting_of, title_of, value_type
from playground.ui.form_values import shown


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
