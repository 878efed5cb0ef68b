"""Several annotators: how many votes each has given, and how far any two agree."""

from typing import Any

from playground.panels.voting.annotator_stats import pairwise_kappas
from playground.services.services import Services
from playground.ui.components import about, view
from playground.ui.errors import server_function


def build(services: Services) -> None:
    @server_function
    def compare_annotators(_: dict[str, Any]) -> dict[str, Any]:
        votes = services.preferences.standing()
        return {"annotators": sorted(services.preferences.annotators().items()), "agreements": pairwise_kappas(votes)}

    about(
        "Cohen's kappa says how far two people agree beyond chance: 1 is always, 0 no more often than by chance. To "
        "compare, give another name above the vote, and choose as the next pair one that others have voted on.",
        "How far annotators agree",
    )
    view(
        "label-annotators",
        "tabs/label/annotators.js",
        "pg-annotators",
        "Nobody has voted yet.",
        [compare_annotators],
    )
