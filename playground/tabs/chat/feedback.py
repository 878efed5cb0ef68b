"""What a person thinks of answers: votes between two, thumbs under one, and an answer as it should have been."""

import random
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from core.datasets.preference_files import Turns
from core.datasets.thumbs import Thumb
from core.preferences.vote_store import Answer, NewPair
from playground.panels.voting.panel import name as annotator_name
from playground.services.services import Services
from playground.tabs.chat.said import LONGEST, conversation
from playground.tabs.chat.settings import sampling
from playground.ui.errors import server_function
from playground.ui.text import page_text


def feedback_functions(services: Services) -> list[Callable[..., Any]]:
    """What the page calls to keep them."""
    checkpoints, votes = services.checkpoints, services.preferences

    def asked(model: str, request: dict[str, Any]) -> tuple[str, Turns]:
        """(the line that is answered, what was said before it), as `model` reads it."""
        *before, last = replace(conversation(checkpoints, model, request), answers=True).turns
        return last["content"], tuple((message["role"], message["content"]) for message in before)

    def answer(said: dict[str, Any], text: str) -> Answer:
        model, dial = checkpoints.at(said["model"], float(said["dial"]))
        return Answer(page_text(text), model, said["seed"], dial=dial)

    def vote(request: dict[str, Any], pair: int, choice: str, milliseconds: int) -> int:
        return votes.cast(request["key"], pair, annotator_name(request["annotator"]), choice, milliseconds)

    @server_function
    def vote_on_answers(request: dict[str, Any]) -> dict[str, Any]:
        """A vote between two answers to the same conversation; one that was given before is taken back."""
        left, right = (answer(side, side["text"]) for side in request["sides"])
        prompt, history = asked(request["sides"][0]["model"], request)
        drawn = asdict(sampling(request["wish"]))
        pair = request["pair"] or votes.add_pairs([NewPair(prompt, left, right, drawn, "chat", history=history)])[0]
        if request["vote"]:
            votes.withdraw(f"{request['key']}-before", request["vote"], "undo")
        return {"pair": pair, "vote": vote(request, pair, request["choice"], max(0, int(request["milliseconds"])))}

    @server_function
    def press_thumb(request: dict[str, Any]) -> dict[str, Any]:
        """A thumb under an answer; the one that is there is taken back, and that is all if it is pressed again."""
        before = request["thumb"]
        if before:
            votes.thumbs.withdraw(f"{request['key']}-before", before["id"])
        if before and before["up"] == request["up"]:
            return {"thumb": None}
        prompt, history = asked(request["model"], request)
        thumb = Thumb(prompt, page_text(request["text"]), bool(request["up"]), history)
        id = votes.thumbs.press(request["key"], thumb, annotator_name(request["annotator"]), model_of(request))
        return {"thumb": {"id": id, "up": thumb.up}}

    @server_function
    def edit_answer(request: dict[str, Any]) -> dict[str, Any]:
        """An answer as a person wants it: a preference over what the model wrote, which stands left or right."""
        text = page_text(request["edited"])[:LONGEST].strip()
        written = answer(request, request["text"])
        if not text or text == written.text.strip():
            raise ValueError("the answer is " + ("empty" if not text else "as it was") + ": change it, or cancel")
        prompt, history = asked(request["model"], request)
        on_left = random.Random(request["key"]).random() < 0.5  # so that the side tells nothing
        sides = (Answer(text), written) if on_left else (written, Answer(text))
        drawn = asdict(sampling(request["wish"]))
        pair = votes.add_pairs([NewPair(prompt, *sides, drawn, "edit", history=history)])[0]
        return {"vote": vote(request, pair, "left" if on_left else "right", 0), "text": text}

    return [vote_on_answers, press_thumb, edit_answer]


def model_of(answer: dict[str, Any]) -> str:
    """The checkpoint that wrote an answer; "" of one that was mixed for it, which no model is to be judged by."""
    return answer["model"] if float(answer["dial"]) == 1 else ""
