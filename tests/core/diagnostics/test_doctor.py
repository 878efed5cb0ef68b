"""The doctor on recorded runs: broken ones get the one finding that fits, healthy ones none, at no moment of them."""

import gzip
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.diagnostics.doctor import diagnose
from core.diagnostics.finding import Finding
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from core.training.failure import Failure
from core.training.run_directory import Status

RECORDED = Path(__file__).parent / "recorded"
CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"
TRAINING = Status("running", "training", device="cpu")

BROKEN = {
    "not-finite": "not finite",
    "not-finite-late": "not finite",
    "spike": "spike",
    "divergence": "divergence",
    "uniform": "plateau at ln V",
    "unigram": "plateau at the unigram entropy",
    "unigram-by-rate": "plateau at the unigram entropy",
    "rate-100x": "learning rate too high",
    "rate-40x": "learning rate too high",
    "rate-adamw-300x": "learning rate too high",
    "rate-too-low": "learning rate too low",
    "rate-adamw-too-low": "learning rate too low",
    "no-warmup": "warmup too short",
    "clipping": "clipping all the time",
    "overfitting": "overfitting",
    "starving": "starving for data",
    "memory": "almost out of memory",
}
HEALTHY = sorted(path.name.removesuffix(".jsonl.gz") for path in RECORDED.glob("healthy-*.gz"))


@dataclass(frozen=True)
class Recording:
    """A run that `tests/core/diagnostics/recorded/record.py` made."""

    lines: list[dict[str, Any]]
    config: dict[str, Any]
    references: dict[str, float]
    status: Status  # at the end

    def diagnose(self, steps: int | None = None, **changes: Any) -> list[Finding]:
        """Of the whole run; or of its first `steps`, while it goes on."""
        status = self.status if steps is None else TRAINING
        told = dict(lines=self.lines[:steps], config=self.config, references=self.references, status=status)
        return diagnose(**told | {"rules": STAGES["pretrain"].doctor_rules} | changes)


