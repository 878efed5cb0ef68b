"""Trainings and lessons 4 to 8: sentences and whether they hold follow from figures; no figure stands in a text."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.chat_template import answer_end
from core.checkpoint import Card
from core.datasets.conversations import Example
from core.datasets.instructions import Dialogue, Instruction
from core.lessons.failing_runs import FAULTS, FailingRun
from core.lessons.instruction_tuning import MaskRun, Obedience
from core.lessons.memory_budget import CARD_GB, CONFIGURATIONS, gib
from core.tokenizer import Tokenizer
from playground.services.services import Services
from playground.tabs.learn.lesson import Context, Result
from playground.tabs.learn.lessons import (
    accumulation,
    failing_loss,
    instruction_tuning,
    memory_budget,
    sqrt_dk,
    taste_as_reward,
)
from tests.core.diagnostics.test_doctor import BROKEN, read
from tests.helpers.generators import returned


def context(tmp_path: Path) -> Context:
    return Context(Services.open(tmp_path, torch.device("cpu")), "bard")


# --- why the square root of d_k ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrow", "wide", "outcome", "holds"),
    [(3.0, 3.5, 1, True), (3.0, 3.02, 2, False), (3.5, 3.0, 0, False), (3.5, 3.6, 1, True), (2.5, 2.9, 1, False)],
)
def test_where_it_hurts_to_leave_the_division_out(narrow: float, wide: float, outcome: int, holds: bool) -> None:
    """`narrow`, `wide`: losses on held-out text without the division; with it, both are 3."""
    last = {"heads of 32": narrow, "one head of 256": wide}
    result = sqrt_dk.trainings_result(
        {(heads, divided): ([4.0, 2.0], 3.0 if divided else last[heads]) for heads in last for divided in (True, False)}
    )
    step = sqrt_dk.LESSON.step("trainings")
    assert result.outcome == sqrt_dk.HURTS[outcome] and step.holds(result) == holds
    said = step.explain(result, "")
    assert f"one head of 256 ends {wide - 3:+.2f} nats" in said and f"heads of 32 {narrow - 3:+.2f}" in said
    assert sqrt_dk.smoothed([4.0, 2.0, 0.0], over=2) == [4.0, 3.0, 1.0]


# --- what fits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("whole", {"activations": 0.1}),
        ("micro-batches", {"whole_peak": 0.1}),
        ("recompute", {"whole_activations": 0.1}),
        ("xl", {"fits": 1.0}),
        ("eight-bits", {"in_8": 5.0}),
    ],
)
def test_what_fits_is_counted_holds_and_is_told(tmp_path: Path, name: str, broken: dict[str, float]) -> None:
    step = memory_budget.LESSON.step(name)
    result = returned(step.run(context(tmp_path)))
    assert step.holds(result) and f"{result.outcome:.1f}" in step.explain(result, 10.0)
    assert not step.holds(replace(result, figures=result.figures | broken))


def test_what_averages_in_8_bits_save_is_the_rest(tmp_path: Path) -> None:
    found = returned(memory_budget.LESSON.step("eight-bits").run(context(tmp_path))).figures
    assert found["saved"] == pytest.approx(found["in_32"] - found["in_8"])


def test_the_plan_of_the_page_is_that_of_the_planner(tmp_path: Path) -> None:
    result = returned(memory_budget.STEPS[0].run(context(tmp_path)))
    assert result.outcome == gib(CONFIGURATIONS["whole"].plan.peak) < CARD_GB


@pytest.mark.parametrize(("measured", "holds"), [(105.0, True), (130.0, False)])
def test_a_real_run_bears_the_plan_out_within_its_tolerance(measured: float, holds: bool) -> None:
    step = memory_budget.LESSON.step("real-run")
    result = Result({"planned": 100.0, "measured": measured}, measured)
    assert step.holds(result) == holds and f"{measured:.0f} MB" in step.explain(result, 200.0)


# --- accumulation ------------------------------------------------------------------------------------------------


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Gradients as a model might have them, so that none need be computed."""
    whole, other = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    found = {"whole": whole, "right": whole, "mean_of_means": whole + 0.2 * other, "not_divided": 8 * whole}
    monkeypatch.setattr(
        accumulation, "model_of", lambda context: type("Loaded", (), {"model": None, "tokenizer": None})
    )
    for name in ("equal_batch", "unequal_batch"):
        monkeypatch.setattr(accumulation.measuring, name, lambda model, tokenizer: None)
    monkeypatch.setattr(accumulation.measuring, "gradients", lambda model, batch: found)
    monkeypatch.setattr(accumulation.measuring, "targets_by_micro_batch", lambda batch: [10, 40])
    return found


