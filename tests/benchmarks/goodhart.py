"""Goodhart at home: the picture in the docs, and its figures: `python -m tests.benchmarks.goodhart`.

Reward models of few votes and of many are pushed against from the shipped chat model, as `python -m core goodhart` does
it, with the settings that are given here; or a comparison that there is, a comparison.json, is taken. Then the page
draws it.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from core.__main__ import main as core
from core.goodhart import describe
from core.method_comparison_file import DIRECTORY, FILE, METHODS, Comparison, Point, read_comparison
from tests.benchmarks.methods import NAME, REPO, draw
from tests.helpers.alignment import CHAT


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.goodhart", description=__doc__.splitlines()[0])
    parser.add_argument("--result", type=Path, help="a comparison.json, which is drawn instead of making one")
    parser.add_argument("--picture", type=Path, default=REPO / "assets" / "goodhart.png", help="[%(default)s]")
    args, settings = parser.parse_known_args()
    with TemporaryDirectory() as name:
        place = Path(name)
        directory = place / DIRECTORY / NAME
        if args.result:
            directory.mkdir(parents=True)
            shutil.copy(args.result, directory / FILE)
        elif core(["goodhart", NAME, "--directory", name, "--parent", str(CHAT), *settings]):
            return 1
        found = read_comparison(directory)
        sys.stdout.write(table(found) + "".join(f"- {sentence}\n" for sentence in describe(found)))
        sys.stdout.write(f"{sum(part.seconds for part in found.parts):.0f} s in all\n")
        shutil.copytree(CHAT, place / CHAT.name)
        draw(place, args.picture, ".pg-method-result:visible .pg-columns")
    return 0


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
