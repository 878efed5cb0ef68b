"""Attention scaling: why scores are divided by sqrt(d_k), in two pictures."""

from typing import Any

from core.interpretability.attention_scaling import Softmax
from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE

MARGIN = {"l": 60, "r": 15, "t": 40, "b": 50}
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def line(name: str, x: list[float], y: list[float], color: str, dash: str = "solid") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": color, "dash": dash, "width": 2},
        "hovertemplate": f"%{{x:.3g}}: {name} %{{y:.3f}}<extra></extra>",
    }


def softmax_curves(powers: list[float], found: list[Softmax]) -> dict[str, Any]:
    """What the softmax of a head becomes when scores are divided by d_k to the power p."""
    return {
        "data": [
            line("entropy, as a share of the largest possible", powers, [f.evenness for f in found], BLUE),
            line("largest weight", powers, [f.largest for f in found], ORANGE, "dash"),
            line("gradient through the softmax", powers, [f.gradient for f in found], GREEN, "dot"),
        ],
        "layout": {
            "xaxis": {"title": {"text": "p in score / d_k^p (no unit; 0.5 divides by √d_k)"}},
            "yaxis": {"title": {"text": "mean over queries (no unit)"}, "range": [0, 1.02]},
            "legend": LEGEND,
            "margin": MARGIN | {"t": 70},
            "height": 340,
        },
    }


def variance_curves(measured: list[float], random: list[float]) -> dict[str, Any]:
    """Variance of a dot product against the number of dimensions that take part."""
    widths: list[float] = list(range(1, len(measured) + 1))
    return {
        "data": [
            line("theory: d", widths, widths, PURPLE, "dash"),
            line("random q and k", widths, random, BLUE, "dot"),
            line("this head", widths, measured, ORANGE),
        ],
        "layout": {
            "xaxis": {"title": {"text": "d: dimensions of q and k that take part"}, "integer": True},
            "yaxis": {"title": {"text": "variance of q · k (no unit)"}, "rangemode": "tozero"},
            "legend": LEGEND,
            "margin": MARGIN,
            "height": 340,
        },
    }


def two_losses(names: list[str]) -> dict[str, Any]:
    """Empty curves of two trainings over each other, which the page fills."""
    colors = [(BLUE, "solid"), (ORANGE, "dash")]
    return {
        "data": [line(name, [], [], *style) for name, style in zip(names, colors, strict=True)],
        "layout": {
            "xaxis": {"title": {"text": "optimiser step"}, "integer": True, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "training loss (nats per token)"}},
            "legend": LEGEND,
            "margin": MARGIN,
            "height": 340,
        },
    }
