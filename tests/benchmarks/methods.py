"""Which method, when? The picture in the docs and its table: `python -m tests.benchmarks.methods`.

DPO, PPO, GRPO and best-of-n are compared from the shipped chat model, as `python -m core compare-methods` does it; or a
comparison that there is, a comparison.json, is taken. Then the page draws it.
"""

import sys

from core.method_comparison_file import (
    BEST_OF_N,
    METHODS,
    Comparison,
    Point,
    last_points,
    parent_point,
    prices,
    strength_text,
)
from core.preferences.rule_annotators import RULES
from tests.benchmarks.comparison import arguments, tell_and_draw


def main() -> int:
    parser = arguments("methods", __doc__.splitlines()[0], "methods.png")
    parser.add_argument("--rule", choices=tuple(RULES), default="question")
    args = parser.parse_args()
    command = ["compare-methods", "--rule", args.rule]
    return tell_and_draw(args, command, table, ".pg-method-result:visible .pg-picture")


def table(comparison: Comparison) -> str:
    """Each method at its last step, in Markdown."""
    heads = ("", "likes", "KL, nats a response", "words", "seconds", "answers", "votes", "a point of reward costs")
    parent = parent_point(comparison)
    assert parent is not None
    costs = {
        price.method: f"{price.seconds:.1f} s, {price.answers:.0f} answers"
        + (f", {price.votes:.1f} votes" if price.votes else "")
        for price in prices(comparison)
    }
    rows = [heads, ["---"] * len(heads), [f"`{comparison.parent}`", *measured(parent), "", "", "", ""]]
    for point in last_points(comparison):
        if point.method == BEST_OF_N:
            spent = ["none to learn", f"{point.each} each time", "", f"{point.each - 1} more answers each time"]
        else:
            cost = costs.get(point.method, "no gain beyond chance")
            spent = [f"{point.seconds:.0f}", f"{point.answers:,}", str(point.votes or ""), cost]
        what = strength_text(point.method, point.strength)
        rows.append([f"{METHODS[point.method]}, {what}", *measured(point), *spent])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def measured(point: Point) -> list[str]:
    share = f"{100 * point.reward:.0f} % ({100 * point.reward_low:.0f} to {100 * point.reward_high:.0f})"
    exact = point.method == BEST_OF_N
    kl = f"{point.kl:.1f}" if exact else f"{point.kl:.1f} ({point.kl_low:.1f} to {point.kl_high:.1f})"
    return [share, kl, f"{point.words:.1f}"]


if __name__ == "__main__":
    sys.exit(main())
