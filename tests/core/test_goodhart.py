"""Goodhart at home: gold that is counted by hand, what a proxy gets out of answers, and when the rule turns."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from core.__main__ import main
from core.goodhart import GoodhartWork, Scale, agreement, best_of, describe, find_turn, planned
from core.method_comparison_file import BEST_OF_N, DIRECTORY, Comparison, Point, Turn, read_comparison, request_stop
from core.method_comparison_settings import GoodhartConfig
from core.preferences.rule_annotators import RULES
from core.rlhf.best_of_n import best_of_n_kl

COUNTS = (20, 24)
SMALL = dict(votes="24, 20", length=0.02, prompts=20, samples=4, device="cpu")


def doubles(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_a_dozen_words_are_counted() -> None:
    rule = RULES["dozen"]
    answers = {"": -12, "No.": -11, "one two three four five six seven eight nine ten eleven twelve": 0, "a " * 20: -8}
    assert {answer: rule.score(answer) for answer in answers} == answers
    assert [rule.holds("w " * count) for count in (8, 9, 12, 15, 16)] == [False, True, True, True, False]


def test_best_of_n_is_worth_what_is_counted_by_hand() -> None:
    gold, proxy, lengths = doubles([1, 5, 3], [2, 2, 8]), doubles([0, 1, 2], [3, 2, 1]), doubles([1, 1, 1], [2, 2, 2])
    measured, by_prompt = best_of(gold, proxy, lengths, 2)
    # Of two of the answers to the first prompt the proxy picks 5, 3 or 3; of two to the second 2, 2 or 2.
    assert by_prompt.tolist() == pytest.approx([11 / 3, 2])
    assert measured.reward.value == pytest.approx((11 / 3 + 2) / 2)
    assert measured.proxy.value == pytest.approx(((1 + 2 + 2) / 3 + (3 + 3 + 2) / 3) / 2)
    assert measured.kl == (math.log(2) - 1 / 2,) * 3
    assert measured.words.value == 1.5


def test_a_proxy_that_is_the_rule_gives_the_same_curve() -> None:
    gold = torch.randn(8, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for n in (1, 2, 4, 6):
        measured, by_prompt = best_of(gold, gold, gold.abs(), n)
        assert measured.reward == measured.proxy
        if n == 6:
            assert torch.allclose(by_prompt, gold.max(1).values)


def test_a_proxy_agrees_where_it_ranks_pairs_as_the_rule_does() -> None:
    gold, proxy = doubles([1, 2, 3], [1, 1, 2], [4, 4, 4]), doubles([1, 2, 0], [0, 9, 0], [1, 2, 3])
    found = agreement(gold, proxy).tolist()  # one pair of three; of the two that the rule decides a half and none
    assert found[:2] == pytest.approx([1 / 3, 1 / 4]) and math.isnan(found[2])
    assert agreement(gold[:1], gold[:1] * 3 - 7).tolist() == [1.0]


def test_scores_are_told_in_standard_deviations_of_the_parents_answers() -> None:
    scores = doubles([1, 3], [5, 7])
    assert Scale.of(scores) == pytest.approx((4, math.sqrt(5)))
    assert Scale.of(scores)(scores).flatten().tolist() == pytest.approx([x / math.sqrt(5) for x in (-3, -1, 1, 3)])
    assert Scale.of(torch.ones(2, 2))(torch.ones(2, 2)).tolist() == [[0, 0], [0, 0]]


def test_where_the_rule_turns_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    start, peak, end = torch.zeros(40), torch.ones(40), torch.tensor([0.0, 0.4, 0.2, 0.6] * 10)
    turn = find_turn("ppo", 20, [(0, start), (5, peak), (9, end)])
    assert (turn.peak, turn.last, turn.prompts) == (5, 9, 40)
    assert turn.fall == pytest.approx(0.7) and turn.fall_low < 0.7 < turn.fall_high and turn.is_real
    climbs = find_turn("ppo", 20, [(0, start), (5, end), (9, peak)])
    assert (climbs.peak, climbs.fall) == (9, 0) and not climbs.is_real
    lucky = torch.zeros(40)
    lucky[::2] = 3  # high on one half, by which it is chosen; on the other half it is worth nothing
    assert find_turn("ppo", 20, [(0, start), (5, lucky), (9, start)]).fall == 0


def test_chance_alone_hardly_ever_turns() -> None:
    made = torch.Generator().manual_seed(0)
    curves = [[(step, torch.randn(64, generator=made)) for step in range(6)] for _ in range(400)]
    assert sum(find_turn("ppo", 20, curve).is_real for curve in curves) <= 20, "5 % at most, of both sides 2.5 %"


def test_what_came_of_it_is_told_from_the_figures() -> None:
    real = Turn("ppo", 20, 27, 120, 0.8, 0.4, 1.2, 32)
    doubtful = Turn(BEST_OF_N, 200, 8, 32, 0.05, -0.1, 0.2, 32)
    climbs = Turn(BEST_OF_N, 60, 32, 32, 0.0, 0.0, 0.0, 32)

    def told(*turns: Turn) -> list[str]:
        return describe(Comparison(GoodhartConfig(), "p", "", "finished", "", "", [], [], "goodhart", turns=[*turns]))

    assert told(real) == [
        "PPO, 20 votes: the rule's score turns; from step 27 to step 120 it changes by -0.80 (-1.20 to -0.40; "
        "32 prompts) standard deviations."
    ]
    one, other, all_together = told(doubtful, climbs)
    assert one.startswith(
        "Best-of-n, 200 votes: no turn beyond chance; from n = 8 to n = 32 it changes by -0.05 (-0.20"
    )
    assert other == "Best-of-n, 60 votes: the rule's score is highest at the end, n = 32: it has not turned."
    assert all_together.startswith("So the rule's score has turned nowhere here")
    assert told() == [], "nothing is said before anything is known"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"votes": "20, few"}, "votes must be at most 6 numbers from 20 to 5,000 with commas .* got '20, few'"),
        ({"votes": ""}, "votes must be at most 6 numbers"),
        ({"votes": "2, 60"}, "votes must be at most 6 numbers from 20"),
        ({"votes": "20,30,40,50,60,70,80"}, "votes must be at most 6 numbers"),
        ({"rule": "question"}, "only says yes or no, .*: choose a rule that counts, one of shorter, dozen"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GoodhartConfig.from_dict(changes)


def test_few_votes_are_not_read_often_and_twelve_minutes_suffice() -> None:
    parts = planned(GoodhartConfig())
    totals = {(part.name, part.votes): part.total for part in parts}
    assert [totals["reward", votes] for votes in (20, 60, 200)] == [25, 75, 100]
    assert sum(part.expected for part in parts) < 12 * 60
    until = next(place for place, part in enumerate(parts) if part.name == "reward")
    assert sum(part.expected for part in parts[: until + 1]) < 2 * 60, "until best-of-n shows"


# --- a small one ----------------------------------------------------------------------------------------------


def command(place: Path, **changes: object) -> int:
    given = {"directory": place, "parent": place / "parent"} | SMALL | changes
    return main(["goodhart", "small", *(word for name, value in given.items() for word in (f"--{name}", str(value)))])


class Killed(BaseException):
    pass


def kill(directory: Path) -> None:
    raise Killed


@contextmanager
def at_the_first_policy(then: Callable[[Path], None]) -> Iterator[None]:
    """Do that when PPO's policy against the first reward model has been measured once."""
    usual = GoodhartWork.add

    def add(self: GoodhartWork, method: str, *found: Any, **more: Any) -> None:
        usual(self, method, *found, **more)
        if method == "ppo":
            then(self.directory)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GoodhartWork, "add", add)
        yield


