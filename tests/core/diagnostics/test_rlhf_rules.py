"""The doctor on runs that bend a model to a score: healthy ones are left alone, each way of cheating is named."""

from typing import Any

import pytest

from core.diagnostics.doctor import diagnose
from core.stages.registry import STAGES
from core.training.run_directory import Status

CONFIG = {"kl_coef": 0.2, "kl_target": 3.0, "learning_rate": 1e-4, "max_steps": 80, "grad_clip": 1.0}
RUNNING = Status("running", "training", device="cpu")


def run(iterations: int = 20, **ends: float) -> list[dict[str, Any]]:
    """A PPO run of four steps an iteration, in which each metric goes straight to where it ends."""
    begin = {"objective/kl": 0.0, "objective/entropy": 60.0, "val/length": 19.0, "val/repetition": 0.01}
    begin |= {"objective/scores": 0.0, "objective/kl_coef": 0.2}
    end = begin | {"objective/kl": 3.0, "objective/scores": 2.0} | {k.replace("__", "/"): v for k, v in ends.items()}
    lines = []
    for step in range(1, 4 * iterations + 1):
        line = {"step": step, "loss/train": 0.3 * (-1) ** step, "grad_norm": 1.0 + step % 3, "data_wait": 0.0}
        if step % 4 == 0:
            done = min(1.0, step / (2 * iterations))
            line |= {name: begin[name] + done * (end[name] - begin[name]) for name in begin}
        lines.append(line)
    return lines


def findings(lines, config=CONFIG, stage="ppo"):
    return diagnose(lines, config, {}, RUNNING, STAGES[stage].doctor_rules)


def kinds(lines, config=CONFIG) -> list[str]:
    return [found.kind for found in findings(lines, config)]


def test_a_healthy_run_gets_no_finding_at_any_moment():
    lines = run()
    assert all(kinds(lines[:n]) == [] for n in range(1, len(lines) + 1))


@pytest.mark.parametrize(
    ("ends", "kind", "change"),
    [
        ({"objective__kl": 9.0}, "KL runaway", {"kl_coef": 0.6, "learning_rate": 5e-5}),
        ({"val__length": 44.0, "objective__entropy": 140.0}, "length", {"kl_coef": 0.4}),
        ({"val__length": 5.0, "objective__entropy": 15.0}, "length", {"kl_coef": 0.4}),
        ({"val__repetition": 0.4}, "repetition", {"kl_coef": 0.4}),
        ({"objective__entropy": 15.0}, "entropy collapse", {"learning_rate": 5e-5}),
    ],
)
def test_each_way_of_cheating_is_named_with_what_to_change(ends, kind, change):
    lines = run(**ends)
    (found,) = findings(lines)
    assert found.kind == kind and found.changes == change and found.from_step == 0
    assert kinds(lines[:16]) == []  # four iterations say nothing yet


def test_without_a_target_only_a_great_distance_is_called_one():
    fixed = CONFIG | {"kl_target": 0.0}
    assert kinds(run(objective__kl=12.0), fixed) == []
    assert kinds(run(objective__kl=18.0), fixed) == ["KL runaway"]


def test_dpo_is_told_when_it_went_far():
    lines = [{"step": n, "loss/train": 0.5, "grad_norm": 1.0, "kl/val": n / 2} for n in range(1, 41)]
    config = {"beta": 0.1, "learning_rate": 1e-4, "max_steps": 40, "warmup_steps": 0, "grad_clip": 1.0}
    (found,) = findings(lines, config, "dpo")
    assert found.kind == "KL runaway" and found.changes == {"beta": 0.3}
    assert findings(lines[:20], config, "dpo") == []


VOTES = {"learning_rate": 1e-4, "max_steps": 60, "warmup_steps": 0, "grad_clip": 1.0, "beta": 0.1, "val_share": 0.2}


def on_votes(train: float, held_out: float, prompts: int = 40, votes: int = 40) -> list[dict[str, Any]]:
    """A training on votes from ln 2 to these losses."""
    lines = []
    for step in range(1, 61):
        line: dict[str, Any] = {"step": step, "loss/train": 0.69 + (train - 0.69) * step / 60, "grad_norm": 1.0}
        if step % 10 == 0:
            line |= {"loss/val": 0.69 + (held_out - 0.69) * step / 60, "n/prompts": prompts, "n/votes": votes}
        lines.append(line)
    return lines


@pytest.mark.parametrize("stage", ["dpo", "reward"])
def test_votes_learned_by_heart_are_named_though_no_held_out_loss_rose(stage):
    (found,) = findings(on_votes(0.15, 0.66), VOTES, stage)  # as was seen, with ln 2 = 0.69
    assert found.kind == "votes by heart" and found.changes == {"max_steps": 30} and "0.66 on those" in found.evidence
    healthy = on_votes(0.45, 0.56)
    assert all(findings(healthy[:n], VOTES, stage) == [] for n in range(1, len(healthy) + 1))
    assert "votes by heart" not in {
        f.kind for f in findings(on_votes(0.1, 0.9), VOTES, stage)
    }  # it has risen: overfitting


