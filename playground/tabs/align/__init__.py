"""Align tab: bend a model to the votes that were given, see it happen, and see what has changed."""

from collections.abc import Iterable

import gradio as gr

from core.stages.base import Stage
from core.stages.registry import STAGES
from playground.panels.live_run import panel as live_run
from playground.panels.live_run.panel import Place
from playground.panels.stage_form import panel as stage_form
from playground.panels.stage_form.spec import Spec
from playground.services.services import Services
from playground.tabs.align import before_after, methods
from playground.tabs.align.pictures import pictures
from playground.ui.components import Page, intro


def place(stages: list[Stage]) -> Place:
    return Place(
        prefix="align",
        stages=tuple(stage.name for stage in stages),
        empty="Nothing has been aligned here yet. Choose votes and press Start training: the first points come soon.",
        script="tabs/align/run.js",
        figure=pictures,
        main=("scores", "margin"),
        chosen=(
            "reward_parts",
            "frac_reward_zero_std",
            "entropy",
            "val/length",
            "completions/mean_length",
            "kl",
            "accuracy",
            "loss",
        ),
    )


def build(services: Services, page: Page) -> None:
    stages = simplest_first(stage for stage in STAGES.values() if stage.aligns)
    intro(
        "Your votes, or rewards that can be counted, bend a model towards what is preferred; you see what it gains, "
        "and how far it moves away from what it was.",
        " ".join(stage.needs for stage in stages if stage.needs),
    )
    with gr.Tabs(elem_id="align-parts"):
        with gr.Tab("Learn", id="learn", elem_id="align-part-learn"):
            runs = learn(services, page, stages)
        with gr.Tab("Before and after", id="compare", elem_id="align-part-compare") as tab:
            before_after.build(services, page, tab, runs)
        with gr.Tab("Compare methods", id="methods", elem_id="align-part-methods"):
            methods.build(services)


def simplest_first(stages: Iterable[Stage]) -> list[Stage]:
    """Those that bend a model by votes alone, those that only score answers, those that need another model first."""
    return sorted(stages, key=lambda stage: (stage.needs_reward_model, stage.scores))


def learn(services: Services, page: Page, stages: list[Stage]) -> gr.HTML:
    with gr.Row(elem_classes="pg-work"):
        with gr.Column(elem_classes="pg-controls"), gr.Tabs(elem_id="align-stages"):
            for stage in stages:
                with gr.Tab(stage.title, id=stage.name, elem_id=f"align-stage-{stage.name}"):
                    stage_form.build(Spec.of(stage), services, "align")
        with gr.Column():
            return live_run.build(services, page, place(stages))
