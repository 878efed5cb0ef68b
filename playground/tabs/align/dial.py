"""The dial between a model and its parent: a part of Before and after, which a script draws."""

from typing import Any

import gradio as gr

from core.mix_command import MixConfig
from core.preferences.rule_annotators import RULES
from core.rlhf.task_vectors import LEAST, MOST
from core.task_arithmetic import MOST_STRENGTH, PROMPTS, Mixture
from playground.services.services import Services
from playground.tabs.align.mixtures import Mixtures
from playground.tabs.align.pictures import KL
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import LINES
from playground.ui.text import page_text


def build(services: Services) -> gr.HTML:
    mixtures = Mixtures(services.checkpoints, services.preferences)

    @server_function
    def open_dial(request: dict[str, Any]) -> dict[str, Any]:
        return mixtures.about(request["model"] or "")

    @server_function
    def turn_dial(request: dict[str, Any]) -> dict[str, Any]:
        """An answer by the mixed model; one that is still being written is not waited for."""
        mixtures.answers.stop([request["before"]])
        return {"name": mixtures.begin(mixture(request), page_text(request["prompt"]), int(request["seed"]))}

    @server_function
    def follow_answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"answers": mixtures.answers.more(request["known"])}

    @server_function
    def measure_dial(request: dict[str, Any]) -> dict[str, Any]:
        mixtures.measure(mixture(request), request["varied"], request["rule"])
        return {}

    @server_function
    def follow_measure(_: dict[str, Any]) -> dict[str, Any]:
        return mixtures.task.status()

    @server_function
    def stop_measure(_: dict[str, Any]) -> dict[str, Any]:
        mixtures.task.stop()
        return {}

    @server_function
    def keep_dial(request: dict[str, Any]) -> dict[str, Any]:
        name = request["name"].strip()
        return {"kept": name, "what": mixtures.keep(mixture(request), name)}

    return view(
        "dial-view",
        "tabs/align/dial.js",
        "pg-dial",
        functions=[open_dial, turn_dial, follow_answer, measure_dial, follow_measure, stop_measure, keep_dial],
        range=[LEAST, MOST],
        strongest=MOST_STRENGTH,
        rules=[[name, rule.title] for name, rule in RULES.items()],
        usual=MixConfig().rule,
        prompts=PROMPTS,
        colors=LINES,
        kl=KL,
    )


def mixture(request: dict[str, Any]) -> Mixture:
    """Where the dial stands. Raises ValueError in words for what is out of range."""
    amounts = tuple((name, float(a)) for name, a in request["amounts"].items())
    return Mixture(amounts, frozenset(request["off"]), int(request["layer"]), float(request["strength"]))
