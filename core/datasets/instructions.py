"""Dialogues from the plays with instructions that can be checked by rule, so that obedience can be measured.

    user        Who's there?                          the cue: what was said before, its end if it is long
                Answer as "HAMLET", in one line.      instructions, each of which the real reply happens to fulfil
    assistant   HAMLET:                               the real reply
                Nay, answer me. Stand and unfold yourself.

Nothing is made up: from what the next speaker really says come the instructions that it follows, and some of them are
asked for. A model that learned such dialogues answers in character, and does what it is told where that can be seen.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from core.datasets.shakespeare import HELD_OUT, Play, Speech

LONGEST_CUE, LONGEST_REPLY, MOST_LINES = 160, 200, 4  # characters, characters, lines: small models read and say little
LENGTHS = ("one line", "two lines", "three lines", "four lines")
BEGINNINGS = tuple(
    "O Ay No Why What My Good Come Sir But And I How Well Now The You If For Nay He Then Here Peace".split()  # noqa: SIM905
)
WORDS = tuple(
    "love death king heart night blood sword crown father mother sister brother daughter wife husband friend devil "  # noqa: SIM905
    "heaven hell honour money gold ring letter grave tears eyes hand war peace fool villain queen prince lady England "
    "Rome Caesar gods God soul sleep dream moon sun day morning sea wine house door fear shame truth grief joy".split()
)
NAME = re.compile(r"[A-Z][A-Z ']+")  # of one character, as most plays print it
PLAIN, TWICE = 0.1, 0.3  # shares of the dialogues without an instruction, and with two
MADE_UP = 0.5  # share of the names that no character has
# The rarer a kind is among what replies fulfil, the more often it is asked for where it is fulfilled.
WEIGHTS = {"speaker": 4, "lines": 4, "mention": 8, "question": 5, "exclamation": 8, "begin": 4}


@dataclass(frozen=True)
class Instruction:
    """One thing asked of a reply: a kind, and what exactly of that kind."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        return KINDS[self.kind].phrase.format(self.value)

    def is_followed(self, reply: str) -> bool:
        return KINDS[self.kind].check(reply, self.value)


@dataclass(frozen=True)
class Kind:
    phrase: str  # how it is asked for
    check: Callable[[str, str], bool]  # (reply, value): does the reply obey?


def strip_speaker(reply: str) -> str:
    """The reply without a `SPEAKER:` above it."""
    first, _, rest = reply.partition("\n")
    return rest if first.endswith(":") and first.isupper() else reply


def lines(reply: str) -> list[str]:
    return [line for line in strip_speaker(reply).split("\n") if line.strip()]


def words(reply: str) -> list[str]:
    return re.findall(r"[\w'-]+", strip_speaker(reply).lower())


# A name or a first word is quoted, so that its tokens are those with which the reply begins; within a line tokens begin
# with a space, as after "mention".
KINDS = {
    "speaker": Kind(
        'as "{}"', lambda reply, name: reply.startswith(f"{name}:\n") and bool(strip_speaker(reply).strip())
    ),
    "lines": Kind("in {}", lambda reply, length: len(lines(reply)) == LENGTHS.index(length) + 1),
    "mention": Kind("mention {}", lambda reply, word: word.lower() in words(reply)),
    "question": Kind("end with a question", lambda reply, _: reply.rstrip().endswith("?")),
    "exclamation": Kind("end with an exclamation", lambda reply, _: reply.rstrip().endswith("!")),
    "begin": Kind('begin with "{}"', lambda reply, word: words(reply)[:1] == [word.lower()]),
}


@dataclass(frozen=True)
class Dialogue:
    """A cue, what is asked of the reply, and the real reply."""

    cue: str
    instructions: tuple[Instruction, ...]
    reply: str

    @property
    def prompt(self) -> str:
        return f"{self.cue}\n\n{instruction_sentence(self.instructions)}" if self.instructions else self.cue

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.reply}]


def instruction_sentence(instructions: Iterable[Instruction]) -> str:
    """`Answer as "HAMLET", in two lines.` or `Answer: mention death, end with a question.`"""
    phrases = [str(instruction) for instruction in instructions]
    return ("Answer " if phrases[0].startswith(("as ", "in ")) else "Answer: ") + ", ".join(phrases) + "."


Exchange = tuple[str, list[Speech]]  # a cue, and the openings of the reply to it


def dialogues(plays: Iterable[Play], seed: int, variants: int = 1) -> list[Dialogue]:
    """`variants` dialogues for each reply in `plays`, with differing openings of it and differing instructions.

    Whose name stands above a reply is drawn from all characters: a model that knows the plays by heart would otherwise
    know who answers, and never learn to read it in the instruction. Half of the names are made up of two of theirs, so
    that a name must be copied letter by letter, as one of a play that was never read.
    """
    chance, plays = random.Random(seed), list(plays)
    found = [exchange for play in plays for exchange in exchanges(play)]
    cast = names_of(plays)
    made = []
    for _ in range(variants):
        for cue, openings in found:
            reply = replace(chance.choice(openings), speaker=draw_name(cast, chance))
            made.append(dialogue(cue, reply, draw_instructions(satisfied_instructions(reply), chance)))
    return made