def resume(place: Path) -> Comparison:
    assert main(["goodhart", "small", "--directory", str(place), "--resume"]) == 0
    return read_comparison(place / DIRECTORY / "small")


@pytest.fixture(scope="module")
def cut_off(place: Path, few_prompts: None) -> Comparison:
    with at_the_first_policy(kill), pytest.raises(Killed):
        command(place)
    return read_comparison(place / DIRECTORY / "small")


@pytest.fixture(scope="module")
def stopped(place: Path, cut_off: Comparison) -> Comparison:
    """It went on, and a person did not want to wait for the end."""
    with at_the_first_policy(request_stop):
        return resume(place)


@pytest.fixture(scope="module")
def resumed(place: Path, stopped: Comparison) -> Comparison:
    return resume(place)


@pytest.mark.slow
def test_one_that_was_cut_off_or_stopped_goes_on_with_the_part_at_which_it_was(
    cut_off: Comparison, stopped: Comparison, resumed: Comparison
) -> None:
    assert [part.name for part in cut_off.parts if not part.ended] == ["ppo", "ppo"]
    assert [point.method for point in cut_off.points].count("ppo") == 1
    assert stopped.state == "stopped" and len(stopped.points) == len(cut_off.points)
    before = len([part for part in cut_off.parts if part.ended])
    for later in (stopped, resumed):
        assert later.parts[:before] == cut_off.parts[:before], "what had ended is not done again"
    assert (resumed.state, resumed.message, all(part.ended for part in resumed.parts)) == ("finished", "", True)
    assert [(point.method, point.votes, point.strength) for point in resumed.points] == [
        *((BEST_OF_N, votes, n) for votes in (0, *COUNTS) for n in (1, 2, 4)),
        *(("ppo", votes, step) for votes in COUNTS for step in (1, 2)),
    ]
    assert [(turn.method, turn.votes) for turn in resumed.turns] == [
        *((BEST_OF_N, votes) for votes in COUNTS),
        *(("ppo", votes) for votes in COUNTS),
    ]
    assert [proxy.votes for proxy in resumed.proxies] == list(COUNTS)


