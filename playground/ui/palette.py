"""Colours that colour-blind people can tell apart (Okabe & Ito 2008), and one scale from 0 to 1 (cividis)."""

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
YELLOW, SKY = "#E69F00", "#56B4E9"

# Of lines that lie over each other, one colour each.
LINES = [BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY]

# Of small marks, each with a letter on it: the colour, and that of the letter, which stands out from it by 4.5 to 1.
MARKS = [
    (BLUE, "#FFFFFF"),
    (YELLOW, "#000000"),
    ("#00664B", "#FFFFFF"),
    (PURPLE, "#000000"),
    (SKY, "#000000"),
    (ORANGE, "#000000"),
]

# Nuñez, Anderton & Renslow 2018: equally bright to people with and without colour vision deficiency.
SCALE = ["#00224E", "#123570", "#3B496C", "#575D6D", "#707173", "#8A8678", "#A59C74", "#C3B369", "#E1CC55", "#FEE838"]

# From less to more, with nothing in the middle: blue and orange stay apart for everyone.
DIVERGING = ["#0072B2", "#7FB8D8", "#F2F2F2", "#EAAE7F", "#D55E00"]


def colorscale(colors: list[str]) -> list[list[float | str]]:
    """A list of colours as Plotly wants it."""
    return [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]