def test_which_gradients_agree_is_read_from_their_differences(tmp_path: Path, vectors: dict[str, torch.Tensor]) -> None:
    result = returned(accumulation.equal(context(tmp_path)))
    assert result.outcome == accumulation.AGREEING[0] and not accumulation.equal_holds(result)
    vectors["mean_of_means"] = vectors["whole"]
    result = returned(accumulation.equal(context(tmp_path)))
    assert result.outcome == accumulation.AGREEING[1] and accumulation.equal_holds(result)


def test_how_far_off_the_mean_of_means_is(tmp_path: Path, vectors: dict[str, torch.Tensor]) -> None:
    result = returned(accumulation.unequal(context(tmp_path)))
    assert result.outcome == pytest.approx(20, rel=0.2) and accumulation.unequal_holds(result)
    assert "4.0 times as much" in accumulation.explain_unequal(result, 3.0)
    vectors["mean_of_means"] = vectors["whole"]
    assert not accumulation.unequal_holds(returned(accumulation.unequal(context(tmp_path))))


@pytest.mark.parametrize(
    ("stretch", "outcome", "holds"), [(1.0, 1, True), (8.0, 0, False), (-1.0, 2, False)], ids=["same", "long", "back"]
)
def test_whether_a_factor_shows_in_a_step_of_adamw(
    tmp_path: Path,
    vectors: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
    stretch: float,
    outcome: int,
    holds: bool,
) -> None:
    """`stretch`: what becomes of AdamW's step where the gradient is eight times as long."""

    def steps(model: object, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        is_right = gradient is vectors["right"]
        return {"sgd": -gradient, "adamw": vectors["whole"].sign() * (1.0 if is_right else stretch)}

    monkeypatch.setattr(accumulation.measuring, "weight_steps", steps)
    result = returned(accumulation.optimizer(context(tmp_path)))
    assert result.outcome == accumulation.STEP_SIZES[outcome] and accumulation.optimizer_holds(result) == holds
    assert "a step 8.0 times as long" in accumulation.explain_optimizer(result, "")


# --- the loss that will not fall ---------------------------------------------------------------------------------


def broken(name: str) -> FailingRun:
    """As seen of a recorded run."""
    recordings = {kind: recorded for recorded, kind in BROKEN.items()}
    finding = read(recordings[failing_loss.FOUND[name]]).diagnose()[0] if name in failing_loss.FOUND else None
    leaks = name == "leaky_mask"
    scatter = 0.4 if name == "tiny_batch" else 0.1
    return FailingRun([6.0, 0.2 if leaks else 5.0], 9.0 if leaks else 5.5, scatter, 8.0 if leaks else 0.0, finding)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, FailingRun]:
    found = {name: broken(name) for name in FAULTS}
    monkeypatch.setattr(failing_loss.RUNS, "broken", found)
    return found


