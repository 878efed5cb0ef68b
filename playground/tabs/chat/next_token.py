"""The distribution of the next token, and how sampling settings reshape it."""

from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.tabs.chat.said import conversation
from playground.tabs.chat.settings import sampling
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import view
from playground.ui.errors import server_function


def build(services: Services, inspector: TokenInspector) -> gr.HTML:
    @server_function
    def next_token(request: dict[str, Any]) -> dict[str, Any]:
        model = request["wish"]["model"]
        asked = conversation(services.checkpoints, model, request)
        return inspector.next_token(model, asked, sampling(request["wish"]), float(request["wish"]["dial"]))

    return view(
        "chat-next",
        "tabs/chat/next_token.js",
        "pg-next",
        "Type a line to see which token may come first.",
        [next_token],
    )
