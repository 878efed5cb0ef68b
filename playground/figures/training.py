"""The curves of a run: empty traces with their axes, which the page fills and extends."""

from typing import Any

from playground.figures.palette import BLUE, GREEN, ORANGE, PURPLE

# (metric, name in the legend, panel, colour, markers)
TRACES = [
    ("loss/train", "training", 1, BLUE, False),
    ("loss/val", "validation", 1, ORANGE, True),
    ("lr", "learning rate", 2, GREEN, False),
    ("grad_norm", "gradient norm", 3, PURPLE, False),
    ("tokens_per_second", "tokens/s", 4, BLUE, False),
]
# Title of the vertical axis, and the panel's place: (left, right), (bottom, top) as shares of the figure.
PANELS = [
    ("loss (nats per token)", (0.0, 0.56), (0.0, 1.0)),
    ("learning rate", (0.69, 1.0), (0.76, 1.0)),
    ("gradient norm", (0.69, 1.0), (0.38, 0.62)),
    ("tokens per second", (0.69, 1.0), (0.0, 0.24)),
]


def curves() -> dict[str, Any]:
    """The loss, large, and three small panels beside it, all over the optimiser step.

    `metrics` names what each trace shows.
    """
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers" if markers else "lines",
            "name": name,
            "x": [],
            "y": [],
            "xaxis": "x" + axis_number(panel),
            "yaxis": "y" + axis_number(panel),
            "connectgaps": True,
            "showlegend": panel == 1,
            "line": {"color": color, "width": 2 if markers else 1.5},
            "hovertemplate": f"step %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
        }
        for _, name, panel, color, markers in TRACES
    ]
    layout: dict[str, Any] = {
        "legend": {"x": 0.54, "xanchor": "right", "y": 0.98},
        "margin": {"l": 60, "r": 15, "t": 20, "b": 50},
        "height": 520,
        "uirevision": "keep",
    }
    for panel, (title, across, up) in enumerate(PANELS, 1):
        n = axis_number(panel)
        steps = {"title": {"text": "optimiser step", "standoff": 5}, "rangemode": "tozero"}
        layout["xaxis" + n] = steps | {"domain": across, "anchor": "y" + n}
        values = {"title": {"text": title}, "rangemode": "normal" if panel == 1 else "tozero", "tickformat": "~g"}
        layout["yaxis" + n] = values | {"domain": up, "anchor": "x" + n}
    return {"data": data, "layout": layout, "metrics": [metric for metric, *_ in TRACES]}


def axis_number(panel: int) -> str:
    """Plotly counts axes "", 2, 3, ..."""
    return "" if panel == 1 else str(panel)
