"""Learn while you vote: after every few votes the model takes a few steps and, changed, writes the next pairs."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.preferences.agreement import position_bias
from playground.panels.voting.annotator_stats import position_bias_sentence
from playground.panels.voting.panel import name
from playground.services.labelling.learning_state import MOST_EVERY
from playground.services.labelling.online_learning import OnlineLearning
from playground.services.labelling.voting_settings import VotingSettings
from playground.services.services import Services
from playground.tabs.label.choose import Chosen
from playground.ui.components import view
from playground.ui.errors import server_function

ACTIONS: dict[str, Callable[[OnlineLearning, str, VotingSettings, Any], None]] = {
    "switch": lambda learning, who, settings, on: learning.switch(who, settings, bool(on)),
    "pause": lambda learning, who, settings, paused: learning.pause(who, settings, bool(paused)),
    "every": lambda learning, who, settings, every: learning.set_every(who, settings, int(every)),
    "back": lambda learning, who, settings, number: learning.go_back(who, settings, int(number)),
    "keep": lambda learning, who, settings, new: learning.keep(who, settings, str(new)),
    "forget": lambda learning, who, settings, _: learning.forget(who, settings),
}


def build(services: Services, chosen: Chosen) -> gr.HTML:
    """The component, whose value is that of the choices of what is voted on."""
    learning = services.labelling.learning

    def describe(annotator: str, settings: VotingSettings) -> dict[str, Any]:
        found, votes = learning.progress(annotator, settings), learning.votes(annotator, settings)
        state, rate, side = found.state, found.preferred, position_bias(votes)
        is_sided = side.count and (side.low > 0.5 or side.high < 0.5)
        return {
            "model": settings.models[0],
            "on": state.on,
            "paused": state.paused,
            "every": state.every,
            "current": state.current,
            "votes": found.votes,
            "decided": sum(vote.decided for vote in votes),
            "left": max(0, state.every - found.votes + min(state.counted, found.votes)),
            "learning": found.learning,
            "waits": found.waits,
            "trouble": found.trouble,
            "side": position_bias_sentence(side) if is_sided else "",
            "versions": [{"number": one.number, "votes": one.votes, "kl": one.kl} for one in found.versions],
            "lineage": [{"number": one.number, "votes": one.votes, "kl": one.kl} for one in found.lineage],
            "preferred": {"count": rate.count, "low": rate.low, "high": rate.high}
            | ({} if rate.share is None else {"share": rate.share}),
            "name": services.jobs.free_names(f"{settings.models[0]}-voted")[0],
        }

    def asked(request: dict[str, Any]) -> tuple[str, VotingSettings]:
        return name(request["annotator"]), chosen.read(request["wish"])

    @server_function
    def learning_progress(request: dict[str, Any]) -> dict[str, Any]:
        return describe(*asked(request))

    @server_function
    def change_learning(request: dict[str, Any]) -> dict[str, Any]:
        """Does one of ACTIONS with a value; how far it is then."""
        action = request["action"]
        if action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}, got {action!r}")
        annotator, settings = asked(request)
        ACTIONS[action](learning, annotator, settings, request.get("value"))
        return describe(annotator, settings)

    return view(
        "label-learning",
        "tabs/label/learning.js",
        "pg-learning",
        functions=[learning_progress, change_learning],
        mostEvery=MOST_EVERY,
    )
