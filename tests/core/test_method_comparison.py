"""A comparison of methods: what it measures and costs, what is kept of it, and how it ends."""

import json
import math
import os
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.__main__ import main
from core.atomic_files import remove
from core.method_comparison import create, run
from core.method_comparison_file import (
    BEST_OF_N,
    DIRECTORY,
    FILE,
    Comparison,
    Part,
    Point,
    comparisons,
    last_points,
    look_at_comparison,
    prices,
    read_comparison,
    request_stop,
    seconds_left,
    write_comparison,
)
from core.method_comparison_settings import MethodsConfig
from core.method_points import Evaluator, mean, share
from core.preferences.agreement import wilson
from core.preferences.rule_annotators import RULES
from core.stages.registry import STAGES
from core.training.run_directory import hold_device

SMALL = dict(votes=20, length=0.05, prompts=20, samples=4, rule="shorter", device="cpu")
METHODS = (BEST_OF_N, "dpo", "dial", "steering", "grpo", "ppo")


def settings(place: Path, **changes: object) -> MethodsConfig:
    return MethodsConfig.from_dict(SMALL | {"parent": str(place / "parent")} | changes)


@pytest.fixture(scope="module")
def finished(place: Path, few_prompts: None) -> dict[str, list[Point]]:
    """The points of one, by method; it is made by the command line."""
    given = {"directory": place, "parent": place / "parent"} | SMALL
    flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert main(["compare-methods", "small", *flags]) == 0
    found = read_comparison(place / DIRECTORY / "small")
    assert found.state == "finished" and all(part.ended for part in found.parts)
    return {method: [point for point in found.points if point.method == method] for method in METHODS}


@pytest.mark.slow
def test_every_method_is_measured_at_several_strengths(finished: dict[str, list[Point]]) -> None:
    assert [[point.strength for point in finished[method]] for method in METHODS] == [
        [1, 2, 4],
        [1, 2, 3],  # DPO's own 60 steps, times the length
        [25, 50, 100, 150, 200],
        [100, 200, 400, 600, 800],
        [1, 2, 3],
        [1, 2, 3, 6],
    ]
    for point in (point for some in finished.values() for point in some):
        assert point.prompts == 20 and point.reward_low <= point.reward <= point.reward_high
        assert point.kl_low <= point.kl <= point.kl_high and point.words_low < point.words < point.words_high
    assert all(point.kl > 0 for method in METHODS[1:] for point in finished[method])
    one, two, four = finished[BEST_OF_N]
    assert one.reward < two.reward < four.reward and one.words > two.words > four.words, "shorter is what is picked"


@pytest.mark.slow
def test_the_dial_at_one_is_what_dpo_has_made(finished: dict[str, list[Point]]) -> None:
    child, dial = finished["dpo"][-1], {point.strength: point for point in finished["dial"]}
    assert (dial[100].reward, dial[100].words) == (child.reward, child.words)
    assert dial[100].kl == pytest.approx(child.kl, rel=1e-3)
    for path in ("dial", "steering"):
        assert [point.kl for point in finished[path]] == sorted(point.kl for point in finished[path]), path


@pytest.mark.slow
def test_what_a_method_has_cost_is_told_from_the_parent_on(finished: dict[str, list[Point]], place: Path) -> None:
    best, dpo, dial, steering, grpo, ppo = finished.values()
    assert [(p.each, p.seconds, p.answers, p.votes) for p in best] == [(1, 0, 0, 0), (2, 0, 0, 0), (4, 0, 0, 0)]
    assert {p.votes for p in (*dpo, *ppo)} == {20} and {p.votes for p in grpo} == {0}
    asked = dpo[0].answers
    assert {(p.seconds, p.answers, p.votes) for p in dial} == {(dpo[-1].seconds, asked, 20)}, "what its child has cost"
    assert {(p.answers, p.votes) for p in steering} == {(asked, 20)} and steering[0].seconds < dpo[0].seconds
    assert asked >= 2 * 20 and [p.answers for p in dpo] == [asked] * 3
    assert [p.answers for p in grpo] == [128, 128, 256], "two steps learn from the answers of an iteration"
    assert [p.answers for p in ppo] == [asked + 64] * 3 + [asked + 128]
    assert all(a.seconds < b.seconds for some in (dpo, grpo, ppo) for a, b in pairwise(some))
    assert ppo[0].seconds > dpo[0].seconds, "it needs a reward model first"
    left = [path.name for path in (place / DIRECTORY / "small").iterdir() if not path.name.startswith(".")]
    assert left == [FILE]


