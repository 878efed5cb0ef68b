"""Files that a person gave to the page, kept by their content: a second train.csv does not replace the first."""

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from core.atomic_files import atomic_file

BY_CONTENT = re.compile(r"[0-9a-f]{12}")  # a directory for each content, in which the file has its own name


def keep(file: str | Path, directory: Path) -> Path:
    """Copy a file to where a training that outlives the page can read it, also when it is resumed; returns its path."""
    given = Path(file)
    with given.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    kept = directory / digest[:12] / given.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(kept) as fresh:
        shutil.copyfile(given, fresh)
    return kept


def ending(path: Path) -> str:
    """Of the name, without that of gzip."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def kept(directory: Path, endings: Collection[str]) -> list[tuple[str, str]]:
    """(what is read, path) of the files with these endings; those with the same name are told apart by their content.

    Older versions have kept files beside the directories, by their names alone.
    """
    if not directory.is_dir():
        return []
    places = [directory, *(path for path in directory.iterdir() if BY_CONTENT.fullmatch(path.name) and path.is_dir())]
    found = [path for place in places for path in place.iterdir() if path.is_file() and ending(path) in endings]
    found = sorted((path for path in found if not path.name.startswith(".")), key=lambda path: (path.name, str(path)))
    names = Counter(path.name for path in found)

    def label(path: Path) -> str:
        if names[path.name] == 1:
            return path.name
        return f"{path.name} ({'older' if path.parent == directory else path.parent.name[:6]})"

    return [(label(path), str(path)) for path in found]
