"""What a model writes, in the pieces that are sent: text that no stop sequence can take back, with its tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.generate import TextStep


@dataclass(frozen=True)
class Piece:
    """Some text of one answer, and its tokens; the last one of an answer says why it ended."""

    text: str
    steps: tuple[TextStep, ...] = ()
    end: str = ""  # "stop" or "length"
    written: int = 0  # at the end: tokens drawn, those of a stop sequence included


def pieces(steps: Iterator[TextStep], stops: Sequence[str], most: int) -> Iterator[Piece]:
    """The text of `steps`, of which there are `most` at most, up to the first of the `stops`.

    Tokens whose text is held back, as a stop sequence may begin there, come with it; those that reach into a stop
    sequence do not come.
    """
    held, pending, written = "", list[TextStep](), 0
    for step in steps:
        written += 1
        held += step.text
        pending.append(step)
        found = [at for stop in stops if (at := held.find(stop)) >= 0]
        if found:
            yield Piece(held[: min(found)], (), "stop", written)
            return
        if not begins_stop(held, stops):
            yield Piece(held, tuple(pending))
            held, pending = "", []
    yield Piece(held, tuple(pending), "length" if written == most else "stop", written)


def begins_stop(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of a stop sequence."""
    lengths = (
        length for stop in stops for length in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:length])
    )
    return max(lengths, default=0)
