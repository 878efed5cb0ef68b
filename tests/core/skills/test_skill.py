"""When a skill counts as learned: on series made by hand, and shares of texts whose words are alike."""

import random

import pytest

from core.skills.skill import Seen, Skill, Which, find_births, merge, share

SPELLS = Which("spells")
SKILLS = {"spells": Skill("spells", "spelling", "It spells.", "words are real", bar=0.5, floor=0.25)}
LOW, HIGH, BETWEEN, NOTHING = (0.0, 0.1), (0.6, 0.9), (0.2, 0.7), None


def series(*intervals: tuple[float, float] | None) -> dict[Which, list[Seen]]:
    return {
        SPELLS: [
            Seen(10 * i, None, 0.0, 1.0) if found is None else Seen(10 * i, sum(found) / 2, *found)
            for i, found in enumerate(intervals)
        ]
    }


@pytest.mark.parametrize(
    ("intervals", "steps"),
    [
        ((LOW, LOW, HIGH, HIGH), (10, 20, 30)),
        ((LOW, BETWEEN, HIGH, HIGH, HIGH), (0, 20, 30)),  # before: the last one at which it certainly was not there
        ((LOW, HIGH, BETWEEN, HIGH, HIGH), (0, 30, 40)),  # two in a row, and between them nothing is certain
        ((LOW, HIGH, HIGH, BETWEEN), (0, 10, 20)),
        ((NOTHING, HIGH, HIGH), (0, 10, 20)),
        ((LOW, NOTHING, BETWEEN, HIGH, HIGH), (10, 30, 40)),
    ],
)
def test_it_is_learned_where_two_in_a_row_are_above_and_one_before_was_below(intervals, steps):
    (birth,) = find_births(series(*intervals), SKILLS).born
    assert (birth.before.step, birth.first.step, birth.again.step) == steps


@pytest.mark.parametrize(
    "intervals",
    [
        (),
        (HIGH,),
        (LOW, HIGH),  # one evaluation may be luck
        (HIGH, HIGH, HIGH),  # it could do that before
        (BETWEEN, HIGH, HIGH),  # so it may have
        (LOW, HIGH, LOW, HIGH),
        (LOW, BETWEEN, BETWEEN, BETWEEN),
        (HIGH, HIGH, LOW, LOW),
    ],
)
def test_noise_and_what_was_there_before_are_not_announced(intervals):
    found = find_births(series(*intervals), SKILLS)
    assert (found.born, found.unsteady) == ([], [])


def test_what_comes_and_goes_is_told_apart():
    found = find_births(series(LOW, HIGH, HIGH, LOW, HIGH, HIGH), SKILLS)
    assert (found.born, found.unsteady) == ([], [SPELLS])


def test_of_a_step_that_was_evaluated_twice_the_last_one_counts_and_the_order_is_that_of_steps():
    first, again = series(LOW, HIGH, HIGH), {SPELLS: [Seen(10, 0.0, 0.0, 0.1)]}
    assert [seen.low for seen in merge([first, again])[SPELLS]] == [0.0, 0.0, 0.6]
    late = {SPELLS: first[SPELLS][::-1]}
    assert [seen.step for seen in merge([late])[SPELLS]] == [0, 10, 20]


def test_a_share_of_independent_words_has_wilsons_interval_and_one_of_words_that_are_alike_a_wider_one():
    apart = share(0, [5] * 16, [10] * 16)
    assert (apart.value, apart.count, apart.of) == (0.5, 80, 160)
    assert apart.low == pytest.approx(0.4234, abs=1e-4) and apart.high == pytest.approx(0.5766, abs=1e-4)
    alike = share(0, [10, 0] * 8, [10] * 16)  # either all of a text's words or none
    assert alike.low == pytest.approx(0.27, abs=0.02)  # about Wilson's of 8 in 16: 0.28
    alone = share(0, [80], [160])
    assert alone.low == pytest.approx(0.3928, abs=1e-3)  # Wilson's of 40 in 80
    assert share(0, [0, 0], [0, 0]).value is None


@pytest.mark.parametrize("p", [0.2, 0.6, 0.9])
def test_the_interval_of_a_share_covers_it_though_the_words_of_a_text_are_alike(p):
    chance = random.Random(1)

    def covers() -> bool:
        rates = [chance.betavariate(8 * p, 8 * (1 - p)) for _ in range(16)]  # an intraclass correlation of 1/9
        found = share(0, [sum(chance.random() < rate for _ in range(10)) for rate in rates], [10] * 16)
        return found.low <= p <= found.high

    assert sum(covers() for _ in range(1000)) / 1000 >= 0.92
