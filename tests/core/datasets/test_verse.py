"""Syllables, metre and rhyme: lines that everyone scans alike."""

import pytest

from core.datasets.verse import estimated_syllables, metre, pronunciations, rhyme, rhymes, stresses

PERFECT = [
    "Shall I compare thee to a summer's day",
    "But soft what light through yonder window breaks",
    "If music be the food of love play on",
    "That time of year thou mayst in me behold",
]


@pytest.mark.parametrize("line", PERFECT)
def test_pentameters_scan(line):
    assert metre(line) == pytest.approx(1.0)


def test_what_is_no_pentameter_scores_less_the_farther_it_is_from_one():
    assert metre("") == metre("O!") == 0.0
    short, shorter = metre("What light through yonder window breaks"), metre("What light through yonder window")
    assert 0 < shorter < short < 1
    trochees = metre("Tyger tyger burning bright in forests dark")
    assert trochees < 0.9, "ten or so syllables, but stressed the other way round"


@pytest.mark.parametrize(
    ("word", "count"),
    [("love", 1), ("lov'd", 1), ("o'er", 1), ("banish'd", 2), ("prithee", 2), ("little", 2), ("hath", 1)],
)
def test_syllables_of_unknown_words_are_estimated_from_their_letters(word, count):
    assert estimated_syllables(word) == count


def test_stress_is_read_from_the_dictionary():
    assert [1, 0] in [stresses(one) for one in pronunciations("window")]
    assert pronunciations("petruchio-like") == []


def test_rhyme_needs_two_words_that_sound_alike_from_the_stress_on():
    assert rhymes("day", "play") and rhymes("behold", "cold") and rhymes("breaking", "waking")
    assert not rhymes("day", "day") and not rhymes("day", "night") and not rhymes("day", "prithee-hoo")


def test_the_share_of_the_lines_that_rhyme_with_the_one_beside_them():
    couplet = ["The king is old", "the night is cold", "and I am here"]
    assert rhyme(couplet) == pytest.approx(2 / 3)
    assert rhyme(couplet[:1]) == rhyme([]) == 0.0
