"""The stream of answers that are being written, each in a thread of this process; the page asks for what is new.

A reload of the page finds its answers again. One that nobody asks about any more is given up.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.conversation import Conversation, generate_reply
from core.generate import Model, Sampling
from core.rlhf.steering import SteeringVectors
from core.task_arithmetic import Mixture
from core.tokenizer import Tokenizer
from playground.error_text import describe_error
from playground.services.background_task import start_thread
from playground.services.checkpoints import Checkpoints

AT_ONCE = 8  # answers: more would only make each other slow
KEPT = 64  # answers that have ended, for a page that comes back
PAINT_SECONDS = 0.045  # the browser paints no faster, so tokens are sent in bunches
WAIT_SECONDS = 1.0  # how long a question for what is new waits for it
ALONE_SECONDS = 120.0  # without a question an answer is given up


@dataclass(frozen=True)
class GenerationRequest:
    """An answer that somebody wants."""

    model: str
    conversation: Conversation
    sampling: Sampling
    precision: str = "float32"
    written: tuple[int, ...] = ()  # ids with which it begins
    mixture: Mixture | None = None  # who writes it instead: the model and its parent, mixed
    steering: SteeringVectors | None = None  # that the mixture adds


@dataclass
class Generation:
    """One that is being written, or was. `news` is notified at each bunch of tokens and at the end."""

    request: GenerationRequest
    tokens: list[tuple[int, float, str]] = field(default_factory=list)  # id, probability, bytes in hexadecimal
    state: str = "writing"  # writing, finished, stopped or failed
    error: str = ""
    began: float = field(default_factory=time.perf_counter)
    prepared: float = 0.0  # seconds until the model was there to write it
    first: float = 0.0  # seconds until the first token
    seconds: float = 0.0  # until the latest one
    asked: float = field(default_factory=time.monotonic)  # when somebody last asked for what is new
    stopping: threading.Event = field(default_factory=threading.Event)

    def describe(self, since: int) -> dict[str, Any]:
        """For the page: what is new since token number `since`."""
        tokens = self.tokens[since:]
        return {
            "tokens": tokens,
            "state": self.state,
            "error": self.error,
            "cut": self.is_cut,
            "note": self.note(),
            "lead": self.request.conversation.lead,
        }

    @property
    def is_cut(self) -> bool:
        """Has the limit ended it, rather than the model?"""
        return self.state == "finished" and len(self.tokens) == self.request.sampling.max_new_tokens

    def note(self) -> str:
        """Its length, its speed, and whether the limit has cut it off."""
        if not self.tokens:
            return "The model ends the text here." if self.state == "finished" else ""
        length = f"{len(self.request.written) + len(self.tokens):,} tokens"
        speed = f" · {len(self.tokens) / max(self.seconds, 1e-9):.0f} tokens/s"
        waited = f" · first after {(self.prepared + self.first) * 1000:.0f} ms"
        cut = f" · cut off at the limit of {self.request.sampling.max_new_tokens:,} tokens" if self.is_cut else ""
        return length + speed + waited + cut


class AnswerStream:
    """All answers, by the names that the page knows them by."""

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.answers: dict[str, Generation] = {}
        self.news = threading.Condition()

    def begin(self, request: GenerationRequest) -> str:
        """Begin to write; returns the answer's name. Raises ValueError if that cannot be done."""
        asked = time.perf_counter()
        if request.mixture:
            model, tokenizer = self.checkpoints.mixed_writer(request.mixture, request.precision, request.steering)
        else:
            model, tokenizer = self.checkpoints.writer(request.model, request.precision)
        answer = Generation(request, prepared=time.perf_counter() - asked)
        with self.news:
            if sum(other.state == "writing" for other in self.answers.values()) >= AT_ONCE:
                raise ValueError(f"{AT_ONCE} answers are being written already: stop one, or wait until it ends")
            name = secrets.token_hex(8)
            self.answers[name] = answer
            ended = [key for key, other in self.answers.items() if other.state != "writing"]
            for key in ended[: max(0, len(ended) - KEPT)]:
                del self.answers[key]
        start_thread("answer", lambda: self.write(answer, model, tokenizer), answer.stopping.set)
        return name

    def more(self, known: dict[str, int]) -> dict[str, dict[str, Any] | None]:
        """What is new in each answer, by name, since the token of the given number; None for one that is not there.

        Waits a moment if there is nothing new.
        """
        found = {name: self.answers.get(name) for name in known}
        for answer in filter(None, found.values()):
            answer.asked = time.monotonic()

        def is_news() -> bool:
            return any(a is None or a.state != "writing" or len(a.tokens) > known[n] for n, a in found.items())

        with self.news:
            self.news.wait_for(is_news, WAIT_SECONDS)
            return {name: answer.describe(known[name]) if answer else None for name, answer in found.items()}

    def stop(self, names: Sequence[str]) -> None:
        for name in names:
            if answer := self.answers.get(name):
                answer.stopping.set()

    # --- the thread -------------------------------------------------------------------------------------------

    def write(self, answer: Generation, model: Model, tokenizer: Tokenizer) -> None:
        """Whatever happens, the state that is left says so."""
        try:
            self.say(answer, state=self.add_tokens(answer, model, tokenizer))
        except Exception as error:
            self.say(answer, state="failed", error=describe_error(error))

    def add_tokens(self, answer: Generation, model: Model, tokenizer: Tokenizer) -> str:
        """Write to the end, or until it is stopped; returns the state in which that leaves it."""
        request, painted = answer.request, 0.0
        bunch: list[tuple[int, float, str]] = []
        answer.began = time.perf_counter()
        steps = generate_reply(
            model, tokenizer, request.conversation, request.sampling, request.written, n_alternatives=0
        )  # the page asks for them when somebody opens a token
        for step in steps:
            now = time.perf_counter()
            answer.first, answer.seconds = answer.first or now - answer.began, now - answer.began
            bunch.append((step.id, round(step.probability, 5), tokenizer.token_bytes(step.id).hex()))
            if now - painted > PAINT_SECONDS:
                painted, bunch = now, self.publish(answer, bunch)
            if answer.stopping.is_set() or time.monotonic() - answer.asked > ALONE_SECONDS:
                self.publish(answer, bunch)
                return "stopped"
        self.publish(answer, bunch)
        return "finished"

    def publish(self, answer: Generation, bunch: list[tuple[int, float, str]]) -> list[tuple[int, float, str]]:
        """Add the tokens for all to see; returns an empty bunch to go on with."""
        with self.news:
            answer.tokens += bunch
            self.news.notify_all()
        return []

    def say(self, answer: Generation, state: str, error: str = "") -> None:
        with self.news:
            answer.error, answer.state = error, state
            self.news.notify_all()