def test_causes_are_told_by_the_doctor_by_scatter_and_by_what_comes(
    tmp_path: Path, runs: dict[str, FailingRun]
) -> None:
    result = returned(failing_loss.causes(context(tmp_path)))
    assert failing_loss.causes_hold(result)
    assert result.outcome == [FAULTS[name].title for name in failing_loss.LETTERS.values()]
    guess = [result.outcome[0]] * 6
    assert "You assigned 1 of 6 rightly" in failing_loss.explain_causes(result, guess)
    assert "the doctor names 4" in failing_loss.explain_causes(result, guess)
    runs["tiny_batch"] = replace(broken("tiny_batch"), leak=1.0)
    assert not failing_loss.causes_hold(returned(failing_loss.causes(context(tmp_path))))
    runs["tiny_batch"], runs["rate_too_low"] = broken("tiny_batch"), broken("tiny_batch")
    assert not failing_loss.causes_hold(returned(failing_loss.causes(context(tmp_path))))


def test_the_lowest_loss_is_that_of_the_leak_and_the_highest_where_the_future_is_hidden(
    tmp_path: Path, runs: dict[str, FailingRun]
) -> None:
    lowest, held_out = (failing_loss.LESSON.step(name) for name in ("six-runs", "held-out"))
    assert lowest.holds(returned(lowest.run(context(tmp_path))))
    result = returned(held_out.run(context(tmp_path)))
    assert result.outcome == 9.0 and held_out.holds(result)
    runs["leaky_mask"] = runs["no_warmup"]
    assert not any(step.holds(returned(step.run(context(tmp_path)))) for step in (lowest, held_out))


def test_the_damage_is_greatest_where_the_mended_run_ends_highest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = type("Settings", (), {"fit": type("Fit", (), {"max_steps": 40})})
    monkeypatch.setattr(failing_loss, "read_material", lambda: type("Material", (), {"config": settings}))
    ends, mended = dict.fromkeys(FAULTS, 4.0) | {"rate_too_high": 5.0, "tiny_batch": 3.0}, []

    def train(material: object, fault: object, mend_at: int) -> Iterator[float]:
        mended.append(mend_at)
        yield 1.0
        name = next(name for name, one in FAULTS.items() if one is fault)
        return FailingRun([6.0, 5.0], ends[name], 0.1, 0.0, None)

    monkeypatch.setattr(failing_loss, "train", train)
    result = returned(failing_loss.mend(context(tmp_path)))
    assert mended == [20] * 6 and result.outcome == FAULTS["rate_too_high"].title and failing_loss.mend_holds(result)
    said = failing_loss.explain_mend(result, "")
    assert "the learning rate is too high, 5.00 nats" in said and "the batch is tiny, 3.00" in said
    ends["no_warmup"] = 6.0
    assert not failing_loss.mend_holds(returned(failing_loss.mend(context(tmp_path))))


def test_curves_that_are_gone_are_missed_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_loss.RUNS, "broken", {})
    with pytest.raises(ValueError, match="go to step 1, predict again and run it"):
        failing_loss.RUNS.look(context(tmp_path))


# --- teach it to obey --------------------------------------------------------------------------------------------

WISHES = [Dialogue("Who's there?", (Instruction("question"),), "Who?")] * 20


@pytest.mark.parametrize(("followed", "holds"), [(20, True), (10, False), (0, False)])
def test_a_chat_model_obeys_if_it_is_ahead_of_its_base_by_more_than_chance(followed: int, holds: bool) -> None:
    before = Obedience(WISHES, ["What?"] * 6 + ["Nothing."] * 14)
    after = Obedience(WISHES, ["What?"] * followed + ["Nothing."] * (20 - followed))
    result = instruction_tuning.compared("base", before, "chat", after)
    step = instruction_tuning.LESSON.step("obey")
    assert result.outcome == 5 * followed and step.holds(result) == holds
    assert f"follows {5 * followed} %" in step.explain(result, 50.0) and "the base 30 %" in step.explain(result, 50.0)


