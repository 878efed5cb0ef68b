"""What the live view of a run draws: a panel for each thing that is measured, and what it is seen against.

The page lays out the panels whose metrics the log has; a metric that is not named here gets a panel of its own.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.datasets.instructions import KINDS
from playground.panels.live_run.chart import About, Curve, Panel, share
from playground.panels.live_run.preference_curves import PREFERENCES
from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW

PANELS = (  # the first one that the log has is drawn large
    Panel(
        "loss",
        "loss (nats per token)",
        (Curve("loss/train", "training", BLUE, smooth=True), Curve("loss/val", "validation", ORANGE, markers=True)),
        log=True,
        zero=False,
        tickformat="~g",
    ),
    *PREFERENCES,
    Panel(
        "lr",
        "learning rate",
        (Curve("lr", "learning rate", GREEN),),
        tickformat="~g",
        about=About("Learning rate", "how large a step is; it grows in the warm-up and shrinks to the end."),
    ),
    Panel(
        "grad_norm",
        "gradient norm",
        (Curve("grad_norm", "gradient norm", PURPLE, smooth=True),),
        log=True,
        about=About(
            "Gradient norm", "how strongly a batch pulls at the weights; what is above the line is cut down to it."
        ),
    ),
    Panel(
        "speed",
        "tokens per second",
        (Curve("tokens_per_second", "tokens per second", BLUE, smooth=True),),
        about=About("Tokens per second", "how fast it learns; where answers are written first, that time counts."),
    ),
    Panel(
        "memory",
        "peak memory (MiB)",
        (Curve("memory/peak", "peak memory", GREEN),),
        tickformat=",",
        about=About("Peak memory", "the most that the training has needed so far."),
    ),
    Panel("mfu", "MFU (share of peak)", (Curve("mfu", "MFU", ORANGE, smooth=True),), tickformat=".0%"),
    # Of evaluations: they appear later, and the others should not move then.
    Panel("bpb", "bits per byte", (Curve("bpb/val", "validation", ORANGE, markers=True),), True, False, "~g"),
    Panel(
        "accuracy",
        "accuracy (share)",
        (
            Curve("rewards/accuracies", "training", GREEN, smooth=True),
            Curve("accuracy/val", "accuracy", ORANGE, markers=True),
            Curve("accuracy/majority", "always the commonest class", BLUE, markers=True),
        ),
        tickformat="~g",
        about=About("Accuracy", "how often the answer that was preferred gets the higher reward; one half is chance."),
    ),
    share("f1/val", "macro F1"),
    share("follow/all", "followed"),
    share("context", "true pairs likelier"),
    *(share(f"follow/{kind}", f"followed: {kind}") for kind in KINDS),
    share("data_wait", "waiting for data", GREEN, markers=False),
)
# What one loss is averaged over, where that is not a token of running text.
LOSS_UNITS = {
    "sft": "nats per answer token",
    "classify": "nats per text",
    "reward": "nats per pair",
    "dpo": "nats per pair",
    "ppo": "per answer token",
}
# In the loss panel, from the run's references.json; another key there names itself.
REFERENCES = {
    "uniform": "ln V: guessing blindly among V",
    "unigram": "unigram entropy: knowing only how often each token occurs",
    "majority": "knowing only how often each class occurs",
    "ln 2": "ln 2: no answer is preferred",
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


def curves() -> dict[str, Any]:
    """Everything above, as the page wants it."""
    return {
        "panels": [asdict(panel) for panel in PANELS],
        "units": LOSS_UNITS,
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
