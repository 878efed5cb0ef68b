"""A run's curve with the snapshots that a time-lapse steps through."""

from typing import Any

from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE

BEFORE = 0.5  # where step 0, which a log scale lacks, is drawn


def timelapse(metrics: list[dict[str, Any]], steps: list[int]) -> dict[str, Any]:
    """Losses and the strongest induction score over the optimiser step, on a log scale.

    metrics: lines of a run's metrics. steps: of the snapshots. The last two traces are empty: the page fills them, a
    snapshot after the other.
    """
    places = [step or BEFORE for step in steps]
    powers = [10**n for n in range(9) if 10**n <= steps[-1]]
    held_out = [m for m in metrics if "loss/val" in m]
    return {
        "data": [
            curve("training loss", [m["step"] for m in metrics], [m["loss/train"] for m in metrics], BLUE, "lines"),
            curve(
                "validation loss", [m["step"] for m in held_out], [m["loss/val"] for m in held_out], GREEN, "markers"
            ),
            curve("loss on this text", [], [], ORANGE, "lines+markers"),
            curve("strongest induction head", [], [], PURPLE, "lines+markers") | {"yaxis": "y2"},
        ],
        "layout": {
            "xaxis": {
                "type": "log",
                "title": {"text": "optimiser step (log scale)"},
                "tickmode": "array",
                "tickvals": [BEFORE, *powers],
                "ticktext": ["0", *(f"{power:,}" for power in powers)],
            },
            "yaxis": {"title": {"text": "loss (nats per token)"}},
            "yaxis2": {
                "title": {"text": "induction score (share of attention)"},
                "overlaying": "y",
                "side": "right",
                "range": [0, 0.5],
                "dtick": 0.1,
                "showgrid": False,
            },
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "margin": {"l": 60, "r": 60, "t": 50, "b": 60},
            "height": 300,
        },
        "places": places,
    }


def curve(name: str, x: list[float], y: list[float], color: str, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": color, "width": 1.5},
        "marker": {"color": color, "size": 6},
        "hovertemplate": f"step %{{x}}<br>{name} %{{y:.3f}}<extra></extra>",
    }
