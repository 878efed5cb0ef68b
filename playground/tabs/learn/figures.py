"""Plots of lessons: curves and bars with titled axes, in colours that stay apart for everyone."""

from collections.abc import Sequence
from typing import Any

from playground.tabs.learn.lesson import Plot
from playground.ui.palette import LINES

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LAYOUT = {
    "margin": {"l": 60, "r": 15, "t": 40, "b": 50},
    "height": 340,
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}
Points = tuple[Sequence[float], Sequence[float]]  # x, y


def curves(title: str, x: str, y: str, named: dict[str, Points], log_x: bool = False, log_y: bool = False) -> Plot:
    """Curves over each other; x and y are the titles of the axes with their units."""
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": list(points[0]),
            "y": list(points[1]),
            "line": {"color": LINES[i % len(LINES)], "dash": DASHES[i % len(DASHES)], "width": 2},
        }
        for i, (name, points) in enumerate(named.items())
    ]
    return Plot(title, data, LAYOUT | {"xaxis": axis(x, log_x), "yaxis": axis(y, log_y), "showlegend": len(data) > 1})


def bars(title: str, x: str, names: Sequence[str], values: Sequence[float]) -> Plot:
    """Horizontal bars, the first at the top; x is the title of the axis with its unit."""
    bar = {"type": "bar", "orientation": "h", "y": list(names), "x": list(values), "marker": {"color": LINES[0]}}
    layout = {"xaxis": axis(x, False), "yaxis": {"autorange": "reversed"}, "height": 120 + 36 * len(names)}
    return Plot(title, [bar], LAYOUT | layout)


def axis(title: str, log: bool) -> dict[str, Any]:
    return {"title": {"text": title}, "type": "log" if log else "linear"}
