"""What a vocabulary does to words, to numbers, and to the length of a text."""

import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.tokenizer import Tokenizer


def spelling(tokenizer: Tokenizer, text: str) -> list[bytes]:
    """The tokens of a text, each as its bytes."""
    return [tokenizer.token_bytes(id) for id in tokenizer.encode(text)]


def number_cuts(tokenizer: Tokenizer, numbers: Iterable[int]) -> Counter[tuple[int, ...]]:
    """How often numbers are cut in which way: (1, 3) is one digit, then three."""
    return Counter(tuple(map(len, spelling(tokenizer, str(number)))) for number in numbers)


def bytes_per_token(tokenizer: Tokenizer, text: str) -> float:
    return len(text.encode()) / len(tokenizer.encode(text))


def first_merges(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The vocabulary as it was when its training had made `size` tokens: merges are learned one after the other."""
    return Tokenizer(dict(list(tokenizer.ranks.items())[:size]))


def python_code(most: int) -> str:
    """The first `most` characters of Python's own library: a text that is no play, and is on every machine."""
    parts, size = [], 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        parts.append(path.read_text(encoding="utf-8", errors="replace"))
        size += len(parts[-1])
        if size >= most:
            break
    if size < most:
        raise ValueError("Python's library is not there as source files: install one that brings them")
    return "".join(parts)[:most]


def beginnings(documents: Sequence[str], most: int) -> str:
    """The beginnings of the documents, equally long, together about `most` characters."""
    return "\n".join(document[: most // len(documents)] for document in documents)