def test_a_model_is_as_far_from_itself_as_best_of_one(place: Path) -> None:
    parent = checkpoint.load(place / "parent")
    evaluator = Evaluator(parent, RULES["shorter"], [[1, 2, 3], [4, 5, 6, 7]], seed=3)
    measured = evaluator.measure(parent.model)
    assert measured.kl == pytest.approx((0, 0, 0), abs=1e-5)
    texts = [text for some in evaluator.write(parent.model) for text in evaluator.texts(some)]
    (one,) = evaluator.best_of(texts, samples=1).values()
    assert one.words == pytest.approx(measured.words) and one.reward == pytest.approx(measured.reward)


def test_intervals_are_by_prompts() -> None:
    assert share(torch.tensor([1.0, 0.0, 0.5, 1.0])) == pytest.approx((0.625, *wilson(2.5, 4)))
    half = 1.959964 * math.sqrt(3) / math.sqrt(9)  # six of nine are 2 away from the mean
    assert mean(torch.tensor([8.0, 12, 10, 8, 12, 10, 8, 12, 10])) == pytest.approx((10, 10 - half, 10 + half))
    assert mean(torch.tensor([0.0, 0.1])).low == 0


def test_answers_are_counted_by_iterations() -> None:
    for name, epochs in (("ppo", "ppo_epochs"), ("grpo", "grpo_epochs")):
        stage = STAGES[name]
        config = stage.configure({"rollouts": 8, "batch_size": 4, epochs: 2})
        assert [stage.answers_written(config, step) for step in (1, 4, 5, 12)] == [8, 8, 16, 24], name
    assert STAGES["dpo"].answers_written(STAGES["dpo"].configure({}), 7) == 0


# --- how it ends ----------------------------------------------------------------------------------------------


def ended(place: Path, name: str, **changes: object) -> Comparison:
    found = run(create(place, name, settings(place, **changes)))
    assert look_at_comparison(place / DIRECTORY / name) == found
    return found


def test_a_rule_that_is_constant_is_told_before_anything_is_learned(place: Path) -> None:
    found = ended(place, "constant", rule="love")
    assert found.state == "failed" and not found.points
    assert found.message == (
        "the rule love says the same of all 80 answers by parent: nothing can be learned from it, so choose another "
        "rule, or another model"
    )


def test_it_stops_where_a_person_wants_it_to_and_can_go_on(place: Path) -> None:
    """What a rule that is constant says is said when it has gone on, though all that was made is gone."""
    directory = create(place, "stopped", settings(place, rule="love"))
    request_stop(directory)
    stopped = run(directory)
    assert stopped.state == "stopped" and stopped.can_resume and (directory / "runs").is_dir()
    remove(directory / "runs")
    write_comparison(directory, replace(stopped, parts=[replace(part, ended=True) for part in stopped.parts]))
    assert "the rule love says the same of all 80 answers" in run(directory).message


def test_it_does_not_compute_beside_a_training(place: Path) -> None:
    with hold_device(place, "cpu"):
        found = ended(place, "beside")
    assert found.state == "failed" and "has the cpu: stop it first, or wait until it ends" in found.message


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("new", {"parent": "base"}, "base does not answer in turns: fine-tune it on instructions first"),
        ("new", {"parent": "gone"}, "there is no checkpoint directory"),
        ("a/b", {}, "cannot be the name of a run"),
        ("taken", {}, "there is already something called taken"),
    ],
)
def test_what_could_only_fail_is_not_begun(name, changes, sentence, place: Path) -> None:
    (place / DIRECTORY / "taken").mkdir(parents=True, exist_ok=True)
    (place / DIRECTORY / "taken" / FILE).touch()
    parent = str(place / changes.get("parent", "parent"))
    with pytest.raises(ValueError, match=sentence):
        create(place, name, settings(place, parent=parent))


def test_settings_out_of_range_are_named(place: Path) -> None:
    with pytest.raises(ValueError, match="prompts must be between 20 and 500, got 3"):
        settings(place, prompts=3)


# --- what is kept ---------------------------------------------------------------------------------------------


