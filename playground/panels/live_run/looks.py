"""How the panels of declared metrics look: what cannot be told from where a metric is measured.

A metric that is not named here looks like others of its role: see `curve_of`.
"""

import itertools
from typing import Any

from core.stages.base import HELD_OUT, ROLLOUTS, TRAINING, Metric, Stage
from core.stages.metrics import measured
from playground.panels.live_run.chart import Curve, Panel
from playground.ui.palette import BLUE, GREEN, LINES, ORANGE, PURPLE

ROLE_COLORS = {TRAINING: BLUE, ROLLOUTS: BLUE, HELD_OUT: ORANGE}
COLORS = {
    "objective/rlhf_reward": GREEN,
    "rewards/rejected": ORANGE,
    "logps/rejected": ORANGE,
    "objective/entropy": PURPLE,
    "val/length": GREEN,
    "val/repetition": ORANGE,
    "objective/kl_coef": GREEN,
    "frac_reward_zero_std": ORANGE,
    "completions/mean_length": GREEN,
    "completions/clipped_ratio": ORANGE,
    "entropy": PURPLE,
    "loss/value": ORANGE,
    "policy/clipfrac": PURPLE,
    "policy/approxkl": PURPLE,
    "val/ratio": GREEN,
    "lr": GREEN,
    "grad_norm": PURPLE,
    "memory/peak": GREEN,
    "mfu": ORANGE,
    "rewards/accuracies": GREEN,
    "accuracy/majority": BLUE,
    "data_wait": GREEN,
}
APART = ("reward_parts", "reward_spread", "clip_ratio")  # panels of curves of one kind: each has a colour of its own
EXACT = ("lr", "memory/peak")  # of every step, and not noisy
AXES: dict[str, dict[str, Any]] = {  # by a panel's key
    "loss": {"log": True, "zero": False},
    "scores": {"zero": False},
    "rewards": {"zero": False},
    "margin": {"zero": False},
    "logps": {"zero": False},
    "ppo_loss": {"zero": False},
    "grad_norm": {"log": True, "tickformat": ",~r"},
    "speed": {"tickformat": "~s"},
    "memory": {"tickformat": ","},
    "mfu": {"tickformat": ".0%"},
    "bpb": {"log": True, "zero": False},
}


def panels(stage: Stage | None) -> list[Panel]:
    """A panel for each metric that a stage logs, or for those that are drawn together."""
    every = itertools.groupby(measured(stage), key=lambda metric: metric.panel or metric.key)
    return [panel_of(key, list(together), stage) for key, together in every]


def panel_of(key: str, metrics: list[Metric], stage: Stage | None) -> Panel:
    first = metrics[0]
    unit = stage.loss_unit if stage and key == "loss" else first.unit
    comes_later = not first.late and all(metric.role != TRAINING for metric in metrics)
    return Panel(
        key,
        f"{first.title} ({unit})" if unit else first.title,
        tuple(curve_of(metric, LINES[i % len(LINES)] if key in APART else "") for i, metric in enumerate(metrics)),
        about=first.about,
        of=(stage.name,) if stage and comes_later else (),
        **AXES.get(key, {}),
    )


def curve_of(metric: Metric, color: str = "") -> Curve:
    every_step = metric.role == TRAINING
    return Curve(
        metric.key,
        metric.curve or metric.title,
        color or COLORS.get(metric.key, ROLE_COLORS[metric.role]),
        smooth=every_step and metric.key not in EXACT,
        markers=not every_step,
    )
