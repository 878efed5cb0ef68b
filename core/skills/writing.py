"""Skills of writing: words, spelling, line breaks and speakers' names, counted in texts that a model has written.

Against what they are held is read from the text that it learns from (`Text`), so that any text has them.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.generate import Sampling, batch
from core.model import GPT
from core.packed_model import PackedGPT
from core.skills.skill import Seen, Skill, share
from core.tokenizer import Tokenizer

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
SHORTEST_WORD = 3  # letters
MOST_CHARACTERS = 20_000_000  # of a text that are read for its words and lines
HEADING_LENGTH, HEADING_TIMES, FEWEST_HEADINGS = 40, 3, 3  # characters, how often a speaker speaks, how many speak
LONGEST_LINE, FEWEST_LINES = 120, 20  # characters, beyond which a sample hardly ends a line; lines
USUAL = (5, 95)  # percentiles of the lengths of lines
TEXTS, TOKENS, PROMPT_TOKENS = 16, 64, 16  # that are written at an evaluation, and read before each
PROMPT_CHARACTERS = 200


@dataclass(frozen=True)
class Text:
    """What the text is like that a model learns from, as far as its writing is held against it."""

    words: frozenset[str]  # of three letters or more, in small letters
    whole: frozenset[str]  # those that its vocabulary holds as one token, which need no spelling
    headings: frozenset[str]  # lines that end in a colon and come again: the names of speakers
    usual: tuple[int, int] | None  # characters of a line, shortest and longest of nine in ten; None: it has hardly any

    @classmethod
    def read(cls, documents: Iterable[str], tokenizer: Tokenizer) -> "Text":
        """Of all `documents`, or of their first MOST_CHARACTERS."""
        lines: Counter[str] = Counter()
        room = MOST_CHARACTERS
        for document in documents:
            lines.update(document[:room].split("\n"))
            room -= min(room, len(document))
        del lines[""]
        headings = frozenset(
            line for line, n in lines.items() if n >= HEADING_TIMES and line[-1] == ":" and len(line) <= HEADING_LENGTH
        )
        tokens = (tokenizer.decode([id]).strip().lower() for id in range(tokenizer.vocab_size))
        return cls(
            words=frozenset(words_of("\n".join(lines))),
            whole=frozenset(token for token in tokens if len(token) >= SHORTEST_WORD),
            headings=headings if len(headings) >= FEWEST_HEADINGS else frozenset(),
            usual=usual_length(lines),
        )


def words_of(text: str) -> list[str]:
    return [word for word in WORD.findall(text.lower()) if len(word) >= SHORTEST_WORD]


def usual_length(lines: Counter[str]) -> tuple[int, int] | None:
    if sum(lines.values()) < FEWEST_LINES:
        return None
    low, high = np.percentile(np.repeat([*map(len, lines)], [*lines.values()]), USUAL)
    return (int(low), int(high)) if high <= LONGEST_LINE else None


# --- what is counted ------------------------------------------------------------------------------------------

Count = Callable[[str, Text], tuple[list[str], int]]  # (a text, what it is held against) -> hits, and of how many


def spelled_words(written: str, text: Text) -> tuple[list[str], int]:
    """Words that the model has put together from several tokens: those that are real. The last one may be cut off."""
    made = [word for word in words_of(written.rpartition(" ")[0]) if word not in text.whole]
    return [word for word in made if word in text.words], len(made)


def usual_lines(written: str, text: Text) -> tuple[list[str], int]:
    """Lines as long as nine in ten of the text's. The last one counts if it is too long already."""
    assert text.usual is not None
    low, high = text.usual
    *lines, last = written.split("\n")
    whole = [line for line in lines if line] + ([last] if len(last) > high else [])
    return [line for line in whole if low <= len(line) <= high], len(whole)


def speakers(written: str, text: Text) -> tuple[list[str], int]:
    """Lines that end in a colon: those that are a speaker's name."""
    named = [line for line in written.split("\n")[:-1] if line.endswith(":")]
    return [line for line in named if line in text.headings], len(named)


@dataclass(frozen=True)
class WritingSkill(Skill):
    measure: Count
    needs: Callable[[Text], bool]
    without: str  # what a text has that cannot teach it
    examples: int = 4  # of what was counted, that are shown


NO_WORDS = "no words that its vocabulary does not hold whole"
WRITING_SKILLS = {
    skill.name: skill
    for skill in (
        WritingSkill(
            "words",
            "first real words",
            "Real words appear among those that it puts together from several tokens.",
            "words of several tokens are real",
            0.2,
            0.2,
            spelled_words,
            lambda text: bool(text.words - text.whole),
            NO_WORDS,
        ),
        WritingSkill(
            "spelling",
            "spelling",
            "Most words that it puts together from several tokens are real.",
            "words of several tokens are real",
            0.6,
            0.6,
            spelled_words,
            lambda text: bool(text.words - text.whole),
            NO_WORDS,
        ),
        WritingSkill(
            "lines",
            "line breaks",
            "It ends its lines where its text would: they are as long as nine in ten lines there.",
            "lines are of the usual length",
            0.7,
            0.7,
            usual_lines,
            lambda text: text.usual is not None,
            f"hardly any lines, or such of more than {LONGEST_LINE} characters",
            examples=0,
        ),
        WritingSkill(
            "speakers",
            "speakers' names",
            "It knows who speaks: lines that end in a colon name a speaker of its text.",
            "lines that end in a colon are a speaker's name",
            0.2,
            0.2,
            speakers,
            lambda text: bool(text.headings),
            "no lines with the names of speakers",
        ),
    )
}


def count_writing(step: int, texts: Sequence[str], text: Text) -> dict[str, Seen]:
    """What `texts` show of each skill that the text can teach."""
    found = {}
    for name, skill in WRITING_SKILLS.items():
        if skill.needs(text):
            counted = [skill.measure(written, text) for written in texts]
            hits = dict.fromkeys(itertools.chain.from_iterable(hit for hit, _ in counted))
            example = ", ".join(sorted(hits, key=len, reverse=True)[: skill.examples])
            found[name] = share(step, [len(hit) for hit, _ in counted], [of for _, of in counted], example)
    return found


# --- what is written ------------------------------------------------------------------------------------------


def places(documents: Sequence[str], count: int = TEXTS) -> list[str]:
    """What stands before `count` places, spread over the documents, at which a paragraph, or a line, begins."""
    text = "".join(documents)
    for mark in ("\n\n", "\n", " "):
        ends = [match.end() for match in re.finditer(re.escape(mark), text)]
        if len(ends) >= count:
            break
    ends = ends or [len(text)]
    spread = [ends[i * len(ends) // count] for i in range(min(count, len(ends)))]
    return [text[max(0, end - PROMPT_CHARACTERS) : end] for end in spread]


def write_texts(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str]) -> list[str]:
    """How the model goes on, drawn as the chat draws, with the same seeds each time."""
    most = min(PROMPT_TOKENS, model.config.block_size // 2)
    ids = [tokenizer.encode(prompt)[-most:] or [tokenizer.eot] for prompt in prompts]
    sampling = Sampling(max_new_tokens=min(TOKENS, model.config.block_size - most))
    writer = PackedGPT(model) if model.device.type == "cpu" else model
    return [tokenizer.decode(written) for written in batch(writer, ids, sampling, {tokenizer.eot})]
