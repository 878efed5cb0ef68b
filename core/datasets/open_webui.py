"""Open WebUI's exported feedback: a rating of an answer with the conversation that it was given in.

An export is a list of records {"type": "rating", "data", "meta", "snapshot"}: `data.rating` is 1 or -1, and the texts
stand in `snapshot.chat.chat.history.messages`, a tree in which `meta.message_id` names the answer. Answers with the
same parent were written to the same line, by other models or once more by the same one.
"""

from collections.abc import Mapping
from typing import Any

from core.datasets.messages import Messages, message, read_message

RATINGS = {1: True, -1: False}


def is_feedback(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("data"), dict) and "rating" in item["data"] and "meta" in item


def read_feedback_record(item: Mapping[str, Any]) -> tuple[Messages, str, list[str], bool]:
    """(what was said before, the answer, the other answers beside it that have a text, whether it was rated up).

    Raises ValueError that says what is missing: exports without snapshots hold no texts.
    """
    up = RATINGS.get(as_number(item["data"]["rating"]))
    if up is None:
        raise ValueError(f"rating must be 1 or -1, got {item['data']['rating']!r:.40}")
    tree = messages_of(item)
    id = (item["meta"] or {}).get("message_id")
    if id not in tree:
        raise ValueError("the text of the rated answer is not in it: export the feedback with its conversations")
    answer = read_message(tree[id])["content"]
    parent = tree[id].get("parentId")
    asked = path_to(tree, parent)
    if not asked or asked[-1]["role"] != "user":
        raise ValueError("the rated answer answers no line of the user")
    others = [one for key, one in tree.items() if key != id and parent and one.get("parentId") == parent]
    texts = [str(one.get("content") or "") for one in others if one.get("role") == "assistant"]
    return asked, answer, [text for text in dict.fromkeys(texts) if text.strip() and text != answer], up


def messages_of(item: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tree of messages, {} if there is none."""
    found: Any = item.get("snapshot")
    for key in ("chat", "chat", "history", "messages"):
        found = found.get(key) if isinstance(found, dict) else None
    return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def path_to(tree: Mapping[str, Mapping[str, Any]], id: Any) -> Messages:
    """From the first message to one; a tree that is damaged and goes round ends where it has been."""
    found: Messages = []
    seen = set()
    while id in tree and id not in seen:
        seen.add(id)
        read = read_message(tree[id])
        found.insert(0, message(read["role"], read["content"]))
        id = tree[id].get("parentId")
    return found


def as_number(value: Any) -> int:
    """0 for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
