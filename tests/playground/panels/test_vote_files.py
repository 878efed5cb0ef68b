"""Votes as something to learn from: whose, whether they suffice, and the file that a training reads."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from core.datasets.preference_files import OVERALL, Preference, read_preferences, write_preferences
from core.preferences.vote_store import Answer, NewPair, Votes
from playground.panels.stage_form.vote_files import EVERYONE, describe_votes, read_votes, vote_choices, write_votes

PAIRS = [Preference(f"Question {i}?", f"good {i}", f"bad {i}") for i in range(40)]


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path / "preferences.db")


def test_everyone_and_each_annotator_are_offered_with_their_counts(votes: Votes) -> None:
    assert vote_choices(votes) == [("all votes (0)", EVERYONE)]
    votes.import_preferences(PAIRS[:3], "me")
    votes.import_preferences(PAIRS[:5], "rule: question", "rule")
    assert vote_choices(votes) == [
        ("all votes (8)", EVERYONE),
        ("votes by rule: question (5)", "votes by rule: question"),
        ("votes by me (3)", "votes by me"),
    ]
    assert read_votes(votes, "votes by me") == PAIRS[:3]
    assert len(read_votes(votes, EVERYONE)) == 8


def test_votes_by_several_criteria_are_offered_apart_as_well(votes: Votes) -> None:
    ids = votes.add_pairs([NewPair(f"p{n}", Answer("a", "m"), Answer("b", "m"), {}, "label") for n in range(3)])
    for id, criterion in zip(ids, (OVERALL, "character", "character"), strict=True):
        votes.cast(f"k{id}", id, "on character by me", "left", 1, criterion=criterion)
    offered = vote_choices(votes)
    assert offered[2:] == [
        ("all votes, overall (1)", "votes on overall"),
        ("votes by on character by me, overall (1)", "votes on overall by on character by me"),
        ("all votes, in character (2)", "votes on character"),
        ("votes by on character by me, in character (2)", "votes on character by on character by me"),
    ]
    counts = {name: len(read_votes(votes, name)) for _, name in offered}
    assert list(counts.values()) == [3, 3, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([], "there are no votes yet: give some in the Label tab, load the example set there"),
        ([Preference("a", "b", "c", tie=True)] * 3, "3 votes, and none of them says that one answer is better"),
        ([Preference("a", "b", "c"), Preference("a", "d", "e")], "2 votes with a better answer, on one prompt only"),
    ],
)
def test_votes_from_which_nothing_can_be_learned_are_refused_in_words(pairs: list[Preference], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        describe_votes(pairs)


def test_few_votes_are_taken_with_a_warning_and_many_are_counted() -> None:
    assert describe_votes(PAIRS[:2]).startswith("2 votes on 2 prompts, no ties. So few can be learned by heart")
    tie = Preference(PAIRS[0].prompt, "one", "other", tie=True)
    assert describe_votes([*PAIRS, tie]) == "41 votes on 40 prompts, 1 tie."
    graded = [replace(PAIRS[0], margin=1.0), *PAIRS]
    assert describe_votes(graded).endswith("no ties. 1 vote says how much better, which margin can use.")


def test_the_file_is_called_by_its_content_and_holds_ties(votes: Votes, tmp_path: Path) -> None:
    votes.import_preferences([*PAIRS[:4], Preference("Tie?", "one", "other", tie=True)], "me")
    votes.import_preferences(PAIRS[4:9], "you")
    path = Path(write_votes(votes, "votes by me", tmp_path / "data"))
    assert path.parent == tmp_path / "data"
    assert path.name == f"votes-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.jsonl"
    assert read_preferences(path).pairs == read_votes(votes, "votes by me")
    assert sum(pair.tie for pair in read_preferences(path).pairs) == 1
    assert write_votes(votes, "votes by me", tmp_path / "data") == str(path), "the same votes are the same file"
    assert write_votes(votes, EVERYONE, tmp_path / "data") != str(path)
    assert len(list((tmp_path / "data").iterdir())) == 2, "nothing else is left there"


def test_a_file_of_ones_own_is_taken_as_it_is_and_no_votes_make_no_file(votes: Votes, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    write_preferences(own, PAIRS[:6])
    assert write_votes(votes, str(own), tmp_path / "data") == str(own)
    assert read_votes(votes, str(own)) == PAIRS[:6]
    with pytest.raises(ValueError, match="there are no votes yet"):
        write_votes(votes, EVERYONE, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(ValueError, match="choose the votes"):
        read_votes(votes, "")
