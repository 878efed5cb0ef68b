"""The files that a run learns from, by their content: noted when it begins, compared when it goes on or is measured."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.checkpoint import Card
from core.config import DATA
from core.stages.base import Stage

NOTED = "files_sha256"  # on a card: {setting: sha256} of the files that were read


def data_digests(stage: Stage, config: Any) -> dict[str, str]:
    """{setting: sha256} of the files that the configuration names; of a directory, of all that lies in it."""
    values = config.to_dict()
    named = {name: values[name] for name in stage.settings_that_name(*DATA) if values[name] not in ("", *stage.offers)}
    found = {name: digest(Path(value).expanduser()) for name, value in named.items()}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def digest(path: Path) -> str:
    """sha256 of a file's bytes, or of the names and bytes of the files in a directory; "" if nothing is there."""
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    content = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
    for file in files:
        content.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\0".encode())
    return content.hexdigest() if files else ""


def check_unchanged(stage: Stage, config: Any, noted: Mapping[str, str], otherwise: str) -> dict[str, str]:
    """The digests as they are now. Raises ValueError that names the file which is no longer as it was `noted`.

    otherwise: what can be done but to put the old file back.
    """
    now = data_digests(stage, config)
    for name, before in noted.items():
        if now.get(name) == before:
            continue
        value = config.to_dict().get(name, "")
        what = f"has changed since (sha256 {before[:8]} then, {now[name][:8]} now)" if name in now else "is not there"
        raise ValueError(f"{name}: the training learned from {value}, which {what}: put the old file back, {otherwise}")
    return now


def noted_on(card: Card) -> dict[str, str] | None:
    """The digests on a card; None on one that was written before they were noted."""
    return card.data.get(NOTED)
