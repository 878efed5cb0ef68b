"""The places in a corpus that excite each unit of a model most: searched in the background, kept beside the model.

They lie in one file a model, with the fingerprint of the weights and the vocabulary that they belong to. A file that is
damaged, or belongs to other weights, is made again, and that is said.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bounded_files import is_file
from core.checkpoint import Card, weights_digest
from core.config import describe_os_error
from core.datasets import shakespeare as corpora
from core.datasets.shakespeare import Corpus
from core.interpretability import neurons
from core.interpretability.neurons import FINGERPRINT, TopPlaces, text_blocks, top_places
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints, Key
from playground.ui.text import sentence

FILE = "neurons.cache"  # a safetensors file; by that ending it would count as weights of the model
CORPUS = "shakespeare"  # read where a model's own corpus is not known, or not there any more
PLACES = 12  # of each unit
MOST_READ = 50_000  # tokens
MOST_CHARACTERS = 10_000_000  # of a corpus, from its beginning, over which they are spread


@dataclass(frozen=True)
class Found:
    """What was found for one model, and in what."""

    places: TopPlaces
    corpus: str


class NeuronSearch:
    """One search at a time; what was found stays in memory and, where one may write there, beside the model."""

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        refusal = "the neurons of {name} are being searched: stop that first, or wait"
        self.task = BackgroundTask("neurons", refusal, name="", note="", done=0, total=0)
        self.found: dict[Key, Found] = {}
        self.made_again: set[Key] = set()  # once each: a file that cannot be replaced must not be tried for ever

    def find(self, name: str) -> Found | None:
        """What is known of the model `name`. If its file is of no use, a search begins that replaces it."""
        key = self.checkpoints.key(name)
        path = self.checkpoints.path(name) / FILE
        if key in self.found or self.is_searching(name) or not is_file(path):
            return self.found.get(key)
        try:
            places, about = neurons.load(path, self.checkpoints.load(name).model, self.fingerprint(name))
        except ValueError as error:
            if key not in self.made_again and not self.task.running:
                self.made_again.add(key)
                self.start(name, f"{sentence(str(error))} It is made again.")
            return None
        self.found[key] = Found(places, about["corpus"])
        return self.found[key]

    def is_searching(self, name: str) -> bool:
        return self.task.running and self.task.status()["name"] == name

    def start(self, name: str, note: str = "") -> None:
        """Begin a search; `note` says why, if nobody asked for it. Raises ValueError while another is going on."""
        self.checkpoints.key(name)
        self.task.start(lambda: self.search(name), "reading the corpus", name=name, note=note, done=0, total=0)

    def stop(self) -> None:
        """What was found until then is kept."""
        self.task.stop("stopping")

    def status(self, name: str) -> dict[str, Any]:
        """How far the search is, and whether it has found something for the model `name`."""
        return {"found": self.find(name) is not None} | self.task.status()

    def fingerprint(self, name: str) -> str:
        digest = self.checkpoints.load(name).tokenizer.digest
        return f"{weights_digest(self.checkpoints.path(name))} {digest}"

    # --- the work ---------------------------------------------------------------------------------------------

    def search(self, name: str) -> str:
        key, fingerprint, loaded = self.checkpoints.key(name), self.fingerprint(name), self.checkpoints.load(name)
        corpus, said = corpus_of(loaded.card)
        self.task.report("turning the corpus into tokens")
        ids = loaded.tokenizer.encode_documents(beginning(corpus.train, MOST_CHARACTERS))
        blocks = text_blocks(ids, loaded.model.config.block_size, MOST_READ)
        total = len(blocks) * (blocks.shape[1] - 1)
        self.task.report(f"reading {total:,} tokens of {corpus.name}", total=total)
        for places in top_places(loaded.model, blocks, PLACES):
            self.task.update(done=places.tokens_read)
            if self.task.stopping.is_set():
                break
        self.found[key] = Found(places, corpus.name)
        about = {FINGERPRINT: fingerprint, "corpus": corpus.name}
        kept = keep(self.checkpoints.path(name) / FILE, places, about)
        cut = f"Stopped after {places.tokens_read:,} of {total:,} tokens." if places.tokens_read < total else ""
        return " ".join(filter(None, (said, cut, kept)))


def keep(path: Path, places: TopPlaces, about: dict[str, str]) -> str:
    """Write it; a sentence if that cannot be done, as in a teacher's share."""
    try:
        neurons.save(path, places, about)
    except OSError as error:
        return f"This is forgotten when the playground ends: {describe_os_error(error)}."
    return ""


def corpus_of(card: Card) -> tuple[Corpus, str]:
    """The corpus that a model was pre-trained on, or CORPUS; a sentence if its own cannot be read any more."""
    own, said = card.config.get("corpus"), ""  # a setting of pre-training alone
    if own is not None:
        try:
            return corpora.load(own, card.config.get("text_column", ""), card.config.get("skip_bad_lines", False)), ""
        except ValueError as error:
            said = f"The corpus that the model learned from cannot be read ({error}), so this is {CORPUS}."
    return corpora.load(CORPUS), said


def beginning(documents: tuple[str, ...], most: int) -> list[str]:
    """Documents of at most so many characters together; the last one is cut."""
    taken = []
    for document in documents:
        if most <= 0:
            break
        taken.append(document[:most])
        most -= len(document)
    return taken
