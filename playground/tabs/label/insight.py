"""Beside the vote: how well your preferences were predicted, and how consistent you are."""

from collections.abc import Sequence
from typing import Any

from core.preferences.agreement import by_models, model_wins
from core.preferences.vote_store import Vote
from playground.panels.voting.annotator_stats import consistency, prediction_accuracy
from playground.panels.voting.panel import name
from playground.services.labelling.preference_predictor import ENOUGH
from playground.services.services import Services
from playground.tabs.label.training import training_settings
from playground.ui.components import view
from playground.ui.errors import server_function


def build(services: Services) -> None:
    @server_function
    def describe_annotator(request: dict[str, Any]) -> dict[str, Any]:
        votes = services.labelling.standing_votes(name(request["annotator"]))
        return {
            "foresight": prediction_accuracy(votes),
            "habits": consistency(votes),
            "wins": wins(votes),
            "enough": ENOUGH,
        }

    @server_function
    def training_data(request: dict[str, Any]) -> dict[str, Any]:
        who = name(request["annotator"])
        votes = services.labelling.standing_votes(who)
        return {"settings": training_settings(votes, who, request["criterion"], services.checkpoints)}

    view(
        "label-insight",
        "tabs/label/insight.js",
        "pg-insight",
        "What your votes say about you will stand here.",
        [describe_annotator, training_data],
    )


def wins(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """Of any two models that were compared blindly, how often the first one won; ties count half."""
    compared = by_models(vote for vote in votes if vote.pair.source == "compare")
    found = []
    for a, b in sorted(tuple(sorted(models)) for models in compared if len(models) == 2):
        rate = model_wins(compared[frozenset((a, b))], a, b)
        if rate.count:
            found.append({"a": a, "b": b, "share": rate.share, "low": rate.low, "high": rate.high, "count": rate.count})
    return found