def names_of(plays: Iterable[Play]) -> list[str]:
    """The characters who have a name as an instruction may give it."""
    return sorted({speech.speaker for play in plays for speech in play.speeches if NAME.fullmatch(speech.speaker)})


def draw_name(cast: list[str], chance: random.Random) -> str:
    """A character's name, or as often the beginning of one with the end of another."""
    name = chance.choice(cast)
    if chance.random() >= MADE_UP:
        return name
    other = chance.choice(cast)
    made = name[: chance.randint(2, max(2, len(name) - 1))] + other[chance.randint(0, max(0, len(other) - 2)) :]
    return made if NAME.fullmatch(made) else name


def single_instruction_dialogues(plays: Iterable[Play], seed: int, of_each_kind: int) -> list[Dialogue]:
    """Dialogues with exactly one instruction, as many of each kind as there are up to `of_each_kind`, to measure with.

    Of a kind no value (one line, or the mention of love) is asked for in more than a quarter, if it has several.
    """
    chance = random.Random(seed)
    pairs = [(cue, chance.choice(openings)) for play in plays for cue, openings in exchanges(play)]
    chance.shuffle(pairs)
    possible = [(cue, reply, instruction) for cue, reply in pairs for instruction in satisfied_instructions(reply)]
    chosen: list[Dialogue] = []
    for kind in KINDS:
        able = [(cue, reply, i) for cue, reply, i in possible if i.kind == kind]
        most = of_each_kind if len({i.value for _, _, i in able}) == 1 else of_each_kind // 4
        asked_for: Counter[str] = Counter()
        for cue, reply, instruction in able:
            if asked_for.total() < of_each_kind and asked_for[instruction.value] < most:
                asked_for[instruction.value] += 1
                chosen.append(dialogue(cue, reply, [instruction]))
    return chosen


def plain_dialogues(plays: Iterable[Play], seed: int) -> list[Dialogue]:
    """A dialogue without instructions for each reply in `plays`, with as much of it as is short enough, shuffled."""
    found = [Dialogue(cue, (), openings[-1].text) for play in plays for cue, openings in exchanges(play)]
    random.Random(seed).shuffle(found)
    return found


def exchanges(play: Play) -> list[Exchange]:
    """What is said within a scene and how it is replied to, wherever a reply has an opening that is short enough."""
    found = [
        (shorten_cue(before.text), [replace(reply, text=text) for text in openings(reply.text)])
        for before, reply in zip(play.speeches, play.speeches[1:], strict=False)
        if (before.act, before.scene) == (reply.act, reply.scene)
    ]
    return [(cue, replies) for cue, replies in found if replies]


def openings(text: str) -> list[str]:
    """The beginnings of a speech that end with a sentence and are short enough to be said by a small model."""
    ends = [match.end() for match in re.finditer(r"[.?!](?=\s|$)", text)]
    return [text[:end] for end in ends if end <= LONGEST_REPLY and text.count("\n", 0, end) < MOST_LINES]


def shorten_cue(text: str) -> str:
    """The last lines that together are not too long; of a single long line, its end."""
    while len(text) > LONGEST_CUE and "\n" in text:
        text = text.split("\n", 1)[1]
    return text[-LONGEST_CUE:]


def satisfied_instructions(reply: Speech) -> list[Instruction]:
    """Everything that the reply could have been asked for."""
    said = set(words(reply.text))
    candidates = [
        *([Instruction("speaker", reply.speaker)] if NAME.fullmatch(reply.speaker) else []),
        *(Instruction("lines", length) for length in LENGTHS),
        *(Instruction("mention", word) for word in WORDS if word.lower() in said),
        Instruction("question"),
        Instruction("exclamation"),
        *(Instruction("begin", word) for word in BEGINNINGS),
    ]
    named = f"{reply.speaker}:\n{reply.text}"
    return [i for i in candidates if i.is_followed(named if i.kind == "speaker" else reply.text)]


def draw_instructions(possible: list[Instruction], chance: random.Random) -> list[Instruction]:
    """None, one or two of the possible instructions, of different kinds."""
    share = chance.random()
    count = 0 if share < PLAIN else 2 if share > 1 - TWICE else 1
    chosen: list[Instruction] = []
    for _ in range(count):
        left = [i for i in possible if i.kind not in [c.kind for c in chosen]]
        if kinds := list(dict.fromkeys(i.kind for i in left)):
            kind = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
            chosen.append(chance.choice([i for i in left if i.kind == kind]))
    return sorted(chosen, key=lambda instruction: list(KINDS).index(instruction.kind))


def dialogue(cue: str, reply: Speech, instructions: list[Instruction]) -> Dialogue:
    """Who speaks is said above the reply exactly where it was asked for."""
    named = any(instruction.kind == "speaker" for instruction in instructions)
    return Dialogue(cue, tuple(instructions), f"{reply.speaker}:\n{reply.text}" if named else reply.text)


def split(plays: Iterable[Play]) -> tuple[list[Play], list[Play]]:
    """(plays to learn from, plays held out)."""
    plays = list(plays)
    return [p for p in plays if p.name not in HELD_OUT], [p for p in plays if p.name in HELD_OUT]
