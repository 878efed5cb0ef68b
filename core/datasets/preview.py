"""What a model will see of its data, before it is trained: a few examples as tokens, with those that count."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.datasets.conversations import Example
from core.datasets.recognised import Recognised
from core.tokenizer import Tokenizer

SHOWN = 3  # examples
SHOWN_TOKENS = 160  # of each


@dataclass(frozen=True)
class ShownExample:
    """One example, its beginning if it is long."""

    ids: list[int]
    hexes: list[str]  # the bytes of each token
    special: list[bool]
    mask: list[bool]  # does the token count in the loss?
    cut: int  # tokens left out at its end
    title: str = ""
    read: str = ""  # what is read at the tokens that count, where they are not to be said: a class, a score

    @property
    def whole(self) -> str:
        """The text of the tokens that are shown."""
        return bytes.fromhex("".join(self.hexes)).decode("utf-8", "replace")

    @property
    def marked(self) -> str:
        """The tokens in a line, those that count in brackets."""
        said = (bytes.fromhex(part).decode("utf-8", "replace") for part in self.hexes)
        marked = (f"[{text}]" if counts else f"{text}|" for text, counts in zip(said, self.mask, strict=True))
        return "".join(marked) + (f" ... and {self.cut:,} tokens more" if self.cut > 0 else "")


@dataclass(frozen=True)
class Preview:
    """A few examples, and what is known of all of them."""

    facts: Sequence[tuple[str, int | str]]  # (what, how many)
    examples: Sequence[ShownExample]
    note: str  # one sentence: what counts
    problems: Sequence[str] = ()  # lines that cannot be used
    text: str = ""  # of data that has no tokens yet
    mean_length: float = 0.0  # tokens of a sequence; 0 = each is as long as the context
    longest: int = 0  # tokens; 0 = up to the context


def read_facts(recognised: Recognised) -> list[tuple[str, str]]:
    """How a file was read; nothing of what is no file."""
    if not recognised.records:
        return []
    used = recognised.records - len({one.line for one in recognised.left_out if not one.in_part})
    return [("layout", recognised.layout), ("records read", f"{used:,} of {recognised.records:,}")]


def show_example(
    tokenizer: Tokenizer, example: Example, title: str = "", at_most: int = SHOWN_TOKENS, cut: int = 0
) -> ShownExample:
    """The first `at_most` tokens; `cut`: how many have been left out before."""
    ids, special = example.ids[:at_most], set(tokenizer.special_tokens.values())
    return ShownExample(
        ids,
        [tokenizer.token_bytes(id).hex() for id in ids],
        [id in special for id in ids],
        example.mask[: len(ids)],
        len(example.ids) - len(ids) + cut,
        title,
    )


def show_read_at_end(tokenizer: Tokenizer, ids: list[int], what: str, title: str, cut: int = 0) -> ShownExample:
    """An example of which `what` is read at its last token, the only one that counts."""
    last = [False] * (len(ids) - 1) + [True]
    shown = show_example(tokenizer, Example(ids, last), title, at_most=len(ids), cut=cut)
    return ShownExample(**vars(shown) | {"read": what})
