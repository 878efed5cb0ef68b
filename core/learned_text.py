"""The text that a model learned from: that of its own training and of the models it came from, found by their cards.

Its index (core/evaluation/ngram_index.py) is kept beside the checkpoints: once it is made, the text itself may go.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.atomic_files import remove
from core.bounded_files import is_file, modified
from core.checkpoint import MIXED, Card, is_checkpoint, read_card, weights_digest
from core.datasets.shakespeare import Corpus, plays, tiny_cache
from core.evaluation.memorization import Copies, Quotation, find_copies
from core.evaluation.ngram_index import N, NGramIndex, Progress, build
from core.roots import Roots
from core.stages.registry import STAGES, check_data
from core.tokenizer import Tokenizer
from core.training.run_directory import Run

AS_RENDERED = ("shakespeare", "shakespeare-1mb")  # the corpora whose lines are those of `Play.render`
DIRECTORY, KEPT = ".learned-texts", 6  # beside the checkpoints, and how many indexes stay there
UNKNOWN, GONE, REMADE, UNREADABLE = "unknown", "gone", "remade", "unreadable"
WHY = {
    UNKNOWN: "{model} was not trained here, so the text it learned from is not known",
    GONE: "{model} is not there any more, so what it learned from is not known",
    REMADE: "{model} has been made anew since, so what it learned from before is not known",
    UNREADABLE: "{detail}",
}


@dataclass(frozen=True)
class Source:
    """A model of the lineage whose training read a text."""

    model: str
    card: Card


@dataclass(frozen=True)
class Gap:
    """A model of the lineage of which it is not known what it learned from."""

    model: str
    why: str  # one of WHY
    detail: str = ""

    def __str__(self) -> str:
        return WHY[self.why].format(model=self.model, detail=self.detail)


@dataclass(frozen=True)
class Lineage:
    """The sources of a model's text, its own training first, and what is missing among them.

    Votes and rewards bend a model by answers of its own: they are no sources.
    """

    sources: tuple[Source, ...]
    gaps: tuple[Gap, ...]


def lineage(directory: Path, roots: Roots) -> Lineage:
    """From a model, or a run, back to what began with random weights; of a mixture, by way of all that is mixed.

    Raises ValueError if its own card cannot be read.
    """
    sources: list[Source] = []
    gaps: list[Gap] = []
    waiting, known = [(directory, read_card(checkpoint_in(directory) / "card.json"))], {directory.name}
    while waiting:
        path, card = waiting.pop(0)
        stage = STAGES.get(card.stage)
        if stage is None and MIXED not in card.data:
            gaps.append(Gap(path.name, UNKNOWN))
            continue
        if stage and stage.learned_text:
            sources.append(Source(path.name, card))
        for name in filter(None, (card.parent, *card.data.get(MIXED, ()))):
            try:
                parent = find_parent(name, card, roots)
                if isinstance(parent, Gap):
                    gaps.append(parent)
                elif parent.name not in known:
                    known.add(parent.name)
                    waiting.append((parent, read_card(parent / "card.json")))
            except ValueError as error:
                gaps.append(Gap(name, UNREADABLE, str(error)))
    return Lineage(tuple(sources), tuple(gaps))


def find_parent(name: str, card: Card, roots: Roots) -> Path | Gap:
    """Where what a model was made from lies: among the models by its name, or where its training found it."""
    found = card.config.get("parent") or card.config.get("init_from") or name
    places = (roots.path(name), Path(str(found)).expanduser())
    parent = next((path for path in places if path.name == name and is_checkpoint(path)), None)
    if parent is None:
        return Gap(name, GONE)
    noted = card.data.get("parent_sha256") if name == card.parent else None
    return Gap(name, REMADE) if noted and weights_digest(parent) != noted else parent


def checkpoint_in(directory: Path) -> Path:
    """The checkpoint itself, or of a run that has not made it yet the last step that was saved.

    Raises ValueError if there is neither.
    """
    found = [path for path in (*Run(directory).saved_steps(), directory) if is_checkpoint(path)]
    if not found:
        raise ValueError(f"{directory.name} has saved no step yet: wait until it has")
    return found[-1]


def read_text(source: Source) -> Corpus:
    """The text as the model learned from it. Raises ValueError in words if it has gone or changed since."""
    stage = STAGES[source.card.stage]
    assert stage.learned_text is not None
    check_data(source.card)
    corpus = stage.learned_text(stage.config.from_dict(source.card.config))
    noted = source.card.data.get("sha256", corpus.digest)
    if noted != corpus.digest:
        raise ValueError(
            f"{corpus.name} is no longer the text that {source.model} learned from (sha256 {noted[:8]} then, "
            f"{corpus.digest[:8]} now): put the old one back"
        )
    return corpus


# --- its index ------------------------------------------------------------------------------------------------


def index_directory(checkpoints: Path) -> Path:
    """Where indexes are kept: beside the checkpoints, or with this user's corpora where nobody may write there."""
    writable = os.access(checkpoints, os.W_OK)
    return checkpoints / DIRECTORY if writable else tiny_cache().parent / DIRECTORY.removeprefix(".")


