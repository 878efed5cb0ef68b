"""Bradley-Terry scores: against the closed form for two, known strengths, and what votes cannot tell."""

import math
import random

import pytest

from core.datasets.preference_files import OVERALL
from core.preferences.agreement import model_wins
from core.preferences.arena import groups, outcomes, results, standings
from core.preferences.vote_store import Answer, NewPair, Votes


def test_of_two_models_the_score_is_the_log_of_the_odds():
    played = [("a", "b", 1.0)] * 29 + [("a", "b", 0.0)] * 9  # and half a win for each beside them
    first, second = standings(played)
    assert (first.model, second.model) == ("a", "b") and first.votes == 38
    assert first.score - second.score == pytest.approx(math.log(29.5 / 9.5), abs=1e-4)
    assert first.score + second.score == pytest.approx(0, abs=1e-6)


def test_who_stood_on_which_side_does_not_matter_and_a_tie_is_half_a_win():
    played = [("a", "b", 1.0)] * 5 + [("a", "b", 0.5)] * 2
    turned = [("b", "a", 0.0)] * 5 + [("b", "a", 0.5)] * 2
    assert standings(played)[0].score == pytest.approx(standings(turned)[0].score, abs=1e-6)
    halves = [("a", "b", 1.0)] * 6 + [("a", "b", 0.0)]
    assert standings(played)[0].score == pytest.approx(standings(halves)[0].score, abs=1e-6)


def test_known_strengths_are_found_within_their_intervals():
    chance, strength = random.Random(1), {"weak": -1.0, "middle": 0.0, "strong": 1.0}
    played = []
    for _ in range(1500):
        a, b = chance.sample(sorted(strength), 2)
        played.append((a, b, float(chance.random() < 1 / (1 + math.exp(strength[b] - strength[a])))))
    found = {one.model: one for one in standings(played)}
    assert list(found) == ["strong", "middle", "weak"]
    for model, one in found.items():
        assert one.low <= strength[model] <= one.high and one.high - one.low < 0.5


def test_five_wins_of_five_leave_doubt():
    first, second = standings([("a", "b", 1.0)] * 5)
    doubt = 1.959964 * math.sqrt(1 / 5.5 + 1 / 0.5)  # of the difference; the prior is half a win and half a loss
    assert first.score - second.score == pytest.approx(math.log(11), abs=1e-4)
    assert first.high - first.low == pytest.approx(doubt, abs=1e-3) and first.low < 0 < first.high


@pytest.mark.parametrize("n_votes", [1, 5, 10, 20, 50])
@pytest.mark.parametrize("strength", [(-1.0, 1.0), (-1.0, -0.3, 0.3, 1.0)])
def test_intervals_hold_the_truth_however_few_the_votes(n_votes, strength):
    chance, n = random.Random(n_votes), len(strength)
    truth = {str(i): one - sum(strength) / n for i, one in enumerate(strength)}
    covered = []
    for _ in range(300):
        met = [chance.sample(sorted(truth), 2) for _ in range(n_votes)]
        played = [(a, b, float(chance.random() < 1 / (1 + math.exp(truth[b] - truth[a])))) for a, b in met]
        if [len(group) for group in groups(played)] == [n]:  # scores are relative to those of the same group
            covered += [one.low <= truth[one.model] <= one.high for one in standings(played)]
    assert sum(covered) >= 0.87 * len(covered), f"{sum(covered)} of {len(covered)}"  # 89.4 % at 5 votes between two


def test_models_that_never_met_stand_in_groups_of_their_own():
    played = [("a", "b", 1.0), ("b", "c", 1.0), ("x", "y", 0.5)]
    assert groups(played) == [["a", "b", "c"], ["x", "y"]]
    found = standings(played)
    assert [(one.model, one.group) for one in found] == [("a", 0), ("b", 0), ("c", 0), ("x", 1), ("y", 1)]
    assert all(math.isfinite(value) for one in found for value in (one.score, one.low, one.high))
    assert standings([]) == []


def test_wins_and_ties_are_counted_from_both_sides():
    played = [("a", "b", 1.0), ("b", "a", 1.0), ("b", "a", 0.0), ("a", "b", 0.5), ("b", "c", 0.5)]
    assert outcomes(["a", "b", "c"], played) == [
        [(0, 0), (2, 1), (0, 0)],
        [(1, 1), (0, 0), (0, 1)],
        [(0, 0), (0, 1), (0, 0)],
    ]


def test_only_votes_of_people_between_two_models_count(tmp_path):
    votes = Votes(tmp_path / "preferences.db")

    def vote(left, right, choice, source="arena", criterion=OVERALL, dial=1.0):
        (pair,) = votes.add_pairs([NewPair("p", Answer("x", left, dial=dial), Answer("y", right), {}, source)])
        votes.cast(f"{left}{right}{choice}{source}{criterion}", pair, "me", choice, 1, criterion=criterion)

    for left, right, choice in (
        ("a", "b", "left"),
        ("b", "a", "left"),
        ("a", "b", "bad"),
        ("a", "b", "skip"),
        ("a", "a", "left"),
    ):
        vote(left, right, choice)
    vote("a", "b", "right", "chat")
    vote("a", "b", "right", "rule")
    vote("a", "b", "right", "compare", "obeys")  # who obeys better need not be better
    vote("", "", "right", "import")
    vote("", "b", "left", "chat")  # of one that is not known, nothing is told
    assert results(votes.standing()) == [("a", "b", 1.0), ("b", "a", 1.0), ("a", "b", 0.5), ("a", "b", 0.0)]
    before = model_wins(votes.standing(), "a", "b")
    vote("a", "b", "right", dial=0.5)
    assert results(votes.standing())[-1] == ("a (dial 0.5)", "b", 0.0)
    assert model_wins(votes.standing(), "a", "b") == before, "by what it is not, a model is not judged"
    assert model_wins(votes.standing(writer="a (dial 0.5)"), "b", "a (dial 0.5)").share == 1
