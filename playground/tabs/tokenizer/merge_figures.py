"""How the number of tokens of a text falls with every merge."""

from typing import Any

import numpy as np

from playground.ui.palette import BLUE, ORANGE

STOPS = 240  # positions of the slider, about
POWERS = (10, 100, 1000, 10_000, 100_000)  # the ones that have a name on the axis


def stops(n_merges: int) -> list[int]:
    """Numbers of merges from 0 to all of them: every one of the first, then in growing steps."""
    growing = np.geomspace(1, max(n_merges, 1), STOPS).round().astype(int)
    return sorted({0, *(n for n in [*growing.tolist(), *POWERS] if n <= n_merges), n_merges})


def tokens_against_merges(positions: list[int], counts: list[int]) -> dict[str, Any]:
    """The curve, over the slider's positions, and a marker that the page moves."""
    named = sorted({0, *(power for power in POWERS if power < positions[-1] / 1.5), positions[-1]})
    places = [positions.index(n) for n in named]
    names = [f"{position:,}" for position in positions]
    about = "%{text} merges<br>%{y:,} tokens<extra></extra>"
    common = {"type": "scatter", "hovertemplate": about}
    line = {"mode": "lines", "x": list(range(len(positions))), "y": counts, "text": names, "line": {"color": BLUE}}
    marker = {"mode": "markers", "x": [], "y": [], "text": [], "marker": {"color": ORANGE, "size": 12}}
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": [names[place] for place in places]}
    return {
        "data": [common | line, common | marker],
        "layout": {
            "xaxis": {"title": {"text": "merges applied (steps grow, as on the slider)"}, "zeroline": False, **ticks},
            "yaxis": {"title": {"text": "tokens of this text"}, "integer": True, "rangemode": "tozero"},
            "margin": {"l": 60, "r": 20, "t": 10, "b": 50},
            "height": 260,
            "showlegend": False,
        },
    }
