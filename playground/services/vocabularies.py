"""The vocabularies that one can pick, and the one that is being trained.

A vocabulary is a directory with a `tokenizer.json`: a checkpoint, or one that holds nothing else because it was trained
here. Files of others can be opened beside them, to look at. OpenAI's own and the plain bytes are always there.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.atomic_files import claim
from core.bounded_files import is_file, modified
from core.checkpoint import WEIGHTS
from core.datasets import shakespeare as corpora
from core.foreign_vocabulary import OpenedVocabulary, read_foreign_vocabulary
from core.roots import Roots
from core.tokenizer import SPECIAL_TOKENS, Tokenizer
from core.training.run_directory import check_name
from playground.services import uploads
from playground.services.background_task import BackgroundTask

OWN = "the model's own"  # of the model that the page's header names
GPT2, BYTES = "OpenAI's GPT-2", "plain bytes"  # with a space, which no directory's name here has
COUNTED_CORPUS = "shakespeare-1mb"
LARGEST = 100_000  # ids; more than any text that fits into a browser's upload supports
PASSAGE = 1_000_000  # characters read between two looks at whether to stop


class Vocabularies:
    """The vocabularies in a directory, and in those that are only read.

    Loaded ones stay in memory, and are loaded anew when their file changes.
    """

    def __init__(self, directory: Path, read_only: Sequence[Path] = ()):
        self.directory, self.roots = directory, Roots(directory, tuple(read_only))
        stopped = "stopped before it was complete; nothing was saved"
        refusal = "{name} is being trained: stop it first, or wait until it ends"
        self.training = BackgroundTask("vocabulary", refusal, stopped, name="", done=0, wanted=0)
        self.loaded: dict[str, tuple[int, OpenedVocabulary]] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.counted_text: list[str] = []
        self.lock = threading.RLock()

    # --- what there is ----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Directories with a vocabulary, the latest first, then files, then the two that are always there."""
        found = [file for path in self.roots.directories() if is_file(file := path / "tokenizer.json")]
        found.sort(key=lambda path: (-modified(path), path.parent.name))
        return [*(path.parent.name for path in found), *self.files(), GPT2, BYTES]

    def files(self) -> dict[str, Path]:
        """The files that were opened, by the names that pickers offer: with a space, as no directory's has, and with
        the beginning of its content's hash, so that a name stays what it is when another `tokenizer.json` is opened.
        """
        found = [Path(path) for _, path in uploads.kept(self.directory / "data" / "vocabularies", (".json",))]
        return {f"file {path.name} ({path.parent.name[:6]})": path for path in found}

    def open(self, file: str | Path) -> str:
        """Keep a `tokenizer.json` of others among what pickers offer; returns its name.

        Raises ValueError that says why it cannot be shown.
        """
        if Path(file).suffix.lower() != ".json":
            raise ValueError(f"{Path(file).name} is no tokenizer.json: its name must end in .json")
        read_foreign_vocabulary(Path(file))
        kept = uploads.keep(file, self.directory / "data" / "vocabularies")
        return next(name for name, path in self.files().items() if path == kept)

    def choices(self) -> list[str]:
        """What a picker offers: the header model's own, whichever that is, and all others."""
        return [OWN, *self.names()]

    def paths(self) -> list[str]:
        """The vocabularies that were trained on their own, as a training's `tokenizer` setting names them."""
        apart = (GPT2, BYTES, *self.files())
        paths = [self.roots.path(name) for name in self.names() if name not in apart]
        return [str(path) for path in paths if not is_file(path / WEIGHTS)]

    def resolve(self, choice: str | None, model: str | None) -> str:
        """The name of a picker's `choice` when `model` is the header's. Raises ValueError if that says nothing."""
        name = model if choice == OWN else choice
        if not name:
            raise ValueError("there is no model yet: choose another vocabulary" if choice else "choose a vocabulary")
        return name

    def load(self, name: str) -> Tokenizer:
        """The vocabulary called `name`. Raises ValueError if there is none, or none that can be read."""
        return self.read(name).tokenizer

    def left_out(self, name: str) -> tuple[str, ...]:
        """What a file of others says and is not done here."""
        return self.read(name).left_out

    def read(self, name: str) -> OpenedVocabulary:
        with self.lock:
            path = self.path(name)
            changed = modified(path) if path else 0
            if name not in self.loaded or self.loaded[name][0] != changed:
                self.loaded[name] = changed, self.read_anew(name, path)
            return self.loaded[name][1]

    def read_anew(self, name: str, path: Path | None) -> OpenedVocabulary:
        if path is None:
            return OpenedVocabulary(Tokenizer.gpt2() if name == GPT2 else Tokenizer.plain_bytes(), ())
        if name in self.files():
            return read_foreign_vocabulary(path)
        return OpenedVocabulary(Tokenizer.load(path.parent), ())

    def path(self, name: str) -> Path | None:
        """The file of a vocabulary; None for those that are always there. Raises ValueError if it is gone."""
        if name in (GPT2, BYTES):
            return None
        if name not in self.names():
            raise ValueError(f"the vocabulary {name} is not there any more: choose another one")
        return self.files().get(name) or self.roots.path(name) / "tokenizer.json"

    def frequencies(self, tokenizer: Tokenizer) -> np.ndarray:
        """How often each id occurs in COUNTED_CORPUS: (vocab_size,) integers."""
        with self.lock:
            if not self.counted_text:
                self.counted_text += corpora.load(COUNTED_CORPUS).train
            if tokenizer.digest not in self.counts:
                ids = [id for play in self.counted_text for id in tokenizer.encode(play)]
                self.counts[tokenizer.digest] = np.bincount(ids, minlength=tokenizer.vocab_size)
            return self.counts[tokenizer.digest]

    # --- training ---------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Of the vocabulary that is being trained, or was trained last; `done` and `wanted` count merges."""
        status = self.training.status()
        known = {key: status[key] for key in ("name", "state", "done", "wanted")}
        return known | {"message": status["error"] or status["message"]}

    def start(self, name: str, corpus: str, vocab_size: int) -> None:
        """Begin to train a vocabulary in the background. Raises ValueError if it cannot be begun."""
        check_name(name)
        smallest = 256 + len(SPECIAL_TOKENS)
        if not smallest <= vocab_size <= LARGEST:
            raise ValueError(f"size must be between {smallest} and {LARGEST:,}, got {vocab_size:,}")
        self.training.refuse_if_running()
        self.roots.refuse_taken(name)
        if (self.directory / name).exists():
            raise ValueError(f"there is already something called {name}: choose another name")
        message, merges = f"reading {Path(corpus).name}", vocab_size - smallest
        self.training.start(lambda: self.train(name, corpus, vocab_size), message, name=name, done=0, wanted=merges)

    def stop(self) -> None:
        """Ask the training to stop. Raises ValueError if there is none."""
        if not self.training.running:
            raise ValueError("no vocabulary is being trained")
        self.training.stop()

    def train(self, name: str, corpus: str, vocab_size: int) -> str:
        """In the background: returns what came of it."""
        with claim(self.directory / name):
            tokenizer = Tokenizer.train(self.corpus_passages(corpus), vocab_size, self.report_merges)
            tokenizer.save(self.directory / name)
        return f"{tokenizer.vocab_size:,} tokens learned from {Path(corpus).name}"

    def corpus_passages(self, name: str) -> Iterator[str]:
        """The training text of a corpus, a passage at a time."""
        documents = corpora.load(name).train
        if not any(document.strip() for document in documents):
            raise ValueError("the text is empty: there is nothing to learn from")
        for document in documents:
            for passage in passages(document):
                self.training.report("counting words")
                yield passage

    def report_merges(self, done: int, wanted: int) -> None:
        self.training.report("merging the most frequent pairs", done=done, wanted=wanted)


def passages(text: str) -> Iterator[str]:
    """`text` in parts of about PASSAGE characters, cut only before a line break that follows a visible character: no
    pre-token reaches over such a place, so a vocabulary learned from the parts is that of the whole."""
    start = 0
    for cut in re.finditer(r"(?<=\S)(?=\n)", text):
        if cut.start() - start >= PASSAGE:
            yield text[start : cut.start()]
            start = cut.start()
    yield text[start:]
