"""The list of conversations: kept as they go on, found again by their names and by what was said."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.tabs.chat.conversation_store import SHOWN, ConversationStore
from playground.ui.components import view
from playground.ui.errors import server_function


def build(services: Services, store: ConversationStore) -> gr.HTML:
    @server_function
    def list_conversations(request: dict[str, Any]) -> dict[str, Any]:
        found = store.entries(request["search"])
        shown = [asdict(entry) for entry in found[:SHOWN]]
        return {"conversations": shown, "found": len(found), "trouble": store.trouble}

    @server_function
    def open_conversation(request: dict[str, Any]) -> dict[str, Any]:
        """model: the one that answered, "" if it is not there any more."""
        content, revision = store.open(request["id"])
        model = content["settings"].get("model")
        there = model if model in services.checkpoints.names() else ""
        return {"content": content, "revision": revision, "model": there}

    @server_function
    def rename_conversation(request: dict[str, Any]) -> dict[str, Any]:
        store.rename(request["id"], request["name"])
        return {}

    @server_function
    def delete_conversation(request: dict[str, Any]) -> dict[str, Any]:
        store.delete(request["id"])
        return {}

    @server_function
    def restore_conversation(request: dict[str, Any]) -> dict[str, Any]:
        store.restore(request["id"])
        return {}

    return view(
        "chat-conversations",
        "tabs/chat/conversations.js",
        "pg-conversations",
        functions=[
            *(list_conversations, open_conversation),
            *(rename_conversation, delete_conversation, restore_conversation),
        ],
    )