def test_the_base_is_the_first_ancestor_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, parents = context(tmp_path), {"aligned": "chat", "chat": "base", "lonely": "gone", "base": None}
    checkpoints = here.services.checkpoints
    monkeypatch.setattr(checkpoints, "names", lambda: list(parents))
    monkeypatch.setattr(checkpoints, "chat_names", lambda: ["aligned", "chat", "lonely"])
    cards = {name: type("Loaded", (), {"card": Card("sft", parent)}) for name, parent in parents.items()}
    monkeypatch.setattr(checkpoints, "load", cards.__getitem__)
    assert instruction_tuning.base_of(here, "aligned") == "base"
    with pytest.raises(ValueError, match="lonely was taught from is not here"):
        instruction_tuning.base_of(here, "lonely")


def test_every_end_must_count_for_the_mask_to_be_as_it_is_said(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, found = answer_end(tokenizer), list[Example]()
    monkeypatch.setattr(instruction_tuning, "model_of", lambda context: (tokenizer, 64))
    monkeypatch.setattr(instruction_tuning.measuring, "some_conversations", lambda tokenizer, block_size: found)
    found += [Example([1, 2, 3, end], [False, False, True, True])]
    result = returned(instruction_tuning.targets(context(tmp_path)))
    assert result.outcome == 50 and instruction_tuning.targets_hold(result)
    for wrong in (
        Example([1, 2, 3, end], [False, False, True, False]),
        Example([1, end, 2, end], [False, True, True, False]),
    ):
        found[:] = [wrong]
        assert not instruction_tuning.targets_hold(returned(instruction_tuning.targets(context(tmp_path))))


def masked(ended: int, ends: float, words: float = 2.5) -> MaskRun:
    answers = [{"prompt": str(n), "text": "Ay.", "ended": n < ended} for n in range(32)]
    return MaskRun([3.0, 2.0], words, ends, answers)


@pytest.mark.parametrize(
    ("ended", "ends", "outcome", "holds"),
    [(0, 9.0, 0, True), (30, 9.0, 1, False), (0, 0.5, 0, False), (32, 9.0, 1, False)],
)
def test_a_mask_without_the_end_is_to_blame_if_ends_are_missing_and_only_they(
    ended: int, ends: float, outcome: int, holds: bool
) -> None:
    result = instruction_tuning.masks_compared(masked(31, 0.5), masked(ended, ends))
    assert result.outcome == instruction_tuning.ENDING[outcome]
    assert instruction_tuning.wrong_mask_holds(result) == holds
    assert f"on ends {ends:.2f} against 0.50" in instruction_tuning.explain_wrong_mask(result, "")


def test_a_mask_that_costs_words_too_is_not_the_end_alone() -> None:
    result = instruction_tuning.masks_compared(masked(31, 0.5), masked(0, 9.0, words=8.0))
    assert not instruction_tuning.wrong_mask_holds(result)


# --- taste as a reward -------------------------------------------------------------------------------------------

PRESSED = {"gain": 1.2, "real": 1.0, "followed_before": 0.6, "followed_after": 0.4, "n": 48.0, "kl": 5.0}
PRESSED |= {"words_before": 8.0, "words_after": 3.0}


@pytest.mark.parametrize(("changes", "holds"), [({}, True), ({"real": 0.0}, False), ({"followed_after": 0.7}, False)])
def test_a_policy_cheats_if_its_score_rises_and_instructions_are_given_up(
    changes: dict[str, float], holds: bool
) -> None:
    result = Result(PRESSED | changes, taste_as_reward.FOLLOWED[2])
    assert taste_as_reward.cheat_holds(result) == holds
    assert "1.20 standard deviations" in taste_as_reward.explain_cheat(result, "")


def test_only_a_gain_that_is_more_than_chance_bears_the_methods_out() -> None:
    figures = {f"{name}_{what}": 1.0 for name in ("dpo", "ppo", "grpo") for what in ("gain", "kl", "real")}
    assert taste_as_reward.methods_hold(Result(figures | {"n": 48.0}, "DPO"))
    best = {"ppo_gain": 2.0, "ppo_real": 0.0}
    assert not taste_as_reward.methods_hold(Result(figures | best, "PPO"))
