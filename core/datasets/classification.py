"""Labelled texts: speeches of Shakespeare's plays with their genre, or a file (core/datasets/labelled_files.py).

Texts are read from their first token to their last, and classified there. Of a text that is longer than the context the
end is cut off.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from core.datasets import shakespeare
from core.datasets.batch import Batch
from core.datasets.labelled_files import ANY, Columns, normal, read_labelled
from core.datasets.recognised import Recognised
from core.length_buckets import Buckets, by_length
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import Tokenizer

GENRE = "genre"  # the name of the built-in task
GENRES = ("comedy", "history", "tragedy")
MIN_CHARACTERS = 100  # of a speech: "Ay, my lord" is said in every genre
MOST_CLASSES = 100

# The division of the First Folio of 1623, "Mr. William Shakespeares Comedies, Histories, & Tragedies". Its catalogue
# decides where later critics speak of Roman plays, problem plays and romances. Troilus and Cressida, which it forgot,
# stands before the tragedies, headed "The Tragedie". Pericles and Edward III are not in it and are left out here.
FOLIO = {"comedies": "comedy", "histories": "history", "tragedies": "tragedy", "roman": "tragedy"}
FOLIO |= dict.fromkeys(
    (
        "a-winter-s-tale",
        "all-s-well-that-ends-well",
        "measure-for-measure",
        "the-merchant-of-venice",
        "the-taming-of-the-shrew",
        "the-tempest",
    ),
    "comedy",
)
FOLIO |= {"cymbeline": "tragedy", "troilus-and-cressida": "tragedy"}
NOT_IN_FOLIO = ("edward-iii", "pericles")

# Two whole plays of each genre, which share no character with another play. The shipped bard-base has never seen the
# two comedies; the other four it has read in its pre-training, as text without a label.
HELD_OUT = (*shakespeare.HELD_OUT, "king-john", "henry-viii", "macbeth", "othello")


class Example(NamedTuple):
    text: str
    label: int  # index into Labelled.labels


@dataclass(frozen=True)
class Labelled:
    """Texts to learn from and texts held out. Every label occurs among the former."""

    name: str
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    val: tuple[Example, ...]
    problems: tuple[str, ...] = ()  # what was guessed, changed and left out, in words
    test: tuple[Example, ...] = ()  # to measure on at the end alone: no choice is made on them
    recognised: Recognised = field(default_factory=Recognised)
    plays: int = 0  # that the held-out texts are from, if they are speeches: those of one play are alike

    @property
    def digest(self) -> str:
        """sha256 over labels and texts in order: which data exactly a classifier has seen."""
        return hashlib.sha256(json.dumps([self.labels, self.train, self.val]).encode()).hexdigest()

    @property
    def cases(self) -> dict[str, float]:
        """How many independent cases the held-out texts are, as it is noted beside what was measured on them."""
        return {"n/plays": self.plays} if self.plays else {"n/texts": len(self.val)}

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each label, how many texts there are to learn from and how many are held out."""
        parts = [Counter(example.label for example in part) for part in (self.train, self.val)]
        return {label: (parts[0][index], parts[1][index]) for index, label in enumerate(self.labels)}


def load(
    name: str,
    val_share: float = 0.1,
    seed: int = 1337,
    skip_bad_lines: bool = False,
    columns: Columns = ANY,
    val_data: str = "",
    test_data: str = "",
) -> Labelled:
    """The genre task, which always holds out the same plays, or the file at the path `name`, with a share held out.

    val_data, test_data: files of their own to measure on, while it learns and when it has. Raises ValueError in words
    if one cannot be read, has a bad line (unless these are skipped) or a single class.
    """
    if name == GENRE:
        return genre()
    read = read_labelled(Path(name).expanduser(), columns, skip_bad_lines)
    labels = sorted({label for _, label in read.rows})
    if len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "none"
        raise ValueError(f"{read.name} must have at least two different labels to tell apart, it has {found}")
    if len(labels) > MOST_CLASSES:
        raise ValueError(
            f"{read.name} has {len(labels)} different labels; at most {MOST_CLASSES} can be told apart: "
            "check that label_column holds a class and not, for example, a number of its own for every text"
        )
    examples = [Example(text, labels.index(label)) for text, label in read.rows]
    problems = read.recognised.sentences
    if val_data:
        train = tuple(examples)
        val, left_out = held_out_file(val_data, columns, skip_bad_lines, labels, train)
        problems += left_out
    else:
        train, val = split(examples, val_share, seed)
    if not val:
        raise ValueError(f"{read.name} must have at least two texts of some label: one is held out to measure on")
    measured = {example.label for example in val}
    why = f"no text in {Path(val_data).name}" if val_data else "a single text, which is learned from"
    problems += [
        f"the label {label!r} has {why}: nothing is left to measure it on"
        for index, label in enumerate(labels)
        if index not in measured
    ]
    test: tuple[Example, ...] = ()
    if test_data:
        test, left_out = held_out_file(test_data, columns, skip_bad_lines, labels, (*train, *val))
        problems += left_out
    return Labelled(read.name, tuple(labels), train, val, tuple(problems), test, read.recognised)


