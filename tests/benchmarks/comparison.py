"""A comparison for the docs: made by a command of the command line, or taken, with its figures and its picture."""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import ViewportSize

from core.__main__ import main as core
from core.method_comparison_file import DIRECTORY, FILE, Comparison, read_comparison
from tests.helpers.alignment import CHAT
from tests.helpers.pictures import playground, take
from tests.ui.steps import open_tab

REPO = Path(__file__).parents[2]
NAME = "docs"
SIZE: ViewportSize = {"width": 1200, "height": 900}


def arguments(name: str, about: str, picture: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"python -m tests.benchmarks.{name}", description=about)
    parser.add_argument("--result", type=Path, help="a comparison.json, which is drawn instead of making one")
    parser.add_argument("--picture", type=Path, default=REPO / "assets" / picture, help="[%(default)s]")
    return parser


def tell_and_draw(
    args: argparse.Namespace, command: Sequence[str], figures: Callable[[Comparison], str], what: str
) -> int:
    """command: which makes it from the shipped chat model, with its settings. what: of the page is the picture."""
    stage, *settings = command
    with TemporaryDirectory() as name:
        place = Path(name)
        directory = place / DIRECTORY / NAME
        if args.result:
            directory.mkdir(parents=True)
            shutil.copy(args.result, directory / FILE)
        elif core([stage, NAME, "--directory", name, "--parent", str(CHAT), *settings]):
            return 1
        sys.stdout.write(figures(read_comparison(directory)))
        shutil.copytree(CHAT, place / CHAT.name)
        draw(place, args.picture, what)
    return 0


def draw(place: Path, picture: Path, what: str) -> None:
    """The picture of the comparison in `place`, as the page draws it."""
    with playground(place, SIZE) as page:
        for tab in ("Align", "Compare methods"):
            open_tab(page, tab)
        page.locator(".pg-methods:is([data-state=finished], [data-state=stopped])").wait_for()
        take(page.locator(what), picture)
