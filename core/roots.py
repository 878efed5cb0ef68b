"""Roots: the directories in which models lie, one that is written to, and others that are only read.

What a person makes goes to their own root. Read-only roots hold the models that come with an installed package, or
those of a teacher. A name means one model: of two with the same name the first is seen, their own before all others.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path("checkpoints")
CORE = Path(__file__).parent


@dataclass(frozen=True)
class Roots:
    own: Path
    read_only: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        others: dict[Path, Path] = {}  # each once, and never one's own
        for root in self.read_only:
            others.setdefault(root.resolve(), root)
        others.pop(self.own.resolve(), None)
        object.__setattr__(self, "read_only", tuple(others.values()))

    def directories(self) -> list[Path]:
        """Every directory in the roots that is seen; hidden ones (".name") are not."""
        seen: dict[str, Path] = {}
        for path in self.all():
            seen.setdefault(path.name, path)
        return [*seen.values()]

    def clashes(self) -> list[Path]:
        """The directories that are not seen, as others before them have the same name."""
        return [path for path in self.all() if self.path(path.name) != path]

    def all(self) -> Iterator[Path]:
        for root in (self.own, *self.read_only):
            if root.is_dir():  # a read-only one may be a disk that is not there just now
                yield from (path for path in root.iterdir() if not path.name.startswith(".") and path.is_dir())

    def path(self, name: str) -> Path:
        """Where the directory called `name` lies, or would be made."""
        places = (root / name for root in (self.own, *self.read_only))
        return next((place for place in places if place.is_dir()), self.own / name)

    def is_read_only(self, name: str) -> bool:
        return self.path(name).parent != self.own

    def refuse_read_only(self, name: str) -> None:
        """Raise ValueError if what is called so may not be changed."""
        if self.is_read_only(name):
            place = self.path(name).parent
            raise ValueError(f"{name} is read-only, as it lies in {place}: change one of your own instead")

    def refuse_taken(self, name: str) -> None:
        """Raise ValueError if a read-only model has that name: it would not be seen any more."""
        for root in self.read_only:
            if root.is_dir() and name.casefold() in {path.name.casefold() for path in root.iterdir()}:
                raise ValueError(f"there is already something called {name}, read-only in {root}: choose another name")


def default_directory() -> Path:
    """Where models live if nobody says so: in ./checkpoints, in those of the clone, else in the user's own data."""
    clone = CORE.parent
    if HERE.is_dir():
        return HERE
    if (clone / "pyproject.toml").is_file() and (clone / "checkpoints").is_dir():
        return clone / "checkpoints"
    if importlib.util.find_spec("platformdirs") is None:  # on a bare machine
        return HERE
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("gpt-playground", appauthor=False) / "checkpoints"


def find_model(text: str) -> Path:
    """The directory of a model, given by its path or by its name."""
    path = Path(text)
    is_path = path.exists() or path.parts != (text,)
    return path if is_path else Roots(default_directory(), shipped_models()).path(text)


def shipped(name: str) -> str:
    """The path of a model that comes with the project."""
    return str(next((root / name for root in shipped_models()), HERE / name))


def shipped_models() -> tuple[Path, ...]:
    """The root of the models that an installed package brings; none in a clone, where they lie among the others."""
    inside = CORE / "checkpoints"
    return (inside,) if inside.is_dir() else ()
