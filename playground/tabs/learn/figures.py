"""Plots of lessons: curves with titled axes, in colours that stay apart for everyone."""

from collections.abc import Mapping, Sequence
from typing import Any

from playground.tabs.learn.lesson import Plot
from playground.ui.palette import LINES

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEGEND: dict[str, Any] = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
LAYOUT: dict[str, Any] = {"margin": {"l": 60, "r": 15, "t": 40, "b": 50}, "height": 340, "legend": LEGEND}
Points = tuple[Sequence[float], Sequence[float]]  # x, y


def curves(title: str, x: str, y: str, named: Mapping[str, Points], log_x_at: Sequence[float] = ()) -> Plot:
    """Curves over each other; x and y are the titles of the axes with their units.

    log_x_at: where a logarithmic x axis has its ticks; none: it is linear.
    """
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
    ticks = {"type": "log", "tickvals": list(log_x_at)} if log_x_at else {}
    return Plot(title, data, LAYOUT | {"xaxis": axis(x) | ticks, "yaxis": axis(y), "showlegend": len(data) > 1})


def panels(title: str, x: str, y: str, named: Mapping[str, Points]) -> Plot:
    """Curves in panels of their own, two beside each other, each with its own range; x and y are said once a side."""
    data, rows = [], -(-len(named) // 2)
    layout: dict[str, Any] = {"grid": {"rows": rows, "columns": 2, "pattern": "independent", "ygap": 0.35}}
    layout |= {"height": 80 + 150 * rows, "showlegend": False, "margin": {"l": 60, "r": 10, "t": 30, "b": 50}}
    notes: list[dict[str, Any]] = []
    for i, (name, points) in enumerate(named.items()):
        end = str(i + 1) if i else ""
        line = {"type": "scatter", "mode": "lines", "name": name, "x": list(points[0]), "y": list(points[1])}
        data.append(line | {"line": {"color": LINES[0], "width": 1.5}, "xaxis": f"x{end}", "yaxis": f"y{end}"})
        layout[f"xaxis{end}"] = axis(x if i // 2 == rows - 1 else "")
        layout[f"yaxis{end}"] = axis(y if i % 2 == 0 else "") | {"rangemode": "tozero"}
        place = {"xref": f"x{end} domain", "yref": f"y{end} domain", "x": 1, "y": 1, "xanchor": "right"}
        notes.append(place | {"text": f"<b>{name}</b>", "yanchor": "bottom", "showarrow": False})
    return Plot(title, data, layout | {"annotations": notes})


def axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}}
