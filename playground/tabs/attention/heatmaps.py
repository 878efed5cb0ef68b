"""One attention head as a heatmap, and the difference between two."""

import math
from typing import Any

from torch import Tensor

from playground.ui.palette import DIVERGING, SCALE, colorscale
from playground.ui.text import visible_spaces

MOST_TICKS = 48  # names along an axis that can still be read


def heatmap(weights: Tensor, tokens: list[str], title: str) -> dict[str, Any]:
    """Weights (T, T) of one head, or their mean over several."""
    scale = {"zmin": 0, "zmax": 1, "colorscale": colorscale(SCALE)}
    return matrix(weights, tokens, title, "attention weight", scale)


def difference(change: Tensor, tokens: list[str], title: str) -> dict[str, Any]:
    """Weights (T, T) of one model minus those of another: orange where there are more, blue where there are fewer."""
    largest = max(0.05, float(change.abs().max()))  # tiny differences stay pale
    scale = {"zmin": -largest, "zmax": largest, "colorscale": colorscale(DIVERGING)}
    return matrix(change, tokens, title, "change of the weight", scale)


def matrix(values: Tensor, tokens: list[str], title: str, unit: str, scale: dict[str, Any]) -> dict[str, Any]:
    """Rows are queries, columns the keys they look at; the future is left blank.

    The page adds the tokens' names to each cell (customdata): sending them T x T times would take longer.
    """
    T = len(tokens)
    cells = [
        [round(v, 4) if key <= query else None for key, v in enumerate(row)]
        for query, row in enumerate(values.tolist())
    ]
    names = [visible_spaces(token) for token in tokens]
    places = list(range(T))
    every = math.ceil(T / MOST_TICKS)
    ticks: dict[str, Any] = {"tickmode": "array", "tickvals": places[::every], "ticktext": names[::every]}
    ticks |= {"showgrid": False, "zeroline": False, "constrain": "domain"}
    ticks |= {"tickfont": {"family": "monospace", "size": 12 if T <= 40 else 9}}
    return {
        "data": [
            {
                "type": "heatmap",
                "z": cells,
                "x": places,
                "y": places,
                "colorbar": {"title": {"text": unit, "side": "right"}, "thickness": 12},
                "hovertemplate": f"%{{customdata[0]}} looks at %{{customdata[1]}}<br>{unit} %{{z:.4f}}<extra></extra>",
                "hoverongaps": False,
                **scale,
            }
        ],
        "layout": {
            "title": {"text": title, "x": 0.02},
            "xaxis": {"title": {"text": "key: the token looked at"}, "side": "bottom", "tickangle": -60, **ticks},
            "yaxis": {"title": {"text": "query: the token that looks"}, "autorange": "reversed", **ticks},
            "margin": {"l": 70, "r": 10, "t": 36, "b": 70},
        },
        "names": names,
    }
