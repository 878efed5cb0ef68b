"""The forecast of a step's time: near what steps take, in proportion to the work. The clock counts work, not time."""

import time
from collections.abc import Iterator
from statistics import median

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.datasets.batch import Batch
from core.model import GPT, GPTConfig
from core.training.loop import FitConfig, fit, language_model_loss
from core.training.planning.throughput import HOLDS, step_seconds, token_seconds

SHAPE = GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, vocab_size=512)
FIT = FitConfig(max_steps=8, batch_size=16, micro_batch_size=8, warmup_steps=0, device="cpu", dtype="float32")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second is a billion operations: whatever else the machine does meanwhile makes no difference."""
    token_seconds.cache_clear()
    with FlopCounterMode(display=False) as counter:
        monkeypatch.setattr(time, "perf_counter", lambda: counter.get_total_flops() / 1e9)
        yield
    token_seconds.cache_clear()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_takes_about_as_long_as_foretold(optimizer):
    config = FitConfig.from_dict(FIT.to_dict() | {"optimizer": optimizer})
    ids = torch.randint(512, (16, 65), generator=torch.Generator().manual_seed(0))
    steps = fit(GPT(SHAPE), lambda step: Batch(ids[:, :-1], ids[:, 1:]), language_model_loss, config)
    taken = median([log.seconds for log in steps][1:])
    assert step_seconds(SHAPE, config) == pytest.approx(taken, rel=0.2)


def test_the_forecast_is_in_proportion_to_the_tokens_of_a_step():
    once, thrice = (step_seconds(SHAPE, FitConfig.from_dict(FIT.to_dict() | {"batch_size": n})) for n in (16, 48))
    assert thrice == pytest.approx(3 * once)
    assert step_seconds(SHAPE, FIT, tokens=16 * 64 / 4) == pytest.approx(once / 4)


def test_recomputation_costs_a_third_more():
    again = step_seconds(SHAPE, FitConfig.from_dict(FIT.to_dict() | {"recompute": True}))
    assert again == pytest.approx(4 / 3 * step_seconds(SHAPE, FIT))


def test_deeper_models_take_longer():
    deep = GPTConfig.from_dict(SHAPE.to_dict() | {"n_layer": 16})
    assert step_seconds(deep, FIT) > 2 * step_seconds(SHAPE, FIT)


def test_what_was_timed_on_a_busy_machine_is_timed_again(monkeypatch: pytest.MonkeyPatch):
    free, now = step_seconds(SHAPE, FIT), time.monotonic()
    counted = time.perf_counter  # of which a busy machine needs ten times as much
    monkeypatch.setattr(time, "monotonic", lambda: now + HOLDS)
    monkeypatch.setattr(time, "perf_counter", lambda: 10 * counted())
    assert step_seconds(SHAPE, FIT) == pytest.approx(10 * free)
    monkeypatch.setattr(time, "perf_counter", counted)
    assert step_seconds(SHAPE, FIT) == pytest.approx(10 * free), "for a while it holds"
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * HOLDS)
    assert step_seconds(SHAPE, FIT) == pytest.approx(free)