def index_path(directory: Path, digest: str, tokenizer: Tokenizer) -> Path:
    return directory / hashlib.sha256(f"{digest} {tokenizer.digest} {N}".encode()).hexdigest()[:16]


def open_index(
    corpus: Corpus, tokenizer: Tokenizer, directory: Path, progress: Progress = lambda share: None
) -> NGramIndex:
    """The index of a corpus, made if it is not there."""
    path = index_path(directory, corpus.digest, tokenizer)
    if not is_file(path / "meta.json"):
        build(path, corpus.name, corpus.train, tokenizer, corpus.titles, progress)
        forget_oldest(directory)
    return NGramIndex(path, tokenizer)


def forget_oldest(directory: Path) -> None:
    """Delete all indexes but the KEPT that were used last."""
    there = sorted(directory.glob("*/meta.json"), key=modified, reverse=True)
    for meta in there[KEPT:]:
        with suppress(OSError):  # another process may read it, or be faster
            remove(meta.parent)


def source_index(source: Source, tokenizer: Tokenizer, directory: Path, progress: Progress) -> NGramIndex:
    """The index of a source's text, which is read only if there is none. Raises ValueError like `read_text`."""
    if noted := source.card.data.get("sha256"):
        path = index_path(directory, noted, tokenizer)
        if is_file(path / "meta.json"):
            return NGramIndex(path, tokenizer)
    return open_index(read_text(source), tokenizer, directory, progress)


@dataclass(frozen=True)
class LearnedText:
    """All that is known of the text that a model learned from, ready to be searched."""

    indexes: tuple[NGramIndex, ...]
    gaps: tuple[Gap, ...]
    tokenizer: Tokenizer

    @property
    def corpora(self) -> list[str]:
        return [index.meta.corpus for index in self.indexes]

    def find(self, text: str) -> Copies:
        return find_copies(text, self.tokenizer, self.indexes)


def learned_text(
    directory: Path, tokenizer: Tokenizer, roots: Roots, progress: Progress = lambda share: None
) -> LearnedText:
    """What the model in `directory` learned from; its index is made if need be.

    Raises ValueError in words if nothing of it is known or can be read any more.
    """
    found = lineage(directory, roots)
    gaps, kept = list(found.gaps), index_directory(roots.own)
    indexes: dict[tuple[str, int, int], NGramIndex] = {}
    for source in found.sources:
        try:
            index = source_index(source, tokenizer, kept, progress)
        except ValueError as error:
            gaps.append(Gap(source.model, UNREADABLE, str(error)))
            continue
        indexes.setdefault((index.meta.corpus, index.meta.tokens, index.meta.n_grams), index)
    if not indexes:
        raise ValueError("; ".join(map(str, gaps)) or f"{directory.name} learned from no text")
    return LearnedText(tuple(indexes.values()), tuple(gaps), tokenizer)


# --- where a quotation stands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """Where in a training text something stands."""

    corpus: str
    document: int  # counted from 1
    documents: int
    line: int  # counted from 1
    title: str = ""
    act: str = ""
    scene: str = ""
    speaker: str = ""

    def __str__(self) -> str:
        """`Hamlet, ACT III, SCENE I, HAMLET`, or `my.txt, document 3, line 12`."""
        if self.title:
            return ", ".join(filter(None, (self.title, self.act, self.scene, self.speaker)))
        number = f"document {self.document:,}" if self.documents > 1 else ""
        return ", ".join(filter(None, (self.corpus, number, f"line {self.line:,}")))


def origin(quotation: Quotation) -> Origin:
    """Where the tokens of a quotation stand first."""
    meta = quotation.index.meta
    document, line = quotation.index.locate(quotation.span.place)
    title = meta.titles[document] if meta.titles else ""
    place = Origin(meta.corpus, document + 1, meta.documents, line, title)
    play = next((play for play in plays() if play.title == title), None) if title else None
    if play is None or meta.corpus not in AS_RENDERED:
        return place
    speech = play.speech_at(line)
    return Origin(meta.corpus, document + 1, meta.documents, line, title, speech.act, speech.scene, speech.speaker)
