"""Trainings that are broken on purpose: what is wrong is really wrong, and shows where it is looked for."""

import math

import pytest
import torch

from core.datasets.pretraining import HeldOut
from core.lessons.failing_runs import FAULTS, HEALTHY, RECIPE, FailingRun, Fault, Material, future_leak, train
from core.model import GPT
from core.stages.pretrain import PretrainConfig
from core.tokenizer import Tokenizer
from tests.conftest import SENTENCES
from tests.helpers.generators import returned

SMALL = RECIPE | dict(n_layer=1, n_embd=32, block_size=16, max_steps=40, warmup_steps=4, batch_size=8)


@pytest.fixture(scope="module")
def material(tokenizer: Tokenizer) -> Material:
    config = PretrainConfig.from_dict(PretrainConfig.preset("tiny").to_dict() | SMALL)
    text = SENTENCES * 20
    return Material(config, tokenizer.vocab_size, tokenizer.encode(text), HeldOut([SENTENCES], tokenizer, 16, 8))


@pytest.fixture(scope="module")
def runs(material: Material) -> dict[str, FailingRun]:
    found = {name: returned(train(material, FAULTS[name])) for name in ("leaky_mask", "shuffled_text", "tiny_batch")}
    return found | {"healthy": returned(train(material, HEALTHY))}


def test_only_the_leaky_mask_lets_a_later_token_change_earlier_logits(model: GPT) -> None:
    ids = torch.randint(0, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    assert future_leak(model, FAULTS["leaky_mask"].hidden, ids) > 0.1
    assert all(future_leak(model, fault.hidden, ids) == 0 for name, fault in FAULTS.items() if name != "leaky_mask")


def test_a_leaky_mask_gives_a_low_training_loss_and_a_high_one_where_the_future_is_hidden(runs) -> None:
    leaky, healthy = runs["leaky_mask"], runs["healthy"]
    assert leaky.leak > 0 and all(run.leak == 0 for name, run in runs.items() if name != "leaky_mask")
    assert leaky.last < healthy.last and leaky.held_out > healthy.held_out


def test_a_tiny_batch_scatters_more(runs) -> None:
    assert runs["tiny_batch"].scatter > 2 * runs["healthy"].scatter


def test_shuffling_keeps_every_token_and_the_order_of_none(material: Material, runs) -> None:
    ids = FAULTS["shuffled_text"].order(material.ids)
    assert sorted(ids) == sorted(material.ids) and ids[:50] != material.ids[:50]
    assert runs["shuffled_text"].last > runs["healthy"].last


def test_a_run_that_is_mended_is_the_broken_one_until_then(material: Material, runs) -> None:
    mended = returned(train(material, FAULTS["shuffled_text"], mend_at=20))
    assert mended.losses[:20] == runs["shuffled_text"].losses[:20]
    assert len(mended.losses) == 40 and mended.last < runs["shuffled_text"].last


def test_a_loss_that_is_no_number_ends_the_run_and_the_doctor_says_so(material: Material) -> None:
    calls = []

    def breaks(model: GPT, idx: torch.Tensor) -> torch.Tensor:
        calls.append(idx)
        return model.hidden(idx) * (math.nan if len(calls) == 10 else 1)

    run = returned(train(material, Fault("", hidden=breaks)))
    assert len(run.losses) == 9 and run.finding is not None and run.finding.kind == "not finite"
