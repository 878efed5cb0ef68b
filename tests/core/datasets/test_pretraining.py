"""Batches of a long text: a pure function of (seed, step) that leaves nothing out; held-out text, every token once."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.batch import Batch
from core.datasets.pretraining import HeldOut, TokenBlocks
from core.linear_cross_entropy import IGNORE_INDEX

IDS = list(range(1000, 1203))


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)


def test_a_batch_depends_on_seed_and_step_alone():
    one = TokenBlocks(IDS, 8, 4, seed=1)
    forwards = [one(step) for step in range(20)]  # three epochs
    backwards = [one(step) for step in reversed(range(20))]
    fresh = [TokenBlocks(IDS, 8, 4, seed=1)(step) for step in range(20)]
    for a, b, c in zip(forwards, reversed(backwards), fresh, strict=True):
        assert same(a, b) and same(a, c)
    other = [TokenBlocks(IDS, 8, 4, seed=2)(step) for step in range(20)]
    assert not any(same(a, b) for a, b in zip(forwards, other, strict=True))


def test_a_batch_does_not_depend_on_the_global_random_state():
    torch.manual_seed(1)
    first = TokenBlocks(IDS, 8, 4, seed=1)(3)
    torch.manual_seed(2)
    assert same(TokenBlocks(IDS, 8, 4, seed=1)(3), first)


def test_larger_batches_are_the_smaller_ones_side_by_side():
    whole, halves = TokenBlocks(IDS, 8, 4, seed=1), TokenBlocks(IDS, 8, 2, seed=1)
    for step in range(10):
        assert torch.equal(whole(step).inputs, torch.cat([halves(2 * step).inputs, halves(2 * step + 1).inputs]))


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 2**31))
def test_every_epoch_predicts_nearly_every_token_exactly_once(block_size, extra, seed):
    ids = list(range(block_size + 2 + extra))
    blocks = TokenBlocks(ids, block_size, 1, seed)
    for epoch in range(3):
        steps = range(epoch * blocks.blocks_per_epoch, (epoch + 1) * blocks.blocks_per_epoch)
        batches = [blocks(step) for step in steps]
        for batch in batches:
            assert batch.inputs.shape == batch.targets.shape == (1, block_size)
            assert torch.equal(batch.targets, batch.inputs + 1)  # in these ids the next one is one more
        predicted = torch.cat([batch.targets.flatten() for batch in batches]).tolist()
        assert len(set(predicted)) == len(predicted)
        assert len(ids) - len(predicted) <= block_size + 1


def test_every_epoch_has_another_order_and_other_cuts():
    blocks = TokenBlocks(IDS, 8, 1, seed=0)
    n = blocks.blocks_per_epoch
    epochs = [[int(blocks(step).inputs[0, 0]) for step in range(e * n, (e + 1) * n)] for e in range(6)]
    assert all(epoch != sorted(epoch) for epoch in epochs)
    assert all(a != b for a, b in pairwise(epochs))
    assert len({epoch[0] % 8 for epoch in epochs}) > 1  # the offset


def test_a_text_shorter_than_a_block_is_refused_with_both_lengths():
    TokenBlocks(list(range(10)), 8, 1, seed=0)(0)
    with pytest.raises(ValueError, match="has 9 tokens, fewer than one block of 8 needs: give more text or a smaller"):
        TokenBlocks(list(range(9)), 8, 1, seed=0)


# --- held out -------------------------------------------------------------------------------------------------

DOCUMENTS = ["To be, or not to be: Käfer 漢字", "that is the question"]


@pytest.mark.parametrize(("block_size", "batch_size"), [(1, 1), (7, 2), (16, 3), (1000, 4)])
def test_every_held_out_token_is_predicted_exactly_once(tokenizer, block_size, batch_size):
    held_out = HeldOut(DOCUMENTS, tokenizer, block_size, batch_size)
    ids = tokenizer.encode_documents(DOCUMENTS)
    inputs = torch.cat([batch.inputs.flatten() for batch in held_out.batches])
    targets = torch.cat([batch.targets.flatten() for batch in held_out.batches])
    counts = targets != IGNORE_INDEX
    assert targets[counts].tolist() == ids
    assert inputs[counts].tolist() == [tokenizer.eot, *ids[:-1]]
    assert held_out.n_tokens == sum(batch.n_targets for batch in held_out.batches) == len(ids)
    assert {batch.inputs.shape[1] for batch in held_out.batches} == {block_size}
    assert max(len(batch.inputs) for batch in held_out.batches) <= batch_size


def test_the_bytes_of_held_out_text_are_those_of_its_utf8_form(tokenizer):
    assert HeldOut(["Käfer", "漢"], tokenizer, 8, 1).n_bytes == 6 + 3


@pytest.mark.parametrize("documents", [[], ["", ""]])
def test_no_held_out_text_is_refused(tokenizer, documents):
    with pytest.raises(ValueError, match="the validation text is empty"):
        HeldOut(documents, tokenizer, 8, 1)


def test_a_batch_counts_its_targets_and_splits_without_loss():
    batch = Batch(torch.arange(15).view(5, 3), torch.tensor([[1, 2, IGNORE_INDEX]] * 5))
    parts = batch.split(2)
    assert [part.n_targets for part in parts] == [4, 4, 2]
    assert same(Batch(*(torch.cat([getattr(p, name) for p in parts]) for name in ("inputs", "targets"))), batch)
