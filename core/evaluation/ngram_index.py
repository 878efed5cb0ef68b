"""An index of a text's n-grams on disk: where in it N tokens in a row stand, found by hash and compared with the text.

    tokens.bin    the text as ids, SEPARATOR (the largest number) between passages (core/datasets/passages.py)
    places.bin    of every n-gram within a passage, where it begins in tokens.bin; sorted by hash
    buckets.bin   of each range of hashes, where its places end in places.bin
    pieces.bin    where the pieces of the text begin: in tokens.bin, in which document, in which line
    meta.json     what text and vocabulary it is of

It is read through the file cache, and made in parts, each of which fits into memory: a text of 100 MB takes as much
memory as one of 20 MB. Hashes only say where to look: what is found has been compared token by token.
"""

import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.atomic_files import atomic_directory, write_json
from core.bounded_files import read_json
from core.datasets.passages import passages, pieces
from core.tokenizer import Tokenizer

N = 8  # tokens in a row from which on a text counts as copied
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd
CHUNK = 1 << 20  # tokens that are hashed at once
AT_ONCE = 1 << 22  # places that are sorted at once
MOST_PLACES = 256  # of one n-gram in a chunk, and in an answer: in a text that says the same line for ever
ENCODED = 0.7  # of the time that making it takes

Progress = Callable[[float], None]  # a share of the whole; may raise to stop
Ids = NDArray[Any]


@dataclass(frozen=True)
class Meta:
    """What an index is of."""

    corpus: str
    vocabulary_sha256: str
    n: int
    documents: int
    titles: list[str]  # of the documents, where they have any
    tokens: int  # without separators
    n_grams: int


def hashes(tokens: Ids) -> NDArray[np.uint64]:
    """Of each n-gram: (T,) ids to (T - N + 1,). Equal n-grams have equal hashes."""
    found = np.zeros(max(0, len(tokens) - N + 1), np.uint64)
    for k in range(N if len(found) else 0):
        found = found * MULTIPLIER + tokens[k : k + len(found)].astype(np.uint64) + np.uint64(1)
    found ^= found >> np.uint64(32)  # the last token is to move the highest bits too, by which they are sorted
    return found * MULTIPLIER


def width_of(vocab_size: int) -> np.dtype[Any]:
    """The type of ids on disk; its largest number is no id."""
    return np.dtype("<u2") if vocab_size < 2**16 else np.dtype("<u4")


