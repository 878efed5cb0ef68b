"""One run, its curves, what it writes, what the doctor says, and the buttons that steer it: for the stages of a tab."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.panels.live_run.server import live_functions
from playground.services.services import Services
from playground.ui.components import Page, view


@dataclass(frozen=True)
class Place:
    """What is particular to the live view of a tab."""

    prefix: str  # of the elem_ids
    stages: tuple[str, ...]  # whose runs can be picked
    empty: str  # what stands there before the first run
    script: str = "panels/live_run/run.js"  # or one of the tab's own that draws more, beside the curves
    figure: Callable[[], dict[str, Any]] = dict  # what that one needs
    main: tuple[str, ...] = ("loss",)  # the panel that is drawn large: the first of these that the run has
    chosen: tuple[str, ...] = ()  # of the other panels, those that are in sight until a person chooses


def build(services: Services, page: Page, place: Place) -> gr.HTML:
    """The view. It triggers `changed` when a run has ended or begun again: there may be a new model."""
    shown = view(
        f"{place.prefix}-view",
        place.script,
        "pg-run",
        empty=place.empty,
        functions=live_functions(services, place.stages, place.figure),
        events=["changed"],
        place={"prefix": place.prefix, "main": place.main, "chosen": place.chosen, "empty": place.empty},
    )
    shown.changed(
        lambda: gr.update(choices=services.checkpoints.names()),
        None,
        page.model,
        api_name=f"refresh_models_{place.prefix}",
        show_progress="hidden",
    )
    return shown
