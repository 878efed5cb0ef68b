"""Progress in the lessons: kept over a restart, and a damaged file loses nothing in silence."""

from pathlib import Path

import pytest

from playground.tabs.learn.progress import FILE, ProgressStore


def test_what_was_predicted_and_shown_is_there_after_a_restart(tmp_path: Path) -> None:
    store = ProgressStore(tmp_path)
    store.predict("tokens", "letters", "one")
    store.predict("scores", "spread", [[4.0, 2.0], [16.0, 4.0]])
    store.finish("tokens", "letters", "bard", {"outcome": "one"})
    again = ProgressStore(tmp_path)
    assert again.of("tokens", "letters") == {"prediction": "one", "model": "bard", "shown": {"outcome": "one"}}
    assert again.of("scores", "spread") == {"prediction": [[4.0, 2.0], [16.0, 4.0]]}
    assert again.of("scores", "gradient") == {} and again.trouble == ""


def test_a_new_prediction_forgets_what_was_measured_for_the_old_one(tmp_path: Path) -> None:
    store = ProgressStore(tmp_path)
    for lesson, step in (("tokens", "letters"), ("tokens", "numbers"), ("tokens-again", "letters")):
        store.predict(lesson, step, 1.0)
        store.finish(lesson, step, "bard", {})
    store.predict("tokens", "letters", 2.0)
    assert store.of("tokens", "letters") == {"prediction": 2.0}
    store.forget("tokens", "numbers")
    assert set(ProgressStore(tmp_path).steps) == {"tokens/letters", "tokens-again/letters"}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"steps": []}', '{"steps": {"a/b": 1}}', '{"steps": {"a/b": {}}}', "{}"]
)
def test_a_damaged_file_is_put_aside_and_named(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{FILE}.damaged-1").write_text("an earlier one")
    (tmp_path / FILE).write_text(content)
    store = ProgressStore(tmp_path)
    assert store.trouble == f"{FILE} was damaged: it is kept as {FILE}.damaged-2, and progress begins anew."
    assert (tmp_path / f"{FILE}.damaged-2").read_text() == content
    store.predict("tokens", "letters", "one")
    assert ProgressStore(tmp_path).of("tokens", "letters") == {"prediction": "one"}


def test_where_nobody_may_write_progress_lasts_as_long_as_the_playground(tmp_path: Path) -> None:
    store = ProgressStore(tmp_path / "gone")  # no directory: writing fails as it does where it is forbidden
    store.predict("tokens", "letters", "one")
    assert store.of("tokens", "letters") == {"prediction": "one"}
    assert store.trouble.startswith("Progress is not kept when the playground ends: ")
