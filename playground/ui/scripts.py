"""The page's scripts and styles: which there are, and how they are served. No gradio."""

import importlib.util
import os
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ROUTE = "/scripts"
PACKAGE = Path(__file__).parents[1]
# Beside this package where it is installed, at the top of a checkout.
ASSETS = PACKAGE / "assets" if (PACKAGE / "assets").is_dir() else PACKAGE.parent / "assets"


def plotly() -> Path:
    """plotly.js as it comes with the Python package: nothing is fetched from elsewhere."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


def scripts() -> dict[str, Path]:
    """{path below ROUTE: file}. The paths are a checkout's, so that modules import each other alike everywhere."""
    own = {f"assets/{path.name}": path for path in ASSETS.glob("*.js")}
    beside = (path for path in PACKAGE.rglob("*.js") if path.parent != ASSETS)
    own |= {f"playground/{path.relative_to(PACKAGE).as_posix()}": path for path in beside}
    return {"plotly.js": plotly()} | own


def styles() -> list[Path]:
    """The style sheets: what all share first, then each part's own."""
    return [ASSETS / "page.css", *sorted(path for path in PACKAGE.rglob("*.css") if path.parent != ASSETS)]


class Scripts(StaticFiles):
    """Serves the page's scripts and no other file of the packages."""

    def __init__(self) -> None:
        super().__init__(directory=PACKAGE)
        self.files = {name.replace("/", os.sep): path for name, path in scripts().items()}

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        found = self.files.get(path)
        return ("", None) if found is None else (str(found), found.stat())

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"  # ask whether it has changed: another version may be installed
        return response


def route() -> Mount:
    return Mount(ROUTE, Scripts())
