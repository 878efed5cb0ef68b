"""Thumbs beside votes in one file, which files of earlier versions get when they are opened."""

import sqlite3

import pytest

from core.datasets.preference_files import Preference
from core.datasets.thumbs import Thumb
from core.preferences.vote_store import Answer, NewPair, Votes

UP, DOWN = Thumb("Who?", "I.", True), Thumb("Who?", "He.", False, (("user", "Hm?"), ("assistant", "Yes?")))


def test_a_thumb_stands_until_it_is_taken_back(tmp_path):
    votes = Votes(tmp_path / "p.db")
    one = votes.thumbs.press("a", UP, "me", "bard")
    assert votes.thumbs.press("a", UP, "me", "bard") == one
    votes.thumbs.press("b", DOWN, "you")
    assert votes.thumbs.all() == [UP, DOWN] and votes.thumbs.all(["you"]) == [DOWN]
    votes.rename_model("bard", "poet")
    assert [thumb.model for thumb in votes.thumbs.standing()] == ["poet", ""]
    votes.thumbs.withdraw("c", one)
    votes.thumbs.withdraw("d", one)
    assert Votes(tmp_path / "p.db").thumbs.all() == [DOWN]


def test_a_file_of_an_earlier_version_keeps_its_votes_and_gets_thumbs(tmp_path):
    path = tmp_path / "p.db"
    Votes(path).import_preferences([Preference("Who?", "I.", "He.")], "me")
    with sqlite3.connect(path) as connection:  # as it was before there were thumbs
        connection.executescript("DROP VIEW standing_thumbs; DROP TABLE thumb_withdrawals; DROP TABLE thumbs;")
    votes = Votes(path)
    assert len(votes.preferences()) == 1 and votes.thumbs.all() == []
    votes.thumbs.press("a", UP, "me")
    assert votes.thumbs.all() == [UP]


def test_what_a_file_says_twice_is_kept_twice_and_what_is_there_is_left_out(tmp_path):
    votes = Votes(tmp_path / "p.db")
    assert votes.thumbs.add([UP, UP, DOWN], "file") == 3
    assert votes.thumbs.add([UP, UP, UP, DOWN], "file") == 1
    assert len(votes.thumbs.all()) == 4


def test_a_thumb_without_a_name_or_an_answer_is_refused(tmp_path):
    thumbs = Votes(tmp_path / "p.db").thumbs
    with pytest.raises(ValueError, match="the annotator has no name"):
        thumbs.press("a", UP, " ")
    with pytest.raises(ValueError, match="this answer is empty"):
        thumbs.press("a", Thumb("Who?", " ", True), "me")
    with pytest.raises(ValueError, match="there is no thumb number 7"):
        thumbs.withdraw("a", 7)


def test_an_edited_answer_is_a_vote_and_an_example_to_imitate(tmp_path):
    votes = Votes(tmp_path / "p.db")
    pair = votes.add_pairs([NewPair("Who?", Answer("He."), Answer("It is I."), {}, "edit")])[0]
    votes.cast("a", pair, "me", "right", 0)
    assert votes.preferences() == [Preference("Who?", "It is I.", "He.")]
    assert votes.edits() == [[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "It is I."}]]
