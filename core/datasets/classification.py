"""Labelled texts: speeches of Shakespeare's plays with their genre, or any CSV with the columns text and label.

Texts are read from their first token to their last, and classified there. Of a text that is longer than the context the
end is cut off.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from core.config import describe_os_error
from core.datasets import shakespeare
from core.datasets.batch import Batch
from core.datasets.length_buckets import Buckets
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import Tokenizer

GENRE = "genre"  # the name of the built-in task
GENRES = ("comedy", "history", "tragedy")
MIN_CHARACTERS = 100  # of a speech: "Ay, my lord" is said in every genre
MOST_CLASSES = 100
LONGEST_FIELD = 10_000_000  # characters; the csv module alone would stop at 131,072

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
    problems: tuple[str, ...] = ()  # what was left out and why, in words

    @property
    def digest(self) -> str:
        """sha256 over labels and texts in order: which data exactly a classifier has seen."""
        return hashlib.sha256(json.dumps([self.labels, self.train, self.val]).encode()).hexdigest()

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each label, how many texts there are to learn from and how many are held out."""
        parts = [Counter(example.label for example in part) for part in (self.train, self.val)]
        return {label: (parts[0][index], parts[1][index]) for index, label in enumerate(self.labels)}


def load(name: str, val_share: float = 0.1, seed: int = 1337, skip_bad_lines: bool = False) -> Labelled:
    """The genre task, which always holds out the same plays, or the CSV at the path `name`, with a share held out.

    Raises ValueError in words if it cannot be read, has a bad line (unless these are skipped) or a single class.
    """
    if name == GENRE:
        return genre()
    path = Path(name).expanduser()
    rows, problems = read_csv(path, skip_bad_lines)
    labels = sorted({label for _, label in rows})
    if len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "none"
        raise ValueError(f"{path} must have at least two different labels to tell apart, it has {found}")
    if len(labels) > MOST_CLASSES:
        raise ValueError(
            f"{path} has {len(labels)} different labels; at most {MOST_CLASSES} can be told apart: "
            "check that the column label holds a class and not, for example, a number of its own for every text"
        )
    train, val = split([Example(text, labels.index(label)) for text, label in rows], val_share, seed)
    if not val:
        raise ValueError(f"{path} must have at least two texts of some label: one is held out to measure on")
    measured = {example.label for example in val}
    problems += [
        f"the label {label!r} has a single text, which is learned from: nothing is left to measure it on"
        for index, label in enumerate(labels)
        if index not in measured
    ]
    return Labelled(path.name, tuple(labels), train, val, tuple(problems))


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
    return Labelled(GENRE, GENRES, tuple(train), tuple(val))


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


# --- CSV ------------------------------------------------------------------------------------------------------


def read_csv(path: Path, skip_bad_lines: bool) -> tuple[list[tuple[str, str]], list[str]]:
    """(text, label) of every line that is good, and what was left out. Raises ValueError as `load` says."""
    rows: list[tuple[str, str]] = []
    bad: list[str] = []
    first_seen: dict[str, tuple[str, int]] = {}
    repeats = 0
    for line, row, problem in parse(path):
        if row and not problem and row[0] in first_seen:
            label, before = first_seen[row[0]]
            repeats += label == row[1]  # left out, so that no text is both learned from and measured on
            if label != row[1]:
                problem = f"the text of line {before} stands there again with another label, {row[1]!r}"
        elif row and not problem:
            first_seen[row[0]] = (row[1], line)
            rows.append(row)
        if problem:
            bad.append(f"line {line}: {problem}")
    if bad and not skip_bad_lines:
        others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise ValueError(f"{path}, {bad[0]}{others}: correct it, or turn on skip_bad_lines")
    left_out = [f"{sentence}; skipped" for sentence in bad]
    if repeats:
        left_out.append(f"texts that occur again with the same label: {repeats}; each counts once")
    return rows, left_out


def parse(path: Path) -> Iterator[tuple[int, tuple[str, str] | None, str]]:
    """(number of its first line, (text, label), problem) of every row; the problem is empty where all is well."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    if missing := [name for name in ("text", "label") if header.count(name) != 1]:
        raise ValueError(
            f"the first line of {path} must name the columns, text and label, with a comma between them; "
            f"it has no single {' and no single '.join(missing)}"
        )
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, None, f"it cannot be read as CSV ({error})"
            continue
        if not row:
            continue  # an empty line
        if len(row) != len(header):
            yield line, None, f"it has {len(row)} columns instead of {len(header)} (put a text with commas in quotes)"
            continue
        text, label = (row[header.index(name)].strip() for name in ("text", "label"))
        yield line, (text, label), "" if text and label else f"the {'label' if text else 'text'} is empty"


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"labelled texts {describe_os_error(error)}; the built-in ones are called {GENRE}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start:,} cannot be read): save it as CSV in UTF-8 first"
        ) from error


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
        order = np.argsort(self.lengths, kind="stable").tolist()
        return [self.batch(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]


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
