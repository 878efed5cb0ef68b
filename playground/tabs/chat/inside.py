"""The X-ray: a token of an answer, what else could have stood there, and where the model looked for it."""

from typing import Any

import gradio as gr

from playground.figures.palette import SCALE
from playground.foresight import Foresight
from playground.services import Services
from playground.tabs.chat.talk import conversation
from playground.widgets import live, server_function


def build(services: Services, foresight: Foresight) -> gr.HTML:
    @server_function
    def look_inside(request: dict[str, Any]) -> dict[str, Any]:
        model = request["model"]
        asked = conversation(services.checkpoints, model, request)
        layer, head = int(request["layer"]), int(request["head"])
        return foresight.look_inside(model, asked, request["written"], layer, head) | {"scale": SCALE}

    return live(
        "chat-inside",
        "playground.chatInside(element, server)",
        "pg-inside",
        server_functions=[look_inside],
    )