@pytest.mark.slow
def test_every_point_is_on_the_scale_of_the_parents_answers(resumed: Comparison, place: Path) -> None:
    def of(method: str, votes: int) -> list[Point]:
        return [point for point in resumed.points if (point.method, point.votes) == (method, votes)]

    for votes in (0, *COUNTS):
        one, two, four = of(BEST_OF_N, votes)
        assert (one.reward, one.proxy) == pytest.approx((0, 0), abs=1e-6)
        assert one.proxy < two.proxy < four.proxy
        assert [point.kl for point in (one, two, four)] == [best_of_n_kl(n) for n in (1, 2, 4)]
    assert [point.reward for point in of(BEST_OF_N, 0)] == [point.proxy for point in of(BEST_OF_N, 0)]
    for votes in COUNTS:
        for point in of("ppo", votes):
            assert point.kl > 0 and point.reward_low < point.reward < point.reward_high and point.prompts == 20
            assert point.proxy_low < point.proxy < point.proxy_high
    assert resumed.gold_std > 0 > resumed.gold_mean
    kept = {path.name for path in (place / DIRECTORY / "small").iterdir() if not path.name.startswith(".")}
    assert kept == {"comparison.json"}


@pytest.mark.slow
def test_one_that_has_ended_is_not_resumed(
    resumed: Comparison, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["goodhart", "small", "--directory", str(place), "--resume"]) == 1
    assert "small was finished: begin a new one" in capsys.readouterr().err
    assert main(["goodhart", "other", "--directory", str(place), "--resume"]) == 1
    assert "there is no comparison called other in" in capsys.readouterr().err


def test_a_base_model_is_no_parent(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place, parent=place / "base") == 1
    assert "base does not answer in turns: fine-tune it on instructions first" in capsys.readouterr().err
