"""The charts of the live view: a panel for each thing that is measured, and what it is seen against.

The page lays out the panels whose metrics the log has; a metric that no stage declares gets a panel of its own.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.stages.registry import STAGES
from playground.panels.live_run.looks import panels
from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW

# In the loss panel, from the run's references.json; another key there names itself.
REFERENCES = {
    "uniform": "ln V: guessing blindly",
    "unigram": "unigram entropy: token counts only",
    "majority": "class counts only",
    "ln 2": "ln 2: pure guessing",
}


@dataclass(frozen=True)
class Published:
    """What others reached on the validation text of a corpus; bits per byte compare whatever the vocabulary."""

    corpus: str
    name: str
    bits_per_byte: float
    source: str


PUBLISHED = (
    Published(
        "tiny-shakespeare",
        "nanoGPT",
        1.4697 / math.log(2),  # nats per character; the text is ASCII, so a character is a byte
        "nanoGPT's README (github.com/karpathy/nanoGPT): 1.4697 nats per character, the lowest validation loss of its "
        "model of 10 million parameters",
    ),
)
OTHERS = (GREEN, PURPLE, YELLOW, SKY)  # of earlier runs, laid over this one


def curves(stage: str) -> dict[str, Any]:
    """All that is drawn of a run of the stage, as the page wants it; of an unknown one what every training logs."""
    known = STAGES.get(stage)
    return {
        "panels": [asdict(panel) for panel in panels(known)],
        "units": {known.name: known.loss_unit} if known else {},
        "references": REFERENCES,
        "published": [asdict(published) for published in PUBLISHED],
        "others": OTHERS,
    }


def range_curve() -> dict[str, Any]:
    """The learning-rate range test: loss over rate; the page fills it, and puts `line` at the suggestion."""
    across = {"title": {"text": "learning rate"}, "type": "log", "dtick": 1, "tickformat": "~g"}
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "name": name, "line": {"color": BLUE, "width": width}, "opacity": opacity}
        for name, width, opacity in (("loss", 1, 0.35), ("smoothed", 2.5, 1.0))
    ]
    return {
        "data": [
            trace | {"hovertemplate": f"rate %{{x:.2g}}<br>{trace['name']} %{{y:.4g}}<extra></extra>"} for trace in data
        ],
        "layout": {
            "xaxis": across,
            "yaxis": {"title": {"text": "loss (nats per target)"}, "tickformat": "~g"},
            "height": 340,
            "margin": {"l": 60, "r": 15, "t": 20, "b": 50},
            "legend": {"x": 0.02, "y": 0.05},
        },
        "line": {
            "type": "line",
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": ORANGE, "width": 2, "dash": "dash"},
        },
    }