def array_in(path: Path, dtype: np.dtype[Any] | str) -> Ids:
    """A file as an array that is not read until it is used."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, mode="r"))


# --- making it ------------------------------------------------------------------------------------------------


def build(
    directory: Path,
    corpus: str,
    documents: Sequence[str],
    tokenizer: Tokenizer,
    titles: Sequence[str] = (),
    progress: Progress = lambda share: None,
) -> None:
    """Make the index of `documents` in `directory`, whole or not at all."""
    with atomic_directory(directory) as temporary:
        with (temporary / "tokens.bin").open("wb") as file:
            n_tokens, table = write_tokens(file, documents, tokenizer, progress)
        (temporary / "pieces.bin").write_bytes(np.frombuffer(table, np.uint32).astype("<u4").tobytes())
        tokens = array_in(temporary / "tokens.bin", width_of(tokenizer.vocab_size))
        n_grams = write_places(temporary, tokens, progress)
        meta = Meta(corpus, tokenizer.digest, N, len(documents), list(titles), n_tokens, n_grams)
        write_json(temporary / "meta.json", asdict(meta))


def write_tokens(
    file: BinaryIO, documents: Sequence[str], tokenizer: Tokenizer, progress: Progress
) -> tuple[int, "array[int]"]:
    """Write the ids; returns how many there are without separators, and (token, document, line) of each piece."""
    dtype = width_of(tokenizer.vocab_size)
    separator = np.array([np.iinfo(dtype).max], dtype).tobytes()
    size, done, n_tokens, place = max(1, sum(map(len, documents))), 0, 0, 1
    table = array("I")
    file.write(separator)
    for number, document in enumerate(documents):
        line, counted = 1, 0
        for passage in passages(document):
            for start, end in pieces(document, *passage):
                line, counted = line + document.count("\n", counted, start), start
                table.extend((place, number, line))
                ids = np.array(tokenizer.encode(document[start:end]), dtype)
                file.write(ids.tobytes())
                n_tokens, place = n_tokens + len(ids), place + len(ids)
                progress(ENCODED * (done + end) / size)
            file.write(separator)
            place += 1
        done += len(document)
    if place >= 2**32:
        raise ValueError(f"the text has {n_tokens:,} tokens, more than the 4 billion that an index can tell apart")
    return n_tokens, table


def write_places(directory: Path, tokens: Ids, progress: Progress) -> int:
    """Write places and buckets; returns how many places there are.

    Part by part, by the highest bits of the hashes: every part goes through the whole text, and keeps its own.
    """
    bits = max(1, len(tokens).bit_length() - 1)
    parts = 1 << min(bits, max(0, (len(tokens) - 1) // AT_ONCE).bit_length())
    per_part = (1 << bits) // parts
    chunks = range(0, max(0, len(tokens) - N + 1), CHUNK)
    total = 0
    with (directory / "places.bin").open("wb") as places_file, (directory / "buckets.bin").open("wb") as buckets_file:
        buckets_file.write(np.zeros(1, "<u4").tobytes())
        for part in range(parts):
            all_keys, all_places = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
            for i, first in enumerate(chunks):
                window = tokens[first : first + CHUNK + N - 1]
                keys, places = chunk_places(window, first, bits, part, per_part)
                all_keys.append(keys)
                all_places.append(places)
                progress(ENCODED + (1 - ENCODED) * (part + (i + 1) / len(chunks)) / parts)
            keys, places = np.concatenate(all_keys), np.concatenate(all_places)
            order = np.argsort(keys, kind="stable")
            places_file.write(places[order].astype("<u4").tobytes())
            buckets = (keys >> np.uint64(64 - bits)).astype(np.int64) - part * per_part
            counts = np.bincount(buckets, minlength=per_part)
            buckets_file.write((total + np.cumsum(counts)).astype("<u4").tobytes())
            total += len(places)
    return total


def chunk_places(
    window: Ids, first: int, bits: int, part: int, per_part: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """(hashes, places) of the n-grams of a chunk that belong to a part: those without a separator in them."""
    keys = hashes(window)
    separators = np.concatenate(([0], np.cumsum(window == np.iinfo(window.dtype).max)))
    is_whole = separators[N:] == separators[: len(keys)]
    chosen = np.flatnonzero(is_whole & (keys >> np.uint64(64 - bits) >> np.uint64(per_part.bit_length() - 1) == part))
    order = chosen[np.argsort(keys[chosen], kind="stable")]
    keys = keys[order]
    rank = np.arange(len(keys)) - np.searchsorted(keys, keys)
    kept = rank < MOST_PLACES
    return keys[kept], (order[kept] + first).astype(np.uint32)


# --- using it -------------------------------------------------------------------------------------------------


class NGramIndex:
    """The index in `directory`. Raises ValueError if there is none, or it is of another vocabulary."""

    def __init__(self, directory: Path, tokenizer: Tokenizer):
        try:
            self.meta = Meta(**read_json(directory / "meta.json"))
            dtype = width_of(tokenizer.vocab_size)
            self.tokens = array_in(directory / "tokens.bin", dtype)
            self.places_by_hash, self.bucket_ends = (
                array_in(directory / f"{n}.bin", "<u4") for n in ("places", "buckets")
            )
            self.pieces = array_in(directory / "pieces.bin", "<u4").reshape(-1, 3)
        except (OSError, TypeError, ValueError) as error:
            raise ValueError(
                f"{directory} holds no index of a text ({error}): delete it, so that it is made anew"
            ) from error
        if (self.meta.vocabulary_sha256, self.meta.n) != (tokenizer.digest, N):
            raise ValueError(
                f"the index in {directory} was made with another vocabulary: delete it, so that it is made anew"
            )
        self.tokenizer = tokenizer
        self.shift = np.uint64(64 - (len(self.bucket_ends) - 1).bit_length() + 1)
        os.utime(directory / "meta.json")  # the index that was used last is kept longest

    def buckets(self, ids: Ids) -> list[tuple[int, int]]:
        """Of each n-gram of `ids`, (T,), where in places.bin those with such a hash are: T - N + 1 stretches."""
        buckets = (hashes(ids) >> self.shift).astype(np.int64)
        return list(zip(self.bucket_ends[buckets].tolist(), self.bucket_ends[buckets + 1].tolist(), strict=True))

    def places(self, n_gram: Ids, bucket: tuple[int, int]) -> NDArray[np.int64]:
        """The places in the text where an n-gram really stands, at most MOST_PLACES."""
        found = self.places_by_hash[slice(*bucket)].astype(np.int64)
        for k in range(N):
            if not len(found):
                break
            found = found[self.tokens[found + k] == n_gram[k]]
        return found[:MOST_PLACES]

    def locate(self, place: int) -> tuple[int, int]:
        """(document, line) of a token, counted from 0 and from 1."""
        piece = int(np.searchsorted(self.pieces[:, 0], place, side="right")) - 1
        first, document, line = map(int, self.pieces[piece])
        return document, line + self.tokenizer.decode_bytes(self.tokens[first:place].tolist()).count(b"\n")
