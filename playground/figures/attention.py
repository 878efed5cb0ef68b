"""One attention head as a heatmap."""

from typing import Any

from torch import Tensor

from playground.figures.palette import colorscale


def heatmap(weights: Tensor, tokens: list[str], layer: int, head: int) -> dict[str, Any]:
    """Weights (T, T) of one head: rows are queries, columns the keys they look at; the future is left blank."""
    T = len(tokens)
    future = weights.new_ones(T, T).triu(1).bool()
    values = [
        [None if hidden else round(value, 4) for value, hidden in zip(row, blank, strict=True)]
        for row, blank in zip(weights.tolist(), future.tolist(), strict=True)
    ]
    names = [token.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·") for token in tokens]
    places = list(range(T))
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False}
    ticks |= {"tickfont": {"family": "monospace", "size": 12 if T <= 40 else 9}, "constrain": "domain"}
    return {
        "data": [
            {
                "type": "heatmap",
                "z": values,
                "x": places,
                "y": places,
                "zmin": 0,
                "zmax": 1,
                "colorscale": colorscale(),
                "colorbar": {"title": {"text": "attention weight", "side": "right"}, "thickness": 12},
                "customdata": [[[query, key] for key in names] for query in names],
                "hovertemplate": "%{customdata[0]} looks at %{customdata[1]}<br>weight %{z:.4f}<extra></extra>",
            }
        ],
        "layout": {
            "title": {"text": f"Layer {layer + 1}, head {head + 1}", "x": 0.02},
            "xaxis": {"title": {"text": "key: the token looked at"}, "side": "bottom", "tickangle": -60, **ticks},
            "yaxis": {"title": {"text": "query: the token that looks"}, "autorange": "reversed", **ticks},
            "margin": {"l": 90, "r": 20, "t": 50, "b": 100},
            "height": 620,
        },
    }
