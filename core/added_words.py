"""Added words: what a vocabulary from elsewhere holds whole beside its merges, cut out of a text before they see it.

People add words of their trade to GPT-2's vocabulary, and Hugging Face finds these first. What it finds is found here:
of several the leftmost, of these the longest; with the blanks around it that the word takes along; and words that are
not to be normalised before those that are, although a vocabulary that is read here normalises nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import regex

Part = tuple[str, int | None]  # a stretch of a text, and its id if it is an added word

LETTER = regex.compile(r"\w")
BLANKS_BEFORE, BLANKS_AFTER = regex.compile(r"(?r)\s*"), regex.compile(r"\s*")  # the first is matched from its end


@dataclass(frozen=True)
class AddedWord:
    """A word and how it is found, in the terms of Hugging Face's `tokenizers.AddedToken`."""

    content: str
    normalized: bool = True  # looked for in what those that are not have left
    single_word: bool = False  # only where no letter or digit is next to it
    lstrip: bool = False  # takes the blanks before it along
    rstrip: bool = False  # takes the blanks behind it along

    @classmethod
    def from_json(cls, token: Mapping[str, Any]) -> "AddedWord":
        """An entry of `added_tokens` in a `tokenizer.json`. Raises KeyError if it has no content."""
        flags = {name: bool(token[name]) for name in ("normalized", "single_word", "lstrip", "rstrip") if name in token}
        return cls(token["content"], **flags)


class AddedWords:
    """The added words of a vocabulary with their ids."""

    def __init__(self, ids: Mapping[AddedWord, int]):
        if any(not word.content for word in ids):
            raise ValueError("an added word is empty")
        self.ids = dict(ids)
        self.by_content = {word.content: word for word in ids}
        self.patterns = [pattern_of(word for word in ids if word.normalized is late) for late in (False, True)]

    def to_json(self) -> list[dict[str, Any]]:
        """The words as `added_tokens` of a `tokenizer.json`."""
        return [{"id": id, **asdict(word), "special": False} for word, id in self.ids.items()]

    def cut(self, text: str) -> Iterator[Part]:
        """The parts of `text` in order: added words with their ids, what is between them with None."""
        parts: list[Part] = [(text, None)]
        for pattern in filter(None, self.patterns):
            parts = [
                part for text, id in parts for part in ([(text, id)] if id is not None else self.find(text, pattern))
            ]
        yield from parts

    def find(self, text: str, pattern: regex.Pattern[str]) -> Iterator[Part]:
        end = 0
        for match in pattern.finditer(text):
            word, (start, stop) = self.by_content[match.group()], match.span()
            if word.single_word and (LETTER.match(text[start - 1 : start]) or LETTER.match(text, stop)):
                continue
            if word.lstrip and (blanks := BLANKS_BEFORE.match(text, end, start)):
                start = blanks.start()
            if word.rstrip and (blanks := BLANKS_AFTER.match(text, stop)):
                stop = blanks.end()
            if end < start:
                yield text[end:start], None
            yield text[start:stop], self.ids[word]
            end = stop
        if end < len(text):
            yield text[end:], None


def pattern_of(words: Iterator[AddedWord]) -> regex.Pattern[str] | None:
    """Finds the leftmost of the words, of several there the longest; None if there are none."""
    longest_first = sorted((word.content for word in words), key=len, reverse=True)
    return regex.compile("|".join(map(regex.escape, longest_first))) if longest_first else None
