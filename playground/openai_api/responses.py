"""Responses: what was written as OpenAI's JSON, whole or in the chunks of a stream."""

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.generate import TextStep
from core.tokenizer import Tokenizer
from playground.openai_api.pieces import Piece
from playground.openai_api.requests import Request

IMPOSSIBLE = -9999.0  # OpenAI's logarithm of 0


@dataclass
class Shape:
    """The form of the answers to one request."""

    request: Request
    tokenizer: Tokenizer
    fingerprint: str  # changes with the weights
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    offset: int = 0  # characters of the choice so far, where a stream tells probabilities

    def envelope(self, choices: list[dict[str, Any]], is_chunk: bool) -> dict[str, Any]:
        if self.request.is_chat:
            id, kind = f"chatcmpl-{self.id}", f"chat.completion{'.chunk' if is_chunk else ''}"
        else:
            id, kind = f"cmpl-{self.id}", "text_completion"
        return {
            "id": id,
            "object": kind,
            "created": self.created,
            "model": self.request.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }

    def whole(self, answers: Sequence[Sequence[Piece]], usage: dict[str, int]) -> dict[str, Any]:
        choices = []
        for index, answer in enumerate(answers):
            text, steps = "".join(piece.text for piece in answer), [step for piece in answer for step in piece.steps]
            self.offset = 0
            content = {"message": {"role": "assistant", "content": text}} if self.request.is_chat else {"text": text}
            choices.append(self.choice(index, content, steps, answer[-1].end))
        return self.envelope(choices, is_chunk=False) | {"usage": usage}

    def opening(self) -> dict[str, Any]:
        """The first chunk of a chat says who speaks."""
        return self.envelope([self.choice(0, {"delta": {"role": "assistant", "content": ""}}, [], "")], is_chunk=True)

    def chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        delta = {"content": piece.text} if piece.text else {}
        content = {"delta": delta} if self.request.is_chat else {"text": piece.text}
        return self.envelope([self.choice(index, content, piece.steps, piece.end)], is_chunk=True)

    def last(self, usage: dict[str, int]) -> dict[str, Any]:
        """The chunk that tells the usage."""
        return self.envelope([], is_chunk=True) | {"usage": usage}

    def choice(self, index: int, content: dict[str, Any], steps: Sequence[TextStep], end: str) -> dict[str, Any]:
        logprobs = None
        if self.request.n_logprobs is not None and steps:
            logprobs = {"content": [self.chat_token(s) for s in steps]} if self.request.is_chat else self.columns(steps)
        return {"index": index, **content, "logprobs": logprobs, "finish_reason": end or None}

    # --- probabilities: the model's own, before anything that sampling does -------------------------------------

    def chat_token(self, step: TextStep) -> dict[str, Any]:
        top = [self.token(id, probability) for id, probability in step.alternatives[: self.request.n_logprobs]]
        return self.token(step.id, step.probability) | {"top_logprobs": top}

    def token(self, id: int, probability: float) -> dict[str, Any]:
        own = self.tokenizer.token_bytes(id)
        return {"token": self.text(id), "logprob": logarithm(probability), "bytes": list(own)}

    def columns(self, steps: Sequence[TextStep]) -> dict[str, Any]:
        """The older form, of completions: a list for each property, over the tokens."""
        offsets = []
        for step in steps:
            offsets.append(self.offset)
            self.offset += len(step.text)
        tops = [step.alternatives[: self.request.n_logprobs] for step in steps]
        return {
            "tokens": [self.text(step.id) for step in steps],
            "token_logprobs": [logarithm(step.probability) for step in steps],
            "top_logprobs": [{self.text(id): logarithm(p) for id, p in top} for top in tops],
            "text_offset": offsets,
        }

    def text(self, id: int) -> str:
        """A token as text, or as OpenAI writes bytes that are no whole character: each then has a name of its own."""
        own = self.tokenizer.token_bytes(id)
        try:
            return own.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in own)


def logarithm(probability: float) -> float:
    return math.log(probability) if probability > 0 else IMPOSSIBLE


def usage(read: int, written: int) -> dict[str, int]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
