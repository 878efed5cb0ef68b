"""Which method, when? The picture in the docs and its table: `python -m tests.benchmarks.methods`.

DPO, PPO, GRPO and best-of-n are compared from the shipped chat model, as `python -m core compare-methods` does it; or a
comparison that there is, a comparison.json, is taken. Then the page draws it.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from core.__main__ import main as core
from core.method_comparison_file import (
    BEST_OF_N,
    DIRECTORY,
    FILE,
    METHODS,
    Comparison,
    Point,
    last_points,
    parent_point,
    prices,
    read_comparison,
    strength_text,
)
from core.preferences.rule_annotators import RULES
from playground.__main__ import launch
from playground.services.services import Services
from tests.conftest import free_port
from tests.helpers.alignment import CHAT
from tests.ui.conftest import FLAGS, installed_chromium
from tests.ui.steps import open_page, open_tab

REPO = Path(__file__).parents[2]
NAME = "docs"
SIZE = {"width": 1200, "height": 900}


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.methods", description=__doc__.splitlines()[0])
    parser.add_argument("--rule", choices=tuple(RULES), default="question")
    parser.add_argument("--result", type=Path, help="a comparison.json, which is drawn instead of making one")
    parser.add_argument("--picture", type=Path, default=REPO / "assets" / "methods.png", help="[%(default)s]")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        place = Path(name)
        directory = place / DIRECTORY / NAME
        if args.result:
            directory.mkdir(parents=True)
            shutil.copy(args.result, directory / FILE)
        elif core(["compare-methods", NAME, "--directory", name, "--parent", str(CHAT), "--rule", args.rule]):
            return 1
        sys.stdout.write(table(read_comparison(directory)))
        shutil.copytree(CHAT, place / CHAT.name)
        draw(place, args.picture)
    return 0


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


def draw(place: Path, picture: Path, what: str = ".pg-method-result:visible .pg-picture") -> None:
    """The picture of the comparison in `place`, as the page draws it."""
    port = free_port()
    blocks = launch(Services.open(place, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        open_page(page, f"http://127.0.0.1:{port}/?__theme=light")
        for tab in ("Align", "Compare methods"):
            open_tab(page, tab)
        page.locator(".pg-methods:is([data-state=finished], [data-state=stopped])").wait_for()
        page.wait_for_timeout(1200)  # what is drawn comes to rest
        page.locator(what).screenshot(path=picture)
        browser.close()
    blocks.close()
    Image.open(picture).convert("RGB").save(picture, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
