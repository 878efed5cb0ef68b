"""Parts of the docs that are made from the sources, between two marks: a test says when one is old."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "assets" / "docs"


@dataclass(frozen=True)
class Generated:
    """What stands between `begin` and `end` on the page `name`, as `make` makes it."""

    name: str
    begin: str
    end: str
    make: Callable[[], str]

    def updated(self) -> tuple[str, str]:
        """(the page as it is, the page as it should be)."""
        page = (DOCS / self.name).read_text(encoding="utf-8")
        before, rest = page.split(self.begin)
        _, after = rest.split(self.end)
        return page, f"{before}{self.begin}{self.make()}{self.end}{after}"

    def main(self, explained: str | None) -> None:
        """The command line of the module that makes it: only `--write` is known."""
        assert sys.argv[1:] == ["--write"], explained
        (DOCS / self.name).write_text(self.updated()[1], encoding="utf-8")
