"""What the Align tab draws beside the curves: reward against KL, and what details.jsonl holds."""

from dataclasses import asdict
from typing import Any

from core.stages.base import ROLLOUTS, About, AgainstKL, Stage
from core.stages.registry import STAGES
from playground.ui.palette import BLUE, DIVERGING, GREEN, ORANGE, SCALE, colorscale

KL = "KL from the parent (nats a response)"


def pictures() -> dict[str, Any]:
    """All of it, as the page wants it; the page fills in the data."""
    bending = {name: (stage, stage.against_kl) for name, stage in STAGES.items() if stage.against_kl}
    losses = {name: About("Loss", stage.loss_about) for name, stage in STAGES.items() if stage.loss_about}
    return {
        "alignment": {
            "againstKl": {name: against_kl(stage, picture) for name, (stage, picture) in bending.items()},
            "kl": KL,
            "limits": {key: text for _, picture in bending.values() for key, text in picture.limits.items()},
            "losses": {name: asdict(about) for name, about in losses.items()},
            "scale": colorscale(SCALE),
            "diverging": DIVERGING,
            "colors": {"right": BLUE, "wrong": ORANGE, "other": GREEN},
            "calibration": axes("predicted probability of the better answer", "share of votes that agree"),
            "margins": axes("margin of the preferred answer (score)", "held-out votes"),
            "movement": axes(
                "preferred: log-probability change (nats)",
                "rejected: log-probability change (nats)",
            ),
        }
    }


def against_kl(stage: Stage, picture: AgainstKL) -> dict[str, Any]:
    """What is drawn against KL, as the metrics of the two axes."""
    rollouts = {metric.key for metric in stage.metrics if metric.role == ROLLOUTS}
    return {
        "title": picture.title,
        "about": picture.about[0].upper() + picture.about[1:],
        "y": picture.y,
        "from_zero": picture.from_zero,
        "series": [
            {"x": kl, "y": gain, "name": name, "symbol": "circle" if kl in rollouts else "diamond"}
            for kl, gain, name in picture.paths
        ],
    }


def axes(across: str, up: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": across}}, "yaxis": {"title": {"text": up}}}
