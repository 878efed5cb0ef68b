"""Passages of a text: what stands between the names of its speakers, in pieces that are encoded one by one.

HAMLET:                  a name: no part of any passage
To be, or not to be      a passage
"""

import re
from collections.abc import Iterator

# A short line that holds a name and a colon, at the beginning or after an empty line: the layout of plays.
SPEAKER = re.compile(r"(?:\A\n*|(?<=\n\n))[^\W\d_][\w .,'\u2019&-]{0,58}:(?=\n|\Z)")
# No token reaches from what is not white space over a single blank or line break behind it: see SPLIT_PATTERN in
# core/tokenizer.py. So a text that is cut there has the same tokens, piece by piece.
BREAK = re.compile(r"(?<=\S)(?=[ \n]\S)")
PIECE = 8192  # characters

Stretch = tuple[int, int]  # where it begins and ends, in characters


def passages(text: str) -> Iterator[Stretch]:
    """The passages of `text` that are not empty, without the line breaks around them."""
    end = 0
    for name in SPEAKER.finditer(text):
        yield from trimmed(text, end, name.start())
        end = name.end()
    yield from trimmed(text, end, len(text))


def trimmed(text: str, start: int, end: int) -> Iterator[Stretch]:
    while start < end and text[start] == "\n":
        start += 1
    while start < end and text[end - 1] == "\n":
        end -= 1
    if start < end:
        yield start, end


def pieces(text: str, start: int, end: int) -> Iterator[Stretch]:
    """A stretch of `text` cut where tokens end, so that a long one need not be encoded at once.

    Where there is no such place for as long as a piece, as in a text without blanks, it is cut all the same.
    """
    while end - start > 2 * PIECE:
        found = BREAK.search(text, start + PIECE, start + 2 * PIECE)
        cut = found.start() if found else start + 2 * PIECE
        yield start, cut
        start = cut
    yield start, end