def read(name: str) -> Recording:
    with gzip.open(RECORDED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        head, *lines = map(json.loads, file)
    failure = Failure(**told) if (told := head["status"].pop("failure", None)) else None
    return Recording(lines, head["config"], head["references"], Status(**head["status"], failure=failure))


def the_one(name: str, steps: int | None = None, **changes: Any) -> Finding:
    (finding,) = read(name).diagnose(steps, **changes)
    return finding


def shipped(name: str) -> Recording:
    """A shipped model's own log, with the references of its vocabulary and text."""
    lines = [json.loads(line) for line in (CHECKPOINTS / name / "metrics.jsonl").read_text().splitlines()]
    config = json.loads((CHECKPOINTS / name / "run.json").read_text())["config"]
    similar = read("healthy-bard" if config["vocab_size"] == 2048 else "healthy-adamw")
    return Recording(lines, config, similar.references, Status("finished", "all steps taken"))


# --- which findings -------------------------------------------------------------------------------------------


def test_every_recording_is_looked_at():
    names = {path.name.removesuffix(".jsonl.gz") for path in RECORDED.glob("*.gz")}
    assert names == {*BROKEN, *HEALTHY}
    assert len(HEALTHY) >= 6


@pytest.mark.parametrize(("name", "kind"), BROKEN.items())
def test_a_broken_run_gets_the_finding_that_fits_and_no_other(name, kind):
    assert [finding.kind for finding in read(name).diagnose()] == [kind]


@pytest.mark.parametrize(("name", "kind"), BROKEN.items())
def test_while_a_broken_run_goes_on_it_gets_that_finding_or_none_yet(name, kind):
    run = read(name)
    allowed = {(), (kind,)} | ({("divergence",)} if name == "not-finite-late" else set())
    said = [tuple(found.kind for found in run.diagnose(steps)) for steps in range(1, len(run.lines))]
    assert set(said) <= allowed
    told = [bool(kinds) for kinds in said]
    assert told == sorted(told)  # once told, it stays


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_gets_none_at_any_moment(name):
    run = read(name)
    assert run.diagnose() == []
    for steps in range(1, len(run.lines)):
        assert run.diagnose(steps) == []


@pytest.mark.parametrize("name", ["bard-base", "bard-tiny"])
def test_the_shipped_models_were_healthy_all_the_time(name):
    run = shipped(name)
    for steps in [*range(1, 300), *range(300, len(run.lines), 53), len(run.lines)]:
        assert run.diagnose(steps) == []


def test_a_log_without_steps_or_with_one_says_nothing():
    run = read("healthy-adamw")
    assert run.diagnose(0) == run.diagnose(1) == []


def test_an_old_log_and_a_run_without_references_are_no_trouble():
    run = read("rate-100x")
    old = [{k: line[k] for k in ("step", "loss/train", "lr", "grad_norm")} for line in run.lines]
    assert [found.kind for found in run.diagnose(lines=old, references={})] == ["learning rate too high"]
    for name in ("unigram", "uniform", "rate-too-low"):  # nothing to compare with, so nothing is said
        assert read(name).diagnose(references={}) == []


# --- what they say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), BROKEN.items())
def test_the_changes_make_a_configuration_that_is_allowed(name, kind):
    run = read(name)
    for finding in run.diagnose():
        changed = PretrainConfig.from_dict(run.config | finding.changes).to_dict()
        assert {key: changed[key] for key in finding.changes} == finding.changes
        assert finding.from_step is None or 0 <= finding.from_step <= run.lines[-1]["step"]
        assert all(changed[key] != run.config[key] for key in finding.changes)
        assert finding.title and finding.evidence.endswith(".") and finding.meaning.endswith(".")
        assert str(f"{run.lines[-1]['step']:,}") in finding.evidence or finding.step <= run.lines[-1]["step"]


def test_not_finite_names_what_and_where_and_goes_back_to_the_beginning_if_nothing_was_learned():
    finding = the_one("not-finite")
    assert (finding.step, finding.from_step) == (3, 0)
    assert "The gradient norm became nan at step 3" in finding.evidence
    assert finding.changes == {"learning_rate": 1.0}


def test_not_finite_goes_back_to_before_the_loss_rose():
    run = read("not-finite-late")
    finding = the_one("not-finite-late")
    assert finding.step == run.lines[-1]["step"] + 1
    lowest = min(run.lines, key=lambda line: line["loss/train"])["step"]
    assert lowest - 20 < finding.from_step < finding.step
    assert finding.from_step > run.config["warmup_steps"]


def test_only_a_failed_run_is_not_finite():
    run = read("not-finite")
    assert run.diagnose(status=replace(run.status, state="running")) == []


def test_a_spike_names_its_height_and_its_steps_once_it_is_over():
    finding = the_one("spike")
    assert (finding.step, finding.changes, finding.from_step) == (181, {}, None)
    peak = max(read("spike").lines, key=lambda line: line["loss/train"])
    assert f"{peak['loss/train']:.2f} at step {peak['step']}" in finding.evidence
    assert read("spike").diagnose(182) == []  # who knows yet whether it comes back


def test_divergence_goes_back_to_before_it_with_smaller_steps_up_to_the_end():
    finding = the_one("divergence")
    rates = {line["step"]: line["lr"] for line in read("divergence").lines}
    assert finding.from_step == finding.step - 1
    assert rates[finding.step] > 0.01  # the rate rises from 0.01 to 1 by mistake
    assert finding.changes == {"learning_rate": 0.0033, "final_learning_rate": 0.00033}


def raised(lines: list[dict[str, Any]], steps: range, by: float) -> list[dict[str, Any]]:
    return [line | {"loss/train": line["loss/train"] + by * (line["step"] in steps)} for line in lines]


@pytest.mark.parametrize(
    ("steps", "by", "kinds"),
    [
        (range(200, 212), 3.0, ["spike"]),
        (range(200, 240), 3.0, ["learning rate too high"]),  # too long for an accident
        (range(200, 301), 3.0, ["divergence"]),
        (range(200, 301), 0.2, []),  # this much the next scene may be harder
        (range(200, 213, 6), 3.0, ["spike"]),
    ],
    ids=str,
)
def test_how_long_a_rise_lasts_decides_what_it_is(steps, by, kinds):
    run = read("healthy-adamw")
    findings = run.diagnose(lines=raised(run.lines, steps, by))
    assert [finding.kind for finding in findings] == kinds
    assert not any("There were" in finding.evidence for finding in findings)  # near each other they are one rise


def test_two_spikes_are_counted():
    run = read("healthy-adamw")
    (finding,) = run.diagnose(lines=raised(raised(run.lines, range(150, 152), 3.0), range(200, 203), 4.0))
    assert (finding.kind, finding.step) == ("spike", 200)
    assert "There were 2 such spikes." in finding.evidence


def test_a_rise_at_the_beginning_after_which_nothing_is_learned_comes_from_the_rate():
    run = read("unigram")
    (finding,) = run.diagnose(lines=raised(run.lines, range(5, 10), 3.0))
    assert finding.kind == "learning rate too high"


def test_a_fine_tuning_that_happens_to_be_at_the_unigram_entropy_is_not_accused():
    run = read("unigram")
    tail = [line | {"step": n + 1} for n, line in enumerate(run.lines[100:])]
    assert run.diagnose(lines=tail, status=TRAINING) == []


def test_a_rate_is_not_too_low_while_the_loss_climbs():
    run = read("rate-too-low")
    back = [line | {"step": 151 + n} for n, line in enumerate(run.lines[149:90:-1])]
    assert [found.kind for found in run.diagnose(lines=run.lines[:150])] == ["learning rate too low"]
    assert run.diagnose(lines=run.lines[:150] + back) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rate-100x", {"learning_rate": 0.1}),
        ("rate-40x", {"learning_rate": 0.04}),
        ("rate-too-low", {"learning_rate": 1e-3}),
        ("uniform", {"learning_rate": 1e-6}),
        ("no-warmup", {"warmup_steps": 30}),
    ],
)
def test_what_was_wrong_from_the_start_is_changed_from_the_start(name, changes):
    finding = the_one(name)
    assert (finding.changes, finding.from_step) == (changes, 0)