def test_losses_of_ipo_are_no_nats_and_are_not_held_against_ln_2():
    assert findings(on_votes(0.15, 0.66), VOTES | {"loss_type": "ipo"}, "dpo") == []


def test_fewer_than_twenty_held_out_votes_are_said_with_how_many_more_it_takes():
    (found,) = findings(on_votes(0.45, 0.5, prompts=9, votes=11), VOTES, "dpo")
    assert found.kind == "few held-out votes" and "11 held-out votes, on 9 prompts" in found.evidence
    assert "some 60 more pairs" in found.advice  # (20 - 9) / 0.2 = 55
    assert findings(on_votes(0.45, 0.5, prompts=20, votes=20), VOTES, "dpo") == []


def test_which_rules_are_asked_is_the_stage_and_not_which_settings_there_are():
    lines = run(objective__kl=9.0)
    assert kinds(lines, CONFIG | {"beta": 0.1}) == ["KL runaway"]
    found = findings(lines, CONFIG | {"warmup_steps": 0}, "sft")
    assert "KL runaway" not in {finding.kind for finding in found}


def test_a_loss_that_is_almost_nothing_may_tremble():
    losses = [0.7 * 0.8**n + (0.04 if n == 70 else 0.001) for n in range(1, 101)]
    lines = [{"step": n, "loss/train": loss, "grad_norm": 0.1} for n, loss in enumerate(losses, 1)]
    config = {"learning_rate": 1e-4, "max_steps": 100, "warmup_steps": 10, "grad_clip": 1.0}
    assert findings(lines, config, "sft") == []


# --- groups of answers to one prompt ------------------------------------------------------------------------------

GROUPS = CONFIG | {"kl_coef": 0.0, "kl_target": 0.0, "reward": "question, 0.5 metre", "group_size": 8}


def grouped(iterations: int = 12, **ends: float) -> list[dict[str, Any]]:
    """A GRPO run of two steps an iteration, in which each metric goes straight to where it ends."""
    begin = {"reward": 0.4, "frac_reward_zero_std": 0.3, "completions/mean_length": 20.0, "objective/kl": 0.0}
    begin |= {"entropy": 3.0, "val/repetition": 0.02, "rewards/question/mean": 0.2, "rewards/metre/mean": 0.4}
    end = begin | {"reward": 1.0, "objective/kl": 4.0, "rewards/question/mean": 0.8, "entropy": 2.5}
    end |= {name.replace("__", "/"): value for name, value in ends.items()}
    lines = []
    for step in range(1, 2 * iterations + 1):
        done = min(1.0, step / iterations)
        line = {name: begin[name] + done * (end[name] - begin[name]) for name in begin if step % 2 == 0}
        line |= {"rewards/question/std": 0.4, "rewards/metre/std": 0.2} if step % 2 == 0 else {}
        line |= {"step": step, "loss/train": 0.01 * (-1) ** step, "grad_norm": 1.0, "data_wait": 0.0}
        lines.append(line | {"entropy": begin["entropy"] + done * (end["entropy"] - begin["entropy"])})
    return lines


def test_a_healthy_run_of_groups_gets_no_finding_at_any_moment():
    lines = grouped()
    assert all(findings(lines[:n], GROUPS, "grpo") == [] for n in range(1, len(lines) + 1))


@pytest.mark.parametrize(
    ("ends", "kind", "change"),
    [
        ({"frac_reward_zero_std": 1.0}, "groups all alike", {}),
        ({"rewards__metre__mean": 0.1}, "a part eaten by another", {"reward": "1 question, 1 metre"}),
        ({"completions__mean_length": 60.0}, "length", {"kl_coef": 0.05}),
        ({"entropy": 0.8}, "entropy collapse", {"learning_rate": 5e-5}),
        ({"objective__kl": 18.0}, "KL runaway", {"kl_coef": 0.05, "learning_rate": 5e-5}),
    ],
)
def test_each_way_in_which_groups_go_wrong_is_named(ends, kind, change):
    (found,) = findings(grouped(**ends), GROUPS, "grpo")
    assert found.kind == kind and found.changes == change


def test_a_constant_reward_is_said_after_the_first_iterations():
    lines = grouped(reward=0.4)
    for line in lines:
        line |= {"frac_reward_zero_std": 1.0, "reward": 0.4} if "reward" in line else {}
    assert findings(lines[:5], GROUPS, "grpo") == []
    (found,) = findings(lines[:6], GROUPS, "grpo")
    assert found.kind == "groups all alike" and "0.40 on average" in found.evidence


def test_a_part_with_a_weight_below_0_is_given_up_when_it_grows():
    config = GROUPS | {"reward": "question, -0.5 metre"}
    assert findings(grouped(rewards__metre__mean=0.1), config, "grpo") == []
    (found,) = findings(grouped(rewards__metre__mean=0.7), config, "grpo")
    assert found.changes == {"reward": "1 question, -1 metre"}