def point(method: str, strength: int, reward: float, **changes: object) -> Point:
    kept = dict(method=method, strength=strength, reward=reward, reward_low=reward - 0.05, reward_high=reward + 0.05)
    kept |= dict(kl=1.5, kl_low=1.0, kl_high=2.0, prompts=120, words=8.0, words_low=7.0, words_high=9.0)
    return Point(**kept | dict(seconds=0.0, answers=0, votes=0, each=1) | changes)  # type: ignore[arg-type]


@pytest.fixture
def kept() -> Comparison:
    parts = [Part("parent", 100, 10.0, 100, 20.0, True), Part("votes", 200, 10.0, 50, 4.0), Part("dpo", 60, 30.0)]
    points = [
        point(BEST_OF_N, 1, 0.2),
        point(BEST_OF_N, 8, 0.5, each=8),
        point("dpo", 60, 0.7, seconds=100.0, answers=2000, votes=200),
        point("dpo", 19, 0.75, seconds=80.0),
        point("grpo", 60, 0.24, seconds=90.0),
    ]
    return Comparison(MethodsConfig(), "parent", "0" * 64, "running", "2026-01-02T03:04:05Z", "", parts, points)


def test_it_is_read_as_it_was_written(kept: Comparison, tmp_path: Path) -> None:
    write_comparison(tmp_path, kept)
    assert read_comparison(tmp_path) == kept


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"points": [{"method": "dpo"}]}, "missing"),
        ({"points": [asdict(point("dpo", 1, 0.5)) | {"kl": "far"}]}, "kl is 'far'"),
        ({"points": [asdict(point("sft", 1, 0.5))]}, "it tells of 'sft'"),
        ({"parts": [3]}, "it should hold objects in braces"),
        ({"state": "asleep"}, "it tells of a state 'asleep'"),
        ({"config": {"rule": "beauty"}}, "rule must be one of"),
        ({"config": 7}, "'int'"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
    ],
)
def test_a_damaged_file_is_named(changes, sentence, kept: Comparison, tmp_path: Path) -> None:
    write_comparison(tmp_path, kept)
    content = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(content | changes))
    with pytest.raises(ValueError, match=rf"{FILE} is damaged: .*{sentence}"):
        read_comparison(tmp_path)
    (tmp_path / FILE).write_text(json.dumps(content)[:-9])
    with pytest.raises(ValueError, match=f"{FILE} is damaged"):
        read_comparison(tmp_path)


def test_one_whose_process_is_gone_was_interrupted(kept: Comparison, tmp_path: Path) -> None:
    write_comparison(tmp_path, kept)
    assert look_at_comparison(tmp_path) == replace(kept, state="interrupted")
    write_comparison(tmp_path, replace(kept, state="created"))
    assert look_at_comparison(tmp_path).state == "created", "its process may still be starting"
    long_ago = time.time() - 100
    os.utime(tmp_path / FILE, (long_ago, long_ago))
    assert look_at_comparison(tmp_path).state == "interrupted"


def test_the_latest_comes_first(kept: Comparison, tmp_path: Path) -> None:
    for age, name in enumerate(("new", "older", "oldest")):
        (tmp_path / DIRECTORY / name).mkdir(parents=True)
        write_comparison(tmp_path / DIRECTORY / name, kept)
        os.utime(tmp_path / DIRECTORY / name / FILE, (1e9 - age, 1e9 - age))
    assert [path.name for path in comparisons(tmp_path)] == ["new", "older", "oldest"]


def test_a_point_of_reward_is_priced_at_the_last_step_and_only_where_something_was_gained(kept: Comparison) -> None:
    assert [(p.method, p.strength) for p in last_points(kept)] == [(BEST_OF_N, 8), ("dpo", 60), ("grpo", 60)]
    (price,) = prices(kept)
    assert (price.method, price.gain) == ("dpo", pytest.approx(50))
    assert (price.seconds, price.answers, price.votes) == pytest.approx((2, 40, 4))
    assert prices(replace(kept, points=kept.points[1:])) == [], "without the parent nothing is known"


def test_what_is_left_is_told_by_the_speed_so_far(kept: Comparison) -> None:
    assert seconds_left(kept) == pytest.approx(2 * (10 * 150 / 200 + 30))
    assert seconds_left(replace(kept, parts=kept.parts[1:])) == pytest.approx(7.5 + 30), "as on two cores"
    parent, votes, dpo = kept.parts
    early = replace(kept, parts=[parent, replace(votes, ended=True), dpo])
    assert seconds_left(early) == pytest.approx(24 / 20 * 30), "of the votes none will come any more"
