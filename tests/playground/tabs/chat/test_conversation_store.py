"""Conversations on disk: nothing is lost over a restart or between two windows, and one damaged is one damaged."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from playground.tabs.chat import conversation_store
from playground.tabs.chat.conversation_store import FILE, ConversationStore


def turn(id: int, parent: int | None, text: str) -> dict[str, Any]:
    if id % 2:
        return {"id": id, "parent": parent, "role": "user", "text": text}
    answer = {"lead": "HAMLET:\n", "tokens": [[5, 0.5, text.encode().hex()]], "model": "bard"}
    return {"id": id, "parent": parent, "role": "assistant", "answers": [answer], "pick": 0}


def talk(*texts: str, **settings: Any) -> dict[str, Any]:
    """A conversation in which each text is the next turn, the person's first."""
    nodes = {str(i): turn(i, i - 1 or None, text) for i, text in enumerate(texts, 1)}
    return {
        "tree": {"nodes": nodes, "leaf": len(texts), "next": len(texts) + 1},
        "settings": {"model": "bard"} | settings,
    }


@pytest.fixture
def store(tmp_path: Path) -> ConversationStore:
    return ConversationStore(tmp_path)


def test_a_named_conversation_is_there_after_a_restart_with_its_settings(tmp_path: Path) -> None:
    kept = talk("Who's there?", "Nay, answer me. 🙂", temperature=0.4, persona="HAMLET")
    before = ConversationStore(tmp_path)
    assert before.keep("a", kept, [], "r1") == "a"
    before.rename("a", "  The  watch ")
    longer = talk("Who's there?", "Nay, answer me. 🙂", "Long live the king!", temperature=0.4, persona="HAMLET")
    before.keep("a", longer, ["r1"], "r2")
    after = ConversationStore(tmp_path)
    (entry,) = after.entries()
    assert (entry.name, entry.model, entry.turns, entry.damaged) == ("The watch", "bard", 3, False)
    assert after.open("a") == (longer, "r2")


def test_without_a_name_it_is_called_by_its_first_words_and_the_latest_is_first(store: ConversationStore) -> None:
    store.keep("a", talk("Speak of\n\nthe moon. " + "It is late. " * 9), [], "r")
    store.keep("b", talk("Good\ud800 morrow"), [], "r")
    store.keep("a", talk("Speak of\n\nthe moon. " + "It is late. " * 9, "No."), ["r"], "s")
    names = [entry.name for entry in store.entries()]
    assert names[0].startswith("Speak of the moon. It is") and names[0].endswith("…") and len(names[0]) <= 60
    assert names[1] == "Good\ufffd morrow"


def test_a_search_finds_names_and_what_was_said_on_any_branch(store: ConversationStore) -> None:
    store.keep("a", talk("Who?", "The KÖNIG of Denmark"), [], "r")
    store.keep("b", talk("Speak.", "No."), [], "r")
    store.rename("b", "Short answers")
    assert [entry.id for entry in store.entries(" könig ")] == ["a"]
    assert [entry.id for entry in store.entries("SHORT")] == ["b"]
    assert store.entries("hamlet:")[0].damaged is False and store.entries("horatio") == []


@pytest.mark.fault(
    "a conversation goes on in two windows",
    "the second window's is kept as a copy",
)
def test_who_has_not_seen_what_another_window_kept_gets_a_copy(store: ConversationStore) -> None:
    store.keep("a", talk("Who?"), [], "r1")
    assert store.keep("a", talk("Who?", "Theirs"), ["r1"], "r2") == "a"
    copy = store.keep("a", talk("Who?", "Mine"), ["r1"], "r3")
    assert copy != "a"
    assert store.open("a")[0] == talk("Who?", "Theirs") and store.open(copy)[0] == talk("Who?", "Mine")
    assert {entry.name for entry in store.entries()} == {"Who?", "Who? (copy)"}
    # An answer of the playground's that was not heard: both states may be what is kept.
    assert store.keep("a", talk("Who?", "Theirs", "More"), ["r1", "r2"], "r4") == "a"


def test_what_is_deleted_can_be_restored_until_the_playground_is_started_again(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path)
    store.keep("a", talk("Who?"), [], "r")
    store.delete("a")
    assert store.entries() == []
    with pytest.raises(ValueError, match="not there any more"):
        store.open("a")
    store.restore("a")
    assert [entry.id for entry in store.entries()] == ["a"]
    store.delete("a")
    store.keep("a", talk("Who?", "Still here"), ["r"], "s")  # in another window it goes on
    assert [entry.id for entry in store.entries()] == ["a"]
    store.delete("a")
    with pytest.raises(ValueError, match="not there any more"):
        ConversationStore(tmp_path).restore("a")


@pytest.mark.fault(
    "a conversation is damaged",
    "it is one row that says so, and the others open",
)
@pytest.mark.parametrize("damage", ["CAST(x'7bff' AS TEXT)", "'{'", """'{"tree": {"nodes": {}}}'""", "'[1]'"])
def test_a_damaged_one_is_one_damaged_row(store: ConversationStore, tmp_path: Path, damage: str) -> None:
    store.keep("a", talk("Who?"), [], "r")
    store.keep("b", talk("Speak."), [], "r")
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(f"UPDATE conversations SET content = {damage}, title = CAST(x'ff' AS TEXT) WHERE id = 'a'")
    assert {entry.id for entry in store.entries()} == {"a", "b"}
    assert [entry.id for entry in store.entries("speak")] == ["b"]
    with pytest.raises(ValueError, match="damaged and cannot be read"):
        store.open("a")
    assert store.open("b")[0] == talk("Speak.")
    store.delete("a")
    assert [entry.id for entry in store.entries()] == ["b"]


def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    store = ConversationStore(tmp_path)
    assert "is kept as conversations.db.damaged-1" in store.trouble and store.entries() == []


def cycle() -> dict[str, Any]:
    found = talk("a", "b")
    found["tree"]["nodes"]["1"]["parent"] = 2
    return found


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"tree": {"nodes": {}, "leaf": None, "next": 1}, "settings": {}},
        talk("a") | {"settings": None},
        {"tree": {"nodes": {"1": {"id": 1, "parent": None, "role": "user"}}, "leaf": 1, "next": 2}, "settings": {}},
        json.loads(json.dumps(talk("a", "b")).replace("62", "6")),
        cycle(),
    ],
)
def test_what_is_no_conversation_is_not_kept(store: ConversationStore, content: Any) -> None:
    with pytest.raises(ValueError, match="no conversation"):
        store.keep("a", content, [], "r")
    assert store.entries() == []


def test_what_is_too_long_is_refused_in_words_and_what_was_kept_stays(store: ConversationStore, monkeypatch) -> None:
    store.keep("a", talk("Who?"), [], "r")
    monkeypatch.setattr(conversation_store, "LARGEST", 1000)
    with pytest.raises(ValueError, match="longer than what is kept of one"):
        store.keep("a", talk("Who?" * 1000), ["r"], "s")
    assert store.open("a") == (talk("Who?"), "r")


@pytest.mark.parametrize("name", ["", " \n ", "n" * 101])
def test_a_name_that_is_none_is_refused(store: ConversationStore, name: str) -> None:
    store.keep("a", talk("Who?"), [], "r")
    with pytest.raises(ValueError, match="1 to 100 characters"):
        store.rename("a", name)
