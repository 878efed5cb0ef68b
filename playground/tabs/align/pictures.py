"""What the Align tab draws beside the curves: reward against KL, and per stage what details.jsonl holds."""

from dataclasses import asdict
from typing import Any

from playground.panels.live_run.chart import About
from playground.ui.palette import BLUE, DIVERGING, GREEN, ORANGE, SCALE, colorscale

KL = "KL from the parent (nats a response)"
# Of the large picture: what is drawn against KL, as the metrics of the two axes. Both are measured at the same step.
AGAINST_KL: dict[str, dict[str, Any]] = {
    "ppo": {
        "title": "Score against KL",
        "about": "Score against KL: what the movement buys. Up is better and to the right is farther from the parent; "
        "where the path runs on to the right without rising, the model only learns to please the reward model.",
        "y": "mean reward score",
        "series": [
            {"x": "objective/kl", "y": "objective/scores", "name": "rollouts", "symbol": "circle"},
            {"x": "kl/val", "y": "score/val", "name": "held-out prompts", "symbol": "diamond"},
        ],
    },
    "dpo": {
        "title": "Margin against KL",
        "about": "Margin against KL: what the movement buys. Up means that the held-out votes are told apart more "
        "clearly, and to the right is farther from the parent: the best step is high up and not far to the right.",
        "y": "mean margin on held-out votes",
        "series": [{"x": "kl/val", "y": "margin/val", "name": "held-out", "symbol": "diamond"}],
    },
}
LIMITS = {"kl_target": "kl_target", "kl_stop": "kl_stop: the end"}  # settings of PPO, as lines across
LOSSES = {
    "reward": About(
        "Loss",
        "how surprised the reward model is by a vote; ln 2 is to know nothing, and a rise on held-out votes means that "
        "it learns the others by heart.",
    ),
    "dpo": About("Loss", "how surprised the model is by a vote, as a reward model; it begins at ln 2."),
    "ppo": About("Loss", "what PPO's optimiser sees, of answers that are new each time: it need not fall."),
}


def pictures() -> dict[str, Any]:
    """All of it, as the page wants it; the page fills in the data."""
    return {
        "alignment": {
            "againstKl": AGAINST_KL,
            "kl": KL,
            "limits": LIMITS,
            "losses": {stage: asdict(about) for stage, about in LOSSES.items()},
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


def axes(across: str, up: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": across}}, "yaxis": {"title": {"text": up}}}
