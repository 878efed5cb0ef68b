"""The vocabularies that one can pick, and the one that is being trained. No gradio.

A vocabulary is a directory with a `tokenizer.json`: a checkpoint, or one that holds nothing else because it was trained
here. OpenAI's own and the plain bytes are always there.
"""

import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.checkpoint import WEIGHTS, atomic_directory
from core.config import describe_os_error
from core.datasets import shakespeare as corpora
from core.tokenizer import SPECIAL_TOKENS, Tokenizer
from core.training.run_directory import check_name

OWN = "the model's own"  # of the model that the page's header names
GPT2, BYTES = "OpenAI's GPT-2", "plain bytes"  # with a space, which no directory's name here has
COUNTED_CORPUS = "shakespeare-1mb"
LARGEST = 100_000  # ids; more than any text that fits into a browser's upload supports
PASSAGE = 1_000_000  # characters read between two looks at whether to stop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """The vocabulary that is being trained, or was trained last."""

    name: str = ""
    state: str = "none"  # none, running, finished, failed or stopped
    message: str = ""  # one sentence: what it does just now, or what went wrong
    done: int = 0  # merges
    wanted: int = 0


class Stopped(Exception):
    """Somebody asked the training to stop."""


class Vocabularies:
    """The vocabularies in a directory. Loaded ones stay in memory, and are loaded anew when their file changes."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.training = Training()
        self.stop_asked = threading.Event()
        self.loaded: dict[str, tuple[int, Tokenizer]] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.counted_text: list[str] = []
        self.lock = threading.RLock()

    # --- what there is ----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Directories with a vocabulary, the latest first, then the two that are always there."""
        found = [path for path in self.directory.glob("*/tokenizer.json") if not path.parent.name.startswith(".")]
        found.sort(key=lambda path: (-path.stat().st_mtime_ns, path.parent.name))
        return [*(path.parent.name for path in found), GPT2, BYTES]

    def choices(self) -> list[str]:
        """What a picker offers: the header model's own, whichever that is, and all others."""
        return [OWN, *self.names()]

    def paths(self) -> list[str]:
        """The vocabularies that were trained on their own, as a training's `tokenizer` setting names them."""
        return [
            str(self.directory / name)
            for name in self.names()
            if name not in (GPT2, BYTES) and not (self.directory / name / WEIGHTS).exists()
        ]

    def resolve(self, choice: str | None, model: str | None) -> str:
        """The name of a picker's `choice` when `model` is the header's. Raises ValueError if that says nothing."""
        name = model if choice == OWN else choice
        if not name:
            raise ValueError("there is no model yet: choose another vocabulary" if choice else "choose a vocabulary")
        return name

    def load(self, name: str) -> Tokenizer:
        """The vocabulary called `name`. Raises ValueError if there is none, or none that can be read."""
        with self.lock:
            changed = self.changed(name)
            if name not in self.loaded or self.loaded[name][0] != changed:
                make = {GPT2: Tokenizer.gpt2, BYTES: Tokenizer.plain_bytes}.get(name)
                self.loaded[name] = changed, make() if make else Tokenizer.load(self.directory / name)
            return self.loaded[name][1]

    def changed(self, name: str) -> int:
        if name in (GPT2, BYTES):
            return 0
        if name not in self.names():
            raise ValueError(f"the vocabulary {name} is not there any more: choose another one")
        return (self.directory / name / "tokenizer.json").stat().st_mtime_ns

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
        return asdict(self.training)

    def start(self, name: str, corpus: str, vocab_size: int) -> None:
        """Begin to train a vocabulary in the background. Raises ValueError if it cannot be begun."""
        check_name(name)
        smallest = 256 + len(SPECIAL_TOKENS)
        if not smallest <= vocab_size <= LARGEST:
            raise ValueError(f"size must be between {smallest} and {LARGEST:,}, got {vocab_size:,}")
        with self.lock:
            if self.training.state == "running":
                raise ValueError(f"{self.training.name} is being trained: stop it first, or wait until it ends")
            if (self.directory / name).exists():
                raise ValueError(f"there is already something called {name}: choose another name")
            self.stop_asked.clear()
            self.training = Training(name, "running", f"reading the corpus {corpus}", 0, vocab_size - smallest)
        threading.Thread(target=self.train, args=(name, corpus, vocab_size), daemon=True).start()

    def stop(self) -> None:
        """Ask the training to stop. Raises ValueError if there is none."""
        if self.training.state != "running":
            raise ValueError("no vocabulary is being trained")
        self.stop_asked.set()

    def train(self, name: str, corpus: str, vocab_size: int) -> None:
        """The background thread: whatever happens, the state that is left says so."""
        try:
            tokenizer = Tokenizer.train(self.read(corpus), vocab_size, self.progress)
            with atomic_directory(self.directory / name) as temporary:
                tokenizer.save(temporary)
            self.say(state="finished", message=f"{tokenizer.vocab_size:,} tokens learned from {Path(corpus).name}")
        except Stopped:
            self.say(state="stopped", message="stopped before it was complete; nothing was saved")
        except ValueError as error:
            self.say(state="failed", message=str(error))
        except OSError as error:
            self.say(state="failed", message=describe_os_error(error))
        except Exception:
            log.exception("a vocabulary could not be trained")
            self.say(state="failed", message="something went wrong: the terminal of the playground says more")

    def say(self, **news: Any) -> None:
        self.training = replace(self.training, **news)

    def read(self, name: str) -> Iterator[str]:
        """The training text of a corpus, a passage at a time."""
        documents = corpora.load(name).train
        if not any(document.strip() for document in documents):
            raise ValueError("the text is empty: there is nothing to learn from")
        self.say(message="counting words")
        for document in documents:
            for passage in passages(document):
                self.stop_if_asked()
                yield passage

    def progress(self, done: int, wanted: int) -> None:
        self.stop_if_asked()
        self.say(message="merging the most frequent pairs", done=done, wanted=wanted)

    def stop_if_asked(self) -> None:
        if self.stop_asked.is_set():
            raise Stopped


def passages(text: str) -> Iterator[str]:
    """`text` in parts of about PASSAGE characters, cut only before a line break that follows a visible character: no
    pre-token reaches over such a place, so a vocabulary learned from the parts is that of the whole."""
    start = 0
    for cut in re.finditer(r"(?<=\S)(?=\n)", text):
        if cut.start() - start >= PASSAGE:
            yield text[start : cut.start()]
            start = cut.start()
    yield text[start:]
