"""Guidelines: by what is voted, in words of one's own, above the vote; kept on disk beside the votes."""

from typing import Any

from core.atomic_files import write_text
from playground.services.services import Services
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.text import page_text

FILE = "guidelines.txt"  # beside the votes
LONGEST = 5000  # characters


def build(services: Services) -> None:
    path = services.preferences.path.with_name(FILE)

    @server_function
    def read_guidelines(_: dict[str, Any]) -> dict[str, Any]:
        return {"text": path.read_text(encoding="utf-8") if path.exists() else ""}

    @server_function
    def write_guidelines(request: dict[str, Any]) -> dict[str, Any]:
        write_text(path, page_text(request["text"]).strip()[:LONGEST])
        return read_guidelines({})

    view(
        "label-guidelines",
        "tabs/label/guidelines.js",
        "pg-guidelines",
        functions=[read_guidelines, write_guidelines],
        longest=LONGEST,
    )
