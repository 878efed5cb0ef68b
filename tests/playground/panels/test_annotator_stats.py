"""What is said of votes: hits, surprise, habits and agreement, in numbers worked by hand and in the right sentence."""

import pytest

from core.preferences.vote_store import CHOICES, Answer, Pair, Vote
from playground.panels.voting.annotator_stats import consistency, pairwise_kappas, prediction_accuracy, score_prediction
from playground.panels.voting.panel import controls, name, vote_feedback

SHORT, LONG = "Ay.", "Nay, and nay again, good sir."


def given(
    id: int,
    choice: str,
    predicted: float | None = None,
    annotator: str = "me",
    left: str = SHORT,
    right: str = LONG,
    swaps: int | None = None,
    pair: int | None = None,
    models: tuple[str, str] = ("one", "one"),
) -> Vote:
    answers = Answer(left, models[0], 1), Answer(right, models[1], 2)
    shown = Pair("Who?", *answers, {}, "label", swaps, pair or id)
    return Vote(id, shown, annotator, choice, 3210, "", predicted, "2026-01-01T00:00:00Z")


def test_a_hit_a_miss_and_a_tie_come_with_their_surprise_in_bits():
    assert score_prediction(given(1, "left", 0.75)) == {
        "expected": "left",
        "probability": 0.75,
        "right": True,
        "bits": pytest.approx(0.4150, abs=1e-4),  # -log2(3/4)
    }
    assert score_prediction(given(1, "right", 0.75))["bits"] == pytest.approx(2.0)  # type: ignore[index]
    assert score_prediction(given(1, "tie", 0.25)) == {
        "expected": "right",
        "probability": 0.75,
        "right": None,
        "bits": None,
    }
    assert score_prediction(given(1, "skip", 0.75)) is score_prediction(given(1, "left")) is None


def test_the_sentence_after_a_vote():
    said = vote_feedback(given(1, "left", 0.81))
    assert said["text"] == (
        "You chose A after 3.2 s. The taste predictor expected A (81 %): right, 0.3 bits of surprise."
    )
    assert (said["mood"], said["names"]) == ("right", "")
    blind = vote_feedback(given(1, "bad", models=("one", "two")))
    assert (blind["text"], blind["names"]) == ("You chose both bad after 3.2 s.", "A was one, B was two.")
    assert "not counted twice" in vote_feedback(None)["text"]


def test_the_hit_rate_counts_decided_votes_that_were_predicted():
    votes = [
        given(1, "left"),
        given(2, "left", 0.9),
        given(3, "right", 0.9),
        given(4, "tie", 0.9),
        given(5, "right", 0.2),
    ]
    found = prediction_accuracy(votes)
    assert found["hits"] == [True, False, True]
    assert found["course"] == pytest.approx([1, 1 / 2, 2 / 3])
    assert found["bits"] == pytest.approx((0.1520 + 3.3219 + 0.3219) / 3, abs=1e-3)
    assert found["low"] == pytest.approx(0.2077, abs=1e-3) and found["high"] == pytest.approx(0.9385, abs=1e-3)
    assert prediction_accuracy(votes[:1])["hits"] == []


def test_a_person_who_always_takes_the_left_is_told_so_and_so_is_one_who_takes_the_longer():
    lazy = consistency([given(i, "left", left=(SHORT, LONG)[i % 2], right=(LONG, SHORT)[i % 2]) for i in range(1, 21)])
    assert (lazy[1]["share"], lazy[1]["count"]) == (1.0, 20) and "lean to the left" in lazy[1]["sentence"]
    assert (lazy[2]["share"], lazy[2]["count"]) == (0.5, 20) and "No sign" in lazy[2]["sentence"]
    wordy = consistency(
        [given(i, ("left", "right")[i % 2], left=(LONG, SHORT)[i % 2], right=(SHORT, LONG)[i % 2]) for i in range(20)]
    )
    assert "lean to the longer" in wordy[2]["sentence"] and "No sign" in wordy[1]["sentence"]


def test_agreement_with_oneself_is_about_answers_not_sides():
    first = [given(i, "left") for i in range(1, 11)]
    same = [given(20 + i, "right", left=LONG, right=SHORT, swaps=i) for i in range(1, 11)]
    assert consistency(first + same)[0]["share"] == 1.0
    stuck = [given(20 + i, "left", left=LONG, right=SHORT, swaps=i) for i in range(1, 11)]
    assert consistency(first + stuck)[0]["share"] == 0.0
    assert "share" not in consistency(first)[0] and "none has been voted on twice" in consistency(first)[0]["sentence"]


def test_kappa_is_told_for_any_two_who_voted_on_the_same_pairs():
    # Ann: 10 A, 10 B. Ben agrees on 8 and 7 of them: observed 0.75, by chance 0.5, kappa 0.5.
    ann = [given(i, "left" if i <= 10 else "right", annotator="Ann", pair=i) for i in range(1, 21)]
    ben = [
        given(100 + i, "left" if i <= 8 or i in (11, 12, 13) else "right", annotator="Ben", pair=i)
        for i in range(1, 21)
    ]
    found = pairwise_kappas([*ann, *ben, given(900, "left", annotator="Cleo")])
    assert [(row["a"], row["b"], row["count"]) for row in found] == [("Ann", "Ben", 20)]
    assert found[0]["kappa"] == pytest.approx(0.5) and found[0]["sentence"] == "moderate agreement"


def test_an_annotators_name_is_one_short_line():
    assert name("  Ann\n of  the Thousand ") == "Ann of the Thousand"
    assert name(" \n") == "me"
    assert len(name("x" * 1000)) == 60


def test_the_page_is_told_every_choice_with_keys_of_its_own_and_what_a_name_may_be():
    sent = controls()
    assert [one["choice"] for one in sent["choices"]] == list(CHOICES)
    first = {"choice": "left", "text": "A is better", "keys": ["1", "ArrowLeft"], "hint": "1 or ←", "graded": True}
    assert sent["choices"][0] == first
    assert [one["graded"] for one in sent["choices"]] == [True, True, False, False, False]
    keys = [key for one in sent["choices"] for key in one["keys"]]
    assert len(keys) == len(set(keys))
    assert name(" ") == sent["nobody"] and len(name("x" * 1000)) == sent["longestName"]
