"""The form of a stage: one part of the page, which a script draws from the stage's settings.

A widget of Gradio's for each of some three hundred settings would make the page slow to open, so the form holds its
values in the browser, and asks the server functions below for all that depends on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.stages.base import Stage
from playground.panels.stage_form import cost
from playground.panels.stage_form.fields import fields
from playground.panels.stage_form.server import form_functions, resolved
from playground.panels.stage_form.spec import Spec
from playground.services.services import Services
from playground.ui.components import view
from playground.ui.errors import server_function

AS_SET = "as set above"


@dataclass(frozen=True)
class Tool:
    """A button at a setting, which does something with what the form holds."""

    text: str
    elem_id: str
    act: Callable[[str, Any], None]  # given the stage's name and the configuration; ValueError in words


def build(spec: Spec, services: Services, shown_in: str, tools: Mapping[str, Tool] | None = None) -> gr.HTML:
    """The form; what it starts is shown by the live view with the prefix `shown_in`. `tools`: by setting."""
    stage, tools = spec.stage, tools or {}

    @server_function
    def use_tool(request: dict[str, Any]) -> dict[str, Any]:
        act = tools[request["setting"]].act
        resolved(spec, services, spec.parse(request["values"]), lambda found: act(stage.name, found))
        return {}

    return view(
        f"{spec.id}-form",
        "panels/stage_form/form.js",
        "pg-form",
        empty="Reading what there is …",
        functions=[*form_functions(spec, services), use_tool],
        stage={"name": stage.name, "lesson": stage.lesson, "data": stage.data, "columns": spec.columns},
        ids={"form": spec.id, "settings": spec.prefix, "view": shown_in},
        fields=fields(stage),
        presets=presets(stage),
        depending=spec.depending,
        hardware=[AS_SET, cost.HERE, *cost.BUDGETS],
        tools={name: {"text": tool.text, "id": tool.elem_id} for name, tool in tools.items()},
    )


def presets(stage: Stage) -> dict[str, Any] | None:
    """The words that choose settings which go together, and which flag they are the values of."""
    if stage.presets is None:
        return None

    def label(name: str) -> str:
        n = stage.shape(stage.configure({}, name)).n_params
        return f"{name} · {n / 1e6:.{1 if n < 1e8 else 0}f}M"

    own = stage.has_preset_flag
    names = [[name, label(name) if own else name] for name in stage.presets.recipes]
    return {
        "flag": stage.presets.flag,
        "own": own,
        "names": names,
        "chosen": stage.presets.default,
        "help": stage.presets.help,
    }