def test_a_short_warmup_is_not_blamed_where_the_run_warmed_up_long():
    run = read("no-warmup")
    (finding,) = run.diagnose(config=run.config | dict(warmup_steps=60))
    assert finding.kind == "learning rate too high"


def test_clipping_raises_the_limit_above_the_gradients():
    finding = the_one("clipping")
    assert "100% of the gradients were longer than grad_clip 0.02" in finding.evidence
    assert finding.changes == {"grad_clip": pytest.approx(1.8, abs=0.2)}
    run = read("clipping")
    assert run.diagnose(config=run.config | dict(grad_clip=0.0)) == []
    assert run.diagnose(config=run.config | dict(grad_clip=0.5)) == []  # longer, but not by much
    sometimes = [line | ({"grad_norm": 0.01} if line["step"] % 10 == 0 else {}) for line in run.lines]
    assert run.diagnose(lines=sometimes) == []


def test_overfitting_names_the_best_evaluation():
    run = read("overfitting")
    best = min((line for line in run.lines if "loss/val" in line), key=lambda line: line["loss/val"])
    finding = the_one("overfitting")
    assert finding.step == best["step"]
    assert f"best at step {best['step']}, {best['loss/val']:.2f}" in finding.evidence
    assert finding.changes == {"keep_best": True, "dropout": 0.2}


def test_one_worse_evaluation_is_no_overfitting_yet():
    run = read("overfitting")
    assert run.diagnose(80) == []
    assert [found.kind for found in run.diagnose(120)] == ["overfitting"]


def test_a_validation_loss_that_rises_with_the_training_loss_is_no_overfitting():
    run = read("overfitting")
    flat = [line | {"loss/train": 3.0} for line in run.lines]
    assert run.diagnose(lines=flat) == []


# --- the machine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["running", "paused", "stopped", "interrupted", "finished", "failed"])
def test_smaller_micro_batches_are_told_whatever_became_of_the_run(state):
    finding = the_one("memory", status=replace(TRAINING, state=state, message="whatever it says"))
    assert "Micro-batches of 16 sequences did not fit and became 4." in finding.evidence
    assert (finding.step, finding.changes) == (1, {"micro_batch_size": 4})


def test_smaller_micro_batches_are_those_of_one_process():
    run = read("memory")
    half = replace(TRAINING, processes=2)
    assert "of 8 sequences did not fit and became 4." in the_one("memory", status=half).evidence
    assert run.diagnose(status=replace(TRAINING, processes=4)) == []  # each had four sequences to begin with
    more_room = [line | {"micro_batch_size": 16 if line["step"] > 150 else 4} for line in run.lines]
    assert run.diagnose(lines=more_room) == []
    old = [{key: value for key, value in line.items() if key != "micro_batch_size"} for line in run.lines]
    assert run.diagnose(lines=old) == []  # before the log held it, nothing is known of it


def test_memory_above_nine_tenths_is_almost_all():
    run = read("healthy-adamw")
    used = run.lines[-1]["memory/peak"]
    assert run.diagnose(memory_total=used / 0.89) == []
    (finding,) = run.diagnose(memory_total=used / 0.91)
    assert (finding.kind, finding.changes) == ("almost out of memory", {"micro_batch_size": 8})
    assert finding.from_step == 300
    one = run.config | dict(micro_batch_size=1)
    assert run.diagnose(config=one, memory_total=used)[0].changes == {"micro_batch_size": 1, "recompute": True}


def test_a_gpu_that_waits_is_noticed_earlier_unless_it_is_used_well():
    run = read("healthy-adamw")
    waiting = [line | {"data_wait": 0.3, "mfu": 0.1} for line in run.lines]
    on_gpu = replace(run.status, device="cuda")
    assert [found.kind for found in run.diagnose(lines=waiting, status=on_gpu)] == ["starving for data"]
    assert "10% of what the device can do" in run.diagnose(lines=waiting, status=on_gpu)[0].evidence
    assert run.diagnose(lines=waiting) == []
    assert run.diagnose(lines=[line | {"mfu": 0.5} for line in waiting], status=on_gpu) == []


# --- speed ----------------------------------------------------------------------------------------------------


def test_ten_thousand_steps_take_less_than_a_tenth_of_a_second():
    """With the loss in the sawtooth that makes the most rises."""
    run = shipped("bard-base")
    lines = [
        run.lines[n % len(run.lines)] | {"step": n + 1, "loss/train": 4.0 + 6 * (n % 12 == 0) + math.sin(n) / 9}
        for n in range(10_000)
    ]
    seconds = []
    for _ in range(5):
        began = time.process_time()
        run.diagnose(lines=lines)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.1


def test_a_rate_far_above_the_usual_one_is_replaced_by_that_one():
    run = read("rate-40x")
    rate = run.config["learning_rate"]
    (finding,) = run.diagnose(usual_rate=rate / 40)
    assert finding.changes["learning_rate"] == rate / 40 and f"{rate / 40:g}" in finding.advice
    (finding,) = run.diagnose(usual_rate=rate)
    assert finding.changes["learning_rate"] == pytest.approx(rate / 10), "it is the usual one that does not work here"
