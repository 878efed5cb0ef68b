"""What was said, as the page tells it and as a model reads it."""

from typing import Any

from core.conversation import Conversation, Message
from core.stages import registry
from playground.services.checkpoints import Checkpoints
from playground.ui.text import page_text

LONGEST = 200_000  # characters of a message


def conversation(checkpoints: Checkpoints, model: str, request: dict[str, Any]) -> Conversation:
    """What the page says was said, for `model`. Raises ValueError if the model is gone or nothing was said."""
    said = tuple(Message(m["role"], page_text(m["content"])[:LONGEST]) for m in request["messages"])
    persona, system = (page_text(request["wish"].get(key) or "") for key in ("persona", "system"))
    return Conversation(said, persona.strip(), system, registry.answers(checkpoints.load(model).card))
