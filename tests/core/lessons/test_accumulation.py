"""The gradients of one batch and of its micro-batches, right and wrong, and what optimisers make of them."""

from collections.abc import Callable

import pytest
import torch

from core.datasets.batch import Batch
from core.lessons.accumulation import (
    MEAN_OF_MEANS,
    NOT_DIVIDED,
    RATE,
    RIGHT,
    compare,
    compare_gradients,
    gradients,
    targets_by_micro_batch,
    weight_steps,
)
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.training.loop import language_model_loss


def batch_of(*lengths: int) -> Batch:
    inputs = torch.randint(300, (len(lengths), 8), generator=torch.Generator().manual_seed(0))
    targets = inputs.roll(-1, 1)
    for row, length in enumerate(lengths):
        targets[row, length:] = IGNORE_INDEX
    return Batch(inputs, targets)


EQUAL, UNEQUAL = batch_of(*[8] * 64), batch_of(*[8] * 16, *[1] * 48)


def test_only_what_is_divided_by_all_targets_is_the_gradient_of_the_whole(model: GPT) -> None:
    found = compare_gradients(gradients(model, UNEQUAL))
    assert targets_by_micro_batch(UNEQUAL) == [64, 64, 8, 8, 8, 8, 8, 8]
    assert found[RIGHT].difference < 1e-4 < 0.05 < found[MEAN_OF_MEANS].difference
    assert found[NOT_DIVIDED].difference > 1


def test_where_all_are_of_one_length_the_mean_of_means_is_right_and_the_sum_eight_times_too_long(model: GPT) -> None:
    found = compare_gradients(gradients(model, EQUAL))
    assert found[RIGHT].difference < 1e-4 and found[MEAN_OF_MEANS].difference < 1e-4
    assert found[NOT_DIVIDED].length == pytest.approx(8, rel=1e-4)
    assert found[NOT_DIVIDED].cosine == pytest.approx(1, abs=1e-6)


def test_the_mistakes_are_those_that_autograd_gives_for_means(model: GPT) -> None:
    found = gradients(model, UNEQUAL)
    micros = [language_model_loss(model, micro) / micro.n_targets for micro in UNEQUAL.split(8)]
    summed = torch.cat([part.flatten() for part in torch.autograd.grad(sum(micros), list(model.parameters()))])
    assert compare(summed, found[NOT_DIVIDED]).difference < 1e-4
    assert compare(summed / 8, found[MEAN_OF_MEANS]).difference < 1e-4


def test_dropout_is_off_since_another_split_would_draw_other_zeros(make_model: Callable[..., GPT]) -> None:
    found = compare_gradients(gradients(make_model(dropout=0.5), EQUAL))
    assert found[RIGHT].difference < 1e-4


def test_two_vectors_by_hand() -> None:
    found = compare(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0]))
    assert (found.difference, found.cosine, found.length) == pytest.approx((0.8, 0.6, 0.6))


def test_a_factor_lengthens_the_step_of_gradient_descent_and_not_that_of_adamw(model: GPT) -> None:
    gradient = gradients(model, EQUAL)["whole"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    once, eight = weight_steps(model, gradient), weight_steps(model, 8 * gradient)
    assert torch.equal(once["sgd"], -RATE * gradient)
    assert compare(once["sgd"], eight["sgd"]).length == pytest.approx(8)
    assert compare(once["adamw"], eight["adamw"]).length == pytest.approx(1, abs=0.05)
    assert once["adamw"].abs().max() == pytest.approx(RATE, rel=0.01)  # the first step has the rate's size
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
