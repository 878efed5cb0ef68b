"""Chat, a conversation as a model reads it: in turns if it was taught to answer, else as one scene that grows.

A model that answers reads each message with the marks of its template (core/chat_template.py), the instruction "as
HAMLET" in the last line. A base model reads one text: the persona is the name above the speech it is to write.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.chat_template import encode_prompt, encode_turns, turn_ends
from core.datasets.instructions import NAME, Instruction, instruction_sentence
from core.datasets.shakespeare import plays
from core.generate import Model, Sampling, TextStep, context_start, stream_text
from core.tokenizer import Tokenizer

PERSONAS = 60  # of the plays' characters, those who say most


@dataclass(frozen=True)
class Message:
    role: str  # "user" or "assistant"
    content: str


@dataclass(frozen=True)
class Conversation:
    """What was said, and how the next answer is to be given."""

    messages: tuple[Message, ...]
    persona: str = ""  # whose voice the answer should have; "" leaves it open
    system: str = ""  # what is said before all; "" says nothing
    answers: bool = True  # was the model that reads it taught to answer?

    def __post_init__(self) -> None:
        if not any(message.content.strip() for message in self.messages):
            raise ValueError("write a line first, for the model to answer or to continue")
        if self.answers and self.messages[-1].role != "user":
            raise ValueError("write a line first: this model answers, and the last answer is its own")

    @property
    def lead(self) -> str:
        """What stands at the beginning of the answer without being written by the model: a speaker's name."""
        named = self.text.rstrip().endswith(":")  # by the person
        return "" if self.answers or not self.persona or named else f"\n\n{self.persona.upper()}:\n"

    @property
    def text(self) -> str:
        """The scene that a base model reads, but for the name that leads its speech."""
        return scene(self.messages, self.system)

    @property
    def turns(self) -> list[dict[str, str]]:
        """The messages that a model reads which answers: stripped, the system text before them, the persona in them."""
        turns = [{"role": message.role, "content": message.content.strip()} for message in self.messages]
        if self.persona:
            turns[-1]["content"] += f"\n\n{instruction_sentence([Instruction('speaker', self.persona.upper())])}"
        system = self.system.strip()
        return [{"role": "system", "content": system}, *turns] if system else turns

    def encode(self, tokenizer: Tokenizer) -> list[int]:
        """Ids of all that the model reads before it writes."""
        if not self.answers:
            return tokenizer.encode(self.text.rstrip() + self.lead if self.lead else self.text)
        return encode_prompt(tokenizer, self.turns)

    def ends(self, tokenizer: Tokenizer) -> list[int]:
        """After how many tokens each message ends."""
        if not self.answers:
            counts = range(1, len(self.messages) + 1)
            return [len(tokenizer.encode(scene(self.messages[:count], self.system))) for count in counts]
        return [*accumulate(len(ids) for ids, _ in encode_turns(tokenizer, self.turns))]


def scene(messages: Sequence[Message], system: str) -> str:
    """One text of it all; what a person adds begins a new paragraph."""
    text = f"{system.strip()}\n\n" if system.strip() else ""
    for message in messages:
        if text and message.role == "user":
            text = text.rstrip("\n") + "\n\n"
        text += message.content
    return text


def generate_reply(
    model: Model,
    tokenizer: Tokenizer,
    conversation: Conversation,
    sampling: Sampling,
    written: Sequence[int] = (),
    n_alternatives: int = 5,
) -> Iterator[TextStep]:
    """The answer, token by token. Of a conversation longer than the context the model reads the end.

    written: ids with which the answer begins; only those that follow are yielded. A base model that speaks as somebody
    ends where the next speech begins.
    """
    prompt = conversation.encode(tokenizer)
    ids = [*crop_to_context(prompt, model.config.block_size), *written]
    stop = turn_ends(tokenizer) if conversation.answers else {tokenizer.eot}
    one_speech = not conversation.answers and bool(conversation.persona)
    said = tokenizer.decode(written)
    read = crop_to_context(ids, model.config.block_size)
    for step in stream_text(model, tokenizer, read, sampling, stop, n_alternatives):
        said += step.text
        if one_speech and "\n\n" in said.lstrip("\n"):
            return
        yield step


def crop_to_context(ids: list[int], block_size: int) -> list[int]:
    """The end of `ids` that fits into the context."""
    return ids[context_start(len(ids), block_size) :]


def context_of_next(prompt: list[int], written: list[int], block_size: int) -> list[int]:
    """What `write` had in the context when it drew the token that follows `prompt` and `written`."""
    return crop_to_context([*crop_to_context(prompt, block_size), *written], block_size)


@functools.cache
def personas() -> tuple[str, ...]:
    """Characters of the plays, those who say most first."""
    said: Counter[str] = Counter()
    for play in plays():
        for speech in play.speeches:
            if NAME.fullmatch(speech.speaker):
                said[speech.speaker] += len(speech.text)
    return tuple(name for name, _ in said.most_common(PERSONAS))
