"""Most decisive votes: a part of Before and after, which a script draws."""

from typing import Any

import gradio as gr

from core.decisive_votes import DECISIVE, FEWEST, MOST
from playground.services.services import Services
from playground.tabs.align.mixtures import LONGEST
from playground.tabs.align.vote_influence import VoteInfluence
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.text import page_text


def build(services: Services) -> gr.HTML:
    influence = VoteInfluence(services.checkpoints, services.jobs)

    @server_function
    def open_decisive(request: dict[str, Any]) -> dict[str, Any]:
        return influence.about(request["model"] or "")

    @server_function
    def follow_decisive(request: dict[str, Any]) -> dict[str, Any]:
        return influence.status(request["model"])

    @server_function
    def estimate_decisive(request: dict[str, Any]) -> dict[str, Any]:
        influence.estimate(request["model"], page_text(request["prompt"][:LONGEST]))
        return {}

    @server_function
    def prove_decisive(request: dict[str, Any]) -> dict[str, Any]:
        influence.prove(request["model"])
        return {}

    @server_function
    def stop_decisive(_: dict[str, Any]) -> dict[str, Any]:
        influence.stop()
        return {}

    @server_function
    def train_without(request: dict[str, Any]) -> dict[str, Any]:
        return {"made": influence.train_without(request["model"], [int(number) for number in request["numbers"]])}

    return view(
        "decisive-view",
        "tabs/align/decisive.js",
        "pg-decisive",
        functions=[
            open_decisive,
            follow_decisive,
            estimate_decisive,
            prove_decisive,
            stop_decisive,
            train_without,
        ],
        decisive=DECISIVE,
        range=[FEWEST, MOST],
    )
