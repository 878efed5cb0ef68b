"""Thumbs in files, alone and beside preferences, and Open WebUI's exported feedback."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.datasets.preference_files import Preference
from core.datasets.thumbs import Thumb, read_feedback, thumbs_of, write_thumbs

THUMB = Thumb("What hour?", "Noon.", True)
HISTORY = (("user", "Hm?"), ("assistant", "Yes?"))


def written(path: Path, *items: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    thumbs = [THUMB, Thumb("What hour?", "No.", False, HISTORY)]
    assert write_thumbs(tmp_path / "a.jsonl", thumbs) == 2
    assert read_feedback(tmp_path / "a.jsonl").thumbs == thumbs
    with pytest.raises(ValueError, match="there is no thumb yet"):
        write_thumbs(tmp_path / "b.jsonl", [])


@pytest.mark.parametrize(
    "item",
    [
        {"prompt": "What hour?", "completion": "Noon.", "label": True},
        {"instruction": "What hour?", "output": "Noon.", "kto_tag": "true"},
        {
            "messages": [{"role": "user", "content": "What hour?"}, {"role": "assistant", "content": "Noon."}],
            "label": 1,
        },
        {"question": "What hour?", "response": "Noon.", "rating": "1"},
    ],
)
def test_the_usual_layouts_of_a_single_answer_with_a_label(item, tmp_path):
    assert read_feedback(written(tmp_path / "a.jsonl", item)).thumbs == [THUMB]


def test_a_preference_says_two_things_and_a_tie_none(tmp_path):
    pair = {"prompt": "What hour?", "chosen": "Noon.", "rejected": "No."}
    found = read_feedback(written(tmp_path / "a.jsonl", pair, pair | {"tie": True}))
    assert found.as_thumbs == [THUMB, Thumb("What hour?", "No.", False)] == thumbs_of(found.pairs)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"prompt": "p", "completion": "c", "label": "perhaps"}, "label must be true or false, got 'perhaps'"),
        ({"prompt": "p", "label": True}, "completion missing"),
        ({"completion": "c", "label": True}, "prompt missing"),
        ({"prompt": "p", "completion": " ", "label": True}, "completion is empty"),
    ],
)
def test_a_bad_thumb_is_named_or_left_out(item, sentence, tmp_path):
    path = written(tmp_path / "a.jsonl", item, {"prompt": "What hour?", "completion": "Noon.", "label": True})
    with pytest.raises(ValueError, match=sentence):
        read_feedback(path)
    found = read_feedback(path, skip_bad_lines=True)
    assert found.thumbs == [THUMB] and len(found.recognised.left_out) == 1


# --- Open WebUI -------------------------------------------------------------------------------------------------


def feedback(rating: Any, id: str = "a", siblings: bool = False, snapshot: bool = True) -> dict[str, Any]:
    """A record of an export: a line, its answer, and another model's beside it."""
    messages = {
        "s": {"id": "s", "parentId": None, "role": "user", "content": "Hm?"},
        "t": {"id": "t", "parentId": "s", "role": "assistant", "content": "Yes?"},
        "u": {"id": "u", "parentId": "t", "role": "user", "content": "What hour?"},
        "a": {"id": "a", "parentId": "u", "role": "assistant", "content": "Noon.", "model": "llama"},
    }
    if siblings:
        messages["b"] = {"id": "b", "parentId": "u", "role": "assistant", "content": "No.", "model": "qwen"}
    chat = {"id": "c", "title": "t", "chat": {"history": {"messages": messages, "currentId": "a"}}}
    return {
        "type": "rating",
        "data": {"rating": rating, "model_id": "llama", "reason": "other"},
        "meta": {"message_id": id, "chat_id": "c", "arena": False},
        "snapshot": {"chat": chat} if snapshot else None,
    }


@pytest.mark.parametrize("up", [True, False])
def test_open_webuis_ratings_are_thumbs_or_preferences_over_the_answers_beside(up, tmp_path):
    rating = 1 if up else -1
    found = read_feedback(written(tmp_path / "a.jsonl", feedback(rating), feedback(rating, siblings=True)))
    assert found.thumbs == [Thumb("What hour?", "Noon.", up, HISTORY)]
    answers = ("Noon.", "No.") if up else ("No.", "Noon.")
    assert found.pairs == [Preference("What hour?", *answers, history=HISTORY)]
    layouts = "Open WebUI, thumbs and Open WebUI, one of several answers"
    assert found.recognised.layout == f"{layouts} (JSON lines)"


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (feedback(1, snapshot=False), "export the feedback with its conversations"),
        (feedback(1, id="gone"), "the text of the rated answer is not in it"),
        (feedback(None), "rating must be 1 or -1, got None"),
        (feedback(1, id="s"), "answers no line of the user"),
    ],
)
def test_a_rating_that_cannot_be_used_is_left_out_and_counted(record, sentence, tmp_path):
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps([record, record, feedback(-1)]), encoding="utf-8")
    found = read_feedback(path, skip_bad_lines=True)
    assert len(found.thumbs) == 1 and not found.thumbs[0].up
    assert len(found.recognised.left_out) == 2 and sentence in found.recognised.sentences[0]
