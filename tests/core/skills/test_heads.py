"""Skills of heads: bard-tiny's time-lapse, in which an induction head forms; and a head cut out of a model."""

import copy

import pytest
import torch

from core import checkpoint
from core.skills.cut_out import loss_without
from core.skills.evaluation import SKILLS, read_evaluation, rounded
from core.skills.heads import score_heads
from core.skills.skill import find_births, merge
from tests.conftest import SENTENCES
from tests.core.test_shipped import SNAPSHOTS


def test_bard_tinys_snapshots_give_the_step_at_which_induction_appears():
    found = []
    for path in SNAPSHOTS:
        loaded = checkpoint.load(path)
        scores = {name: rounded(scores) for name, scores in score_heads(loaded.model).items()}
        found.append(read_evaluation(loaded.card.step, {"heads": scores}))
    births = find_births(merge(found), SKILLS)
    said = [(birth.which.skill, birth.which.head, birth.before.step, birth.first.step) for birth in births.born]
    assert said == [
        ("previous", (0, 3), 750, 1500),
        ("induction", (1, 0), 750, 1500),
        ("induction", (1, 3), 750, 1500),
    ]
    assert births.unsteady == []


def test_a_head_cut_out_is_one_whose_output_is_multiplied_by_nothing(make_model, tokenizer):
    model = make_model(std=0.1)
    without = copy.deepcopy(model)
    hs = model.config.head_size
    with torch.no_grad():
        without.blocks[1].attn.c_proj.weight[:, hs : 2 * hs] = 0
    found = loss_without(model, tokenizer, [SENTENCES * 3], (1, 1))
    other = loss_without(without, tokenizer, [SENTENCES * 3], (1, 1))
    assert found.without == pytest.approx(other.whole, abs=1e-6)
    assert other.difference == pytest.approx(0, abs=1e-6)
    assert found.difference != pytest.approx(0, abs=1e-4)
    assert found.low < found.difference < found.high and found.blocks == 64


def test_a_head_that_is_not_there_is_refused_in_words(model, tokenizer):
    with pytest.raises(ValueError, match="there is no head 3 in layer 1: there are 2 layers of 2 heads"):
        loss_without(model, tokenizer, [SENTENCES], (0, 2))
