"""The range test: it suggests a rate that trains better than its neighbours, and leaves the model alone."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.datasets import shakespeare
from core.datasets.batch import Batch
from core.datasets.pretraining import TokenBlocks
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, NotFinite, fit, language_model_loss
from core.training.planning.lr_range_test import EXPLODED, Trial, range_test, suggestion

CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"


@pytest.fixture(scope="module")
def batches(tokenizer) -> TokenBlocks:
    """A text with something to learn beyond the frequencies: sentences of a few words in any order."""
    words = ["the king", " of Denmark", " sleeps", " and dreams", " of death", ".\n", " who", " sings", " to me"]
    picks = torch.randint(len(words), (4000,), generator=torch.Generator().manual_seed(0))
    return TokenBlocks(tokenizer.encode("".join(words[pick] for pick in picks)), 16, 8, seed=1)


@pytest.fixture
def newborn() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=300))


def config(**changes) -> FitConfig:
    return FitConfig(**dict(max_steps=60, batch_size=8, warmup_steps=5, device="cpu") | changes)


def loss_after_training(batches: TokenBlocks, model: GPT, settings: FitConfig) -> float:
    try:
        losses = [log.loss for log in fit(model, batches, language_model_loss, settings)]
    except NotFinite:
        return math.inf
    return sum(losses[-10:]) / 10


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_suggested_rate_trains_better_than_a_tenth_of_it_and_ten_times_of_it(optimizer):
    vocabulary = Tokenizer.load(CHECKPOINTS / "bard-tiny")
    batches = TokenBlocks(vocabulary.encode(shakespeare.load("shakespeare-1mb").train[0]), 32, 16, seed=1)
    torch.manual_seed(0)
    newborn = GPT(GPTConfig.preset("tiny", block_size=32))
    settings = config(optimizer=optimizer, max_steps=120, warmup_steps=12, batch_size=16)
    rate = suggestion(list(range_test(newborn, batches, language_model_loss, settings)))
    assert rate is not None
    losses = [
        loss_after_training(batches, copy.deepcopy(newborn), replace(settings, learning_rate=rate * factor))
        for factor in (0.1, 1.0, 10.0)
    ]
    assert losses[1] < losses[0] - 0.1
    assert losses[1] < losses[2] - 0.1


def test_the_rates_rise_exponentially_from_low_to_high(newborn, batches):
    trials = list(range_test(newborn, batches, language_model_loss, config(), low=1e-5, high=1e-3, steps=5))
    assert [trial.step for trial in trials] == [1, 2, 3, 4, 5]
    assert [trial.lr for trial in trials] == pytest.approx([1e-5, 10**-4.5, 1e-4, 10**-3.5, 1e-3])


def test_each_loss_is_smoothed_with_those_before(newborn, batches):
    trials = list(range_test(newborn, batches, language_model_loss, config(), steps=8, high=0.1))
    for n, trial in enumerate(trials):
        weights = [0.9 ** (n - i) for i in range(n + 1)]
        losses = [before.loss for before in trials[: n + 1]]
        expected = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)
        assert trial.smoothed == pytest.approx(expected)


def test_the_same_test_gives_the_same_trials(newborn, batches):
    first, second = (list(range_test(newborn, batches, language_model_loss, config(), steps=20)) for _ in range(2))
    assert first == second


def test_the_first_steps_are_those_of_fit(newborn, batches):
    """At a constant rate the test is a training: same accumulation, clipping and optimisers."""
    settings = config(max_steps=5, warmup_steps=0, learning_rate=1e-2, final_learning_rate=1e-2, micro_batch_size=4)
    trials = list(range_test(newborn, batches, language_model_loss, settings, 1e-2, 1e-2 + 1e-12, 5))
    logs = list(fit(newborn, batches, language_model_loss, settings))
    assert [trial.loss for trial in trials] == pytest.approx([log.loss for log in logs], rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(newborn, batches, training):
    newborn.train(training)
    newborn.transformer.recompute = True
    newborn.transformer.wpe.weight.grad = marker = torch.full_like(newborn.transformer.wpe.weight, 1e3)
    before = {name: value.clone() for name, value in newborn.state_dict().items()}
    clean = GPT(newborn.config)
    clean.load_state_dict(before)
    trials = list(range_test(newborn, batches, language_model_loss, config(), steps=10))
    assert trials == list(range_test(clean, batches, language_model_loss, config(), steps=10))
    assert all(torch.equal(value, before[name]) for name, value in newborn.state_dict().items())
    assert (newborn.training, newborn.transformer.recompute) == (training, True)
    assert newborn.transformer.wpe.weight.grad is marker
    assert (marker == 1e3).all()
    assert newborn.lm_head.weight.grad is None


def test_it_ends_when_the_loss_explodes(newborn, batches):
    trials = list(range_test(newborn, batches, language_model_loss, config(grad_clip=0), high=1e4))
    assert len(trials) < 100
    best = [min(trial.smoothed for trial in trials[: n + 1]) for n in range(len(trials))]
    assert [trial.smoothed > EXPLODED * low for trial, low in zip(trials, best, strict=True)].index(True) == (
        len(trials) - 1
    )


def test_it_ends_when_the_loss_is_no_number(newborn, batches):
    calls = iter(range(100))

    def loss(model: GPT, batch: Batch) -> torch.Tensor:
        return language_model_loss(model, batch) * (math.nan if next(calls) == 7 else 1)

    assert [trial.step for trial in range_test(newborn, batches, loss, config())] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("changes", [dict(low=0.0), dict(low=1.0, high=0.1), dict(steps=1)])
def test_a_range_that_is_none_is_refused_at_once(newborn, batches, changes):
    with pytest.raises(ValueError, match="low must be above 0 and below high"):
        range_test(newborn, batches, language_model_loss, config(), **changes)


def trials(*smoothed: float) -> list[Trial]:
    return [Trial(n + 1, 10.0**n, loss, loss) for n, loss in enumerate(smoothed)]


def test_the_suggestion_lies_between_the_steepest_descent_and_the_lowest_loss():
    steepest, lowest = 1e3, 1e5  # rates of the trials with losses 4.5 and 3.0
    found = suggestion(trials(6, 6, 5.9, 4.5, 3.5, 3, 4, 5, 6, 7, 8))
    assert found == pytest.approx(math.sqrt(steepest * lowest))


def test_a_second_descent_at_absurd_rates_does_not_count():
    once = suggestion(trials(6, 6, 5.9, 4.5, 3.5, 3, 4, 5, 6, 7, 8))
    assert suggestion(trials(6, 6, 5.9, 4.5, 3.5, 3, 4, 4, 2, 2, 2)) == once


@pytest.mark.parametrize(
    "smoothed",
    [
        [6, 5, 4, 5, 6],  # too few
        [6, 6, 6, 6, 6, 5.95, 6, 7, 8, 9, 12],  # it never fell
        [6, 6, 6, 6, 5, 5, 4, 4, 3, 3, 2],  # the best rate was not reached
        [6, 7, 8, 9, 10, 11, 11.5, 11.6, 11.7, 11.8, 11.9],
    ],
    ids=str,
)
def test_where_nothing_can_be_said_nothing_is_suggested(smoothed):
    assert suggestion(trials(*smoothed)) is None
