"""The X-ray: a token of an answer, what else could have stood there, and where the model looked for it."""

from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.tabs.chat.said import conversation
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import SCALE


def build(services: Services, inspector: TokenInspector) -> gr.HTML:
    @server_function
    def look_inside(request: dict[str, Any]) -> dict[str, Any]:
        model = request["model"]
        asked = conversation(services.checkpoints, model, request)
        layer, head = int(request["layer"]), int(request["head"])
        return inspector.look_inside(model, asked, request["written"], layer, head, float(request["dial"]))

    return view("chat-inside", "tabs/chat/inside.js", "pg-inside", functions=[look_inside], palette=SCALE)
