"""What programs may ask of a running playground: `gradio_client.Client("http://127.0.0.1:7860").predict(...)`.

Every function here is an endpoint of its name; its docstring is what `view_api()` prints.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import gradio as gr

from core.conversation import Conversation, Message, generate_reply
from core.generate import Sampling
from core.interpretability import activations
from core.preferences.vote_store import Answer, NewPair
from core.stages.memory_fit import fitted_here, known_need
from core.stages.registry import STAGES, answers, stage_called
from playground.argument_types import check_types
from playground.services.run_log import recent
from playground.services.services import Services
from playground.tabs.attention.activation_cache import most_tokens
from playground.ui.errors import handler, told_error
from playground.ui.text import page_text, visible_token


def endpoints(services: Services) -> list[Callable[..., Any]]:
    checkpoints, jobs, votes = services.checkpoints, services.jobs, services.preferences

    def models() -> list[dict[str, Any]]:
        """All checkpoints, the latest first: name, kind, parent, number of weights, report card."""
        return [
            {
                "name": entry.name,
                "kind": entry.kind,
                "parent": entry.card.parent,
                "weights": entry.weights,
                "report": entry.card.report,
            }
            for entry in services.workspace.entries()
        ]

    def tokens(text: str, vocabulary: str) -> list[dict[str, Any]]:
        """A text as {"id", "text"} tokens of a vocabulary: a model's name, "OpenAI's GPT-2" or "plain bytes"."""
        tokenizer = services.vocabularies.load(vocabulary)
        ids = tokenizer.encode(page_text(text))
        return [{"id": id, "text": visible_token(tokenizer.token_bytes(id))} for id in ids]

    def attention(model: str, text: str) -> list[Any]:
        """Attention weights of every head on a text, (n_layer, n_head, T, T); of a long one, of 128 tokens."""
        loaded = checkpoints.load(model)
        ids = loaded.tokenizer.encode(page_text(text))[: most_tokens(loaded.model)]
        return activations.attention(loaded.model, ids).tolist()

    def chat(
        model: str,
        line: str,
        history: list[dict[str, str]] | None = None,
        persona: str = "",
        system: str = "",
        temperature: float = Sampling.temperature,
        max_new_tokens: int = Sampling.max_new_tokens,
        seed: int = Sampling.seed,
    ) -> Iterator[str]:
        """What a model answers to a line, or how it goes on; the text so far, growing token by token.

        history: {"role": "user" or "assistant", "content"} messages before the line, oldest first.
        """
        writer, tokenizer = checkpoints.writer(model, "float32")
        before = [message_of(message) for message in history or []]
        asked = Conversation((*before, Message("user", line)), persona, system, answers(checkpoints.load(model).card))
        text = ""
        sampling = Sampling(max_new_tokens, temperature, seed=seed)
        for step in generate_reply(writer, tokenizer, asked, sampling, n_alternatives=0):
            text += step.text
            yield text

    def train(name: str, stage: str, settings: dict[str, Any], fit: bool = False, anyway: bool = False) -> str:
        known = stage_called(stage)
        config = known.configure(settings)
        need = known_need(known, config) if fit else None
        if need and not need.fits:
            config = replace(config, fit=fitted_here(known, config))
        return jobs.start(name, stage, config, anyway).name

    train.__doc__ = (
        f"Begin a training, or let it wait in the queue; returns its name. stage: one of {', '.join(STAGES)}; "
        "settings: those that differ from its own, by their names in `python -m core STAGE --help`. What does not fit "
        "into memory waits for an answer, unless told to `fit`, by smaller micro-batches, or to begin `anyway`."
    )

    def queue() -> list[dict[str, Any]]:
        """The trainings that wait, in order: name, why (a sentence and its kind), whether one asks for an answer."""
        return jobs.queue()

    def change_queue(name: str, action: str) -> list[dict[str, Any]]:
        """Change what waits; returns the queue. action: up, down, remove, fit (into memory), or anyway (begin it)."""
        jobs.change_queue(name, action)
        return jobs.queue()

    def training(name: str) -> dict[str, Any]:
        """How far a training is: {"state", "step", "max_steps", "message", ...}, and "metrics", the last of its log."""
        run = jobs.run(name)
        lines = recent(run.metrics)
        latest = {key: value if math.isfinite(value) else None for key, value in (lines[-1] if lines else {}).items()}
        return asdict(jobs.status(name)) | {"metrics": latest}

    def stop(name: str) -> str:
        """Stop a training after the step that it is in, or take it out of the queue; it can be resumed. Its name."""
        jobs.request(name, "stop")
        return name

    def vote(prompt: str, chosen: str, rejected: str, annotator: str, key: str) -> int:
        """Keep a vote between two answers; returns its number. The same key, made up by you, is never counted twice."""
        if (known := votes.id_of(key)) is not None:
            return known
        new = NewPair(page_text(prompt), Answer(page_text(chosen)), Answer(page_text(rejected)), {}, "import")
        return votes.cast(key, votes.add_pairs([new])[0], annotator, "left", 0)

    return [models, tokens, attention, chat, train, training, stop, queue, change_queue, vote]


def message_of(message: dict[str, str]) -> Message:
    """Raises ValueError if it is none."""
    if message.keys() != {"role", "content"} or message["role"] not in ("user", "assistant"):
        raise ValueError(f'history must be of messages {{"role": "user" or "assistant", "content"}}, got {message}')
    return Message(message["role"], message["content"])


def build(services: Services) -> None:
    for endpoint in endpoints(services):
        described = " ".join((endpoint.__doc__ or "").split())
        gr.api(handler(check_types(endpoint), told_error), api_name=endpoint.__name__, api_description=described)
