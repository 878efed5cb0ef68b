"""Goodhart at home: the picture in the docs, and its figures: `python -m tests.benchmarks.goodhart`.

Reward models of few votes and of many are pushed against from the shipped chat model, as `python -m core goodhart` does
it, with the settings that are given here; or a comparison that there is, a comparison.json, is taken. Then the page
draws it.
"""

import sys

from core.goodhart import describe
from core.method_comparison_file import METHODS, Comparison, Point
from tests.benchmarks.comparison import arguments, tell_and_draw


def main() -> int:
    parser = arguments("goodhart", __doc__.splitlines()[0], "goodhart.png")
    args, settings = parser.parse_known_args()
    return tell_and_draw(args, ["goodhart", *settings], figures, ".pg-method-result:visible .pg-columns")


def figures(comparison: Comparison) -> str:
    found = "".join(f"- {sentence}\n" for sentence in describe(comparison))
    return f"{table(comparison)}{found}{sum(part.seconds for part in comparison.parts):.0f} s in all\n"


def table(comparison: Comparison) -> str:
    """Each reward model, pushed by each method as far as it was, in Markdown."""
    heads = ("", "votes", "KL, nats a response", "reward model says", "rule says", "words", "seconds until then")
    last: dict[tuple[str, int], Point] = {}
    for point in comparison.points:
        if point.votes:
            last[point.method, point.votes] = point
    rows = [heads, ["---"] * len(heads)]
    for point in last.values():
        proxy = interval(point.proxy, point.proxy_low, point.proxy_high)
        gold = interval(point.reward, point.reward_low, point.reward_high)
        what = METHODS[point.method]
        rows.append(
            [what, str(point.votes), f"{point.kl:.1f}", proxy, gold, f"{point.words:.1f}", f"{point.seconds:.0f}"]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