def held_out_file(
    name: str, columns: Columns, skip_bad_lines: bool, labels: Sequence[str], known: Sequence[Example]
) -> tuple[tuple[Example, ...], list[str]]:
    """The texts of a file to measure on that are not among those `known`, and what was left out, in words.

    Raises ValueError for a label that is not learned.
    """
    read = read_labelled(Path(name).expanduser(), columns, skip_bad_lines)
    numbers = {normal(label): number for number, label in enumerate(labels)}
    if strange := sorted({label for _, label in read.rows if normal(label) not in numbers}):
        raise ValueError(f"{read.name} has the label {strange[0]!r}, which the texts to learn from do not have")
    before = {example.text for example in known}
    fresh = tuple(Example(text, numbers[normal(label)]) for text, label in read.rows if text not in before)
    left_out = [f"{read.name}, {sentence}" for sentence in read.recognised.sentences]
    if repeats := len(read.rows) - len(fresh):
        left_out.append(f"{read.name}: {repeats:,} texts are left out that stand in another file of this training")
    if not fresh:
        raise ValueError(f"{read.name} holds no text that is not learned from: give others to measure on")
    return fresh, left_out


def genre() -> Labelled:
    """Speeches of at least MIN_CHARACTERS with the genre of their play. The speaker's name is not part of the text.

    The plays held out are whole, see HELD_OUT: what a language model has read of them before, it has read unlabelled.
    """
    return split_by_play(HELD_OUT, genre_by_play())


def genre_by_play() -> dict[str, tuple[Example, ...]]:
    """For each play of the First Folio, its speeches as examples; a label is an index into GENRES."""
    by_play: dict[str, tuple[Example, ...]] = {}
    for play in shakespeare.plays():
        if play.name not in NOT_IN_FOLIO:
            label = GENRES.index(FOLIO.get(play.name) or FOLIO[play.genre])
            long_enough = (speech.text for speech in play.speeches if len(speech.text) >= MIN_CHARACTERS)
            by_play[play.name] = tuple(Example(text, label) for text in long_enough)
    return by_play


def split_by_play(held_out: Collection[str], by_play: Mapping[str, Sequence[Example]]) -> Labelled:
    """The speeches of the plays in `held_out` to measure on, those of all others to learn from."""
    train = (example for play, examples in by_play.items() if play not in held_out for example in examples)
    val = (example for play, examples in by_play.items() if play in held_out for example in examples)
    return Labelled(GENRE, GENRES, tuple(train), tuple(val), plays=len(held_out))


def split(examples: Sequence[Example], val_share: float, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Hold out `val_share` of the texts of each label: at least one, but never the last. The same for the same seed."""
    random = np.random.default_rng(seed)
    held_out: set[int] = set()
    for label in sorted({example.label for example in examples}):
        own = [index for index, example in enumerate(examples) if example.label == label]
        count = min(max(1, round(val_share * len(own))), len(own) - 1)
        held_out |= set(random.permutation(own)[:count].tolist())
    train = tuple(example for index, example in enumerate(examples) if index not in held_out)
    return train, tuple(examples[index] for index in sorted(held_out))


# --- tokens ---------------------------------------------------------------------------------------------------


class Encoded:
    """Examples as tokens, each with at most `max_tokens`, of which it keeps the first ones. `n_cut` were longer."""

    def __init__(self, examples: Sequence[Example], tokenizer: Tokenizer, max_tokens: int):
        whole = [tokenizer.encode(example.text) for example in examples]
        self.n_cut = sum(len(ids) > max_tokens for ids in whole)
        self.ids = [ids[:max_tokens] for ids in whole]
        self.labels, self.eot = [example.label for example in examples], tokenizer.eot
        self.lengths = [len(ids) for ids in self.ids]

    def batch(self, indices: Sequence[int]) -> Batch:
        """These examples, filled up with <|endoftext|> behind their end; the class is the target at the last token."""
        shape = (len(indices), max(self.lengths[index] for index in indices))
        inputs, targets = torch.full(shape, self.eot), torch.full(shape, IGNORE_INDEX)
        for row, index in enumerate(indices):
            inputs[row, : self.lengths[index]] = torch.tensor(self.ids[index])
            targets[row, self.lengths[index] - 1] = self.labels[index]
        return Batch(inputs, targets)

    def all(self, batch_size: int) -> list[Batch]:
        """Every example once, like lengths together: to measure on."""
        return [self.batch(some) for some in by_length(self.lengths, batch_size)]


class TextBatches:
    """Training batches as a pure function of the step; texts of like length come together."""

    def __init__(self, encoded: Encoded, batch_size: int, seed: int):
        self.encoded, self.buckets = encoded, Buckets(encoded.lengths, batch_size, seed)

    def __call__(self, step: int) -> Batch:
        return self.encoded.batch(self.buckets(step))


class Shown(NamedTuple):
    """An example as the model meets it; its class is read at the last of the tokens."""

    ids: list[int]
    label: str
    n_cut: int  # tokens left out at its end


@dataclass(frozen=True)
class Preview:
    """What there is to learn from, before anything is trained."""

    counts: dict[str, tuple[int, int]]  # label -> texts to learn from, texts held out
    n_too_long: int  # texts whose end is cut off
    mean_length: float  # tokens, of the texts to learn from
    examples: tuple[Shown, ...]


def preview(labelled: Labelled, tokenizer: Tokenizer, max_tokens: int, n_examples: int = 3) -> Preview:
    """Counts, lengths and the first held-out text of each of the first `n_examples` labels."""
    train, val = (Encoded(part, tokenizer, max_tokens) for part in (labelled.train, labelled.val))
    shown = []
    for example in one_of_each(labelled.val)[:n_examples]:
        ids = tokenizer.encode(example.text)
        shown.append(Shown(ids[:max_tokens], labelled.labels[example.label], max(0, len(ids) - max_tokens)))
    mean = sum(train.lengths) / len(train.lengths)
    return Preview(labelled.counts(), train.n_cut + val.n_cut, mean, tuple(shown))


def one_of_each(examples: Sequence[Example]) -> list[Example]:
    """The first example of every label, in the labels' order."""
    first: dict[int, Example] = {}
    for example in examples:
        first.setdefault(example.label, example)
    return [first[label] for label in sorted(first)]
