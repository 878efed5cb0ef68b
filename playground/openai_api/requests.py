"""Requests: the JSON of a completion or a chat completion, checked and turned into what the models here take.

What OpenAI knows and this does not is refused by name, rather than left out in silence, unless it is given the value
that changes nothing. Defaults are OpenAI's; top_k, min_p and repetition_penalty may be given beside its own fields.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.conversation import Conversation, Message
from core.generate import Sampling
from playground.openai_api.errors import ApiError

MOST_STOPS = 4  # as at OpenAI's
MOST_PROMPTS = 64
COMPLETION_TOKENS = 16  # OpenAI's default for completions; for chats it is the page's
MOST_LOGPROBS = {"completions": 5, "chat": 20}
SYSTEM = ("system", "developer")
SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}  # name: default
NEUTRAL: dict[str, Any] = {  # fields without which these models do, and the value that asks for nothing
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logit_bias": {},
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "tools": [],
    "tool_choice": "none",
    "parallel_tool_calls": True,
    "modalities": ["text"],
}
IGNORED = ("user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier")  # say nothing to us


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    model: str
    sampling: Sampling
    stops: tuple[str, ...]  # texts before which an answer ends
    n_logprobs: int | None  # alternatives to tell with each token; None: tell no probabilities
    is_streamed: bool
    tells_usage: bool  # at the end of a stream
    messages: tuple[Message, ...] = ()  # of a chat
    system: str = ""
    prompts: tuple[str | list[int], ...] = ()  # of completions

    @property
    def is_chat(self) -> bool:
        return bool(self.messages)

    def conversation(self, answers: bool) -> Conversation:
        """For a model that answers, or one that continues texts."""
        return Conversation(self.messages, system=self.system, answers=answers)


class Fields:
    """The fields of a JSON object, each taken once; `refuse_rest` names what nobody took."""

    def __init__(self, values: Any):
        if not isinstance(values, dict):
            raise ApiError("the request must be a JSON object")
        self.values = {name: value for name, value in values.items() if value is not None}

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """The field, or the default. Raises ApiError if it is of another kind."""
        value = self.values.pop(name, default)
        is_wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if value is not default and is_wrong:
            kinds = kind if isinstance(kind, tuple) else (kind,)
            names = " or ".join(one.__name__ for one in kinds)
            raise ApiError(f"{name} must be of type {names}, got {value!r:.60}", "invalid_type", name)
        return value

    def need(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """A field that must be there."""
        if name not in self.values:
            raise ApiError(f"{name} is missing", "missing_required_parameter", name)
        return self.take(name, kind)

    def refuse_rest(self) -> None:
        for name, value in self.values.items():
            if name in IGNORED or (name in NEUTRAL and value == NEUTRAL[name]):
                continue
            if name in NEUTRAL:
                raise ApiError(f"{name} is not supported here: leave it out", "unsupported_parameter", name)
            raise ApiError(f"unknown field {name}: leave it out", "unknown_parameter", name)


def parse_completion(body: Any) -> Request:
    """The body of POST /v1/completions. Raises ApiError."""
    fields = Fields(body)
    prompts = parse_prompts(fields.take("prompt", (str, list), ""))
    n_logprobs = limited(fields.take("logprobs", int), "logprobs", MOST_LOGPROBS["completions"])
    max_tokens = fields.take("max_tokens", int, COMPLETION_TOKENS)
    return finish(fields, max_tokens, n_logprobs, prompts=prompts)


def parse_chat(body: Any) -> Request:
    """The body of POST /v1/chat/completions. Raises ApiError."""
    fields = Fields(body)
    system, messages = parse_messages(fields.need("messages", list))
    top = limited(fields.take("top_logprobs", int), "top_logprobs", MOST_LOGPROBS["chat"])
    wants_logprobs = fields.take("logprobs", bool, False)
    if top is not None and not wants_logprobs:
        raise ApiError("top_logprobs needs logprobs: true", "invalid_value", "top_logprobs")
    older = fields.take("max_tokens", int, Sampling.max_new_tokens)
    max_tokens = fields.take("max_completion_tokens", int, older)
    n_logprobs = (top or 0) if wants_logprobs else None
    return finish(fields, max_tokens, n_logprobs, system=system, messages=messages)


def finish(fields: Fields, max_tokens: int, n_logprobs: int | None, **asked: Any) -> Request:
    """With the fields that both kinds of request have."""
    model = fields.need("model", str)
    values = {name: fields.take(name, (int, float), default) for name, default in SAMPLING.items()}
    seed = fields.take("seed", int)
    stops = fields.take("stop", (str, list), [])
    stops = [stops] if isinstance(stops, str) else stops
    if len(stops) > MOST_STOPS or not all(isinstance(stop, str) and stop for stop in stops):
        raise ApiError(f"stop must be a text, or a list of {MOST_STOPS} at most, none of them empty", param="stop")
    is_streamed = fields.take("stream", bool, False)
    options = Fields(fields.take("stream_options", dict, {}))
    tells_usage = options.take("include_usage", bool, False)
    options.take("include_obfuscation", bool, False)  # hides lengths from who listens on the way
    options.refuse_rest()
    fields.refuse_rest()
    values |= {"max_new_tokens": max_tokens, "seed": secrets.randbits(32) if seed is None else seed}
    try:
        sampling = Sampling.from_dict(values)
    except ValueError as error:
        raise ApiError(str(error).replace("max_new_tokens", "max_tokens"), "invalid_value") from error
    return Request(model, sampling, tuple(stops), n_logprobs, is_streamed, tells_usage, **asked)


def parse_prompts(value: Any) -> tuple[str | list[int], ...]:
    """One text, one list of token ids, or a list of either."""

    def is_ids(value: Any) -> bool:
        return isinstance(value, list) and bool(value) and all(type(id) is int for id in value)

    prompts = [value] if isinstance(value, str) or is_ids(value) else value
    if not prompts or len(prompts) > MOST_PROMPTS or not all(isinstance(one, str) or is_ids(one) for one in prompts):
        raise ApiError(
            f"prompt must be a text, a list of token ids, or a list of such, {MOST_PROMPTS} at most", param="prompt"
        )
    return tuple(prompts)


def parse_messages(values: Sequence[Any]) -> tuple[str, tuple[Message, ...]]:
    """(system text, messages). System messages come first, and are joined."""
    system: list[str] = []
    messages: list[Message] = []
    for number, value in enumerate(values):
        param = f"messages[{number}]"
        role = value.get("role") if isinstance(value, dict) else None
        if role not in (*SYSTEM, "user", "assistant"):
            raise ApiError(f"{param}: the role must be system, user or assistant, got {role!r:.40}", param=param)
        text = content_text(value.get("content"), param)
        if role not in SYSTEM:
            messages.append(Message(role, text))
        elif messages:
            raise ApiError(f"{param}: a system message must come before all others", param=param)
        else:
            system.append(text)
    if not messages:
        raise ApiError("messages holds nothing that was said: add a message of the user", param="messages")
    return "\n\n".join(system), tuple(messages)


def content_text(content: Any, param: str) -> str:
    """A message's text, which may come in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(p, dict) and p.get("type") == "text" for p in content):
        raise ApiError(f"{param}: the content must be a text, or a list of text parts", param=param)
    return "".join(str(part.get("text", "")) for part in content)


def limited(value: int | None, name: str, most: int) -> int | None:
    if value is not None and not 0 <= value <= most:
        raise ApiError(f"{name} must be between 0 and {most}, got {value}", "invalid_value", name)
    return value
