"""A conversation as tokens, of which only the answers are learned; and in batches."""

import pytest
import torch

from core.chat_template import encode_chat
from core.datasets.conversations import ChatBatches, Example, collate, examples
from core.linear_cross_entropy import IGNORE_INDEX

TURN = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "Nay, answer me 🙂"}]


# --- batches --------------------------------------------------------------------------------------------------


def test_a_batch_shows_what_comes_before_each_target_and_counts_answers_only():
    rows = collate(
        [Example([1, 10, 11, 2, 20, 0], [False] * 4 + [True] * 2), Example([1, 12, 2, 0], [False] * 3 + [True])]
    )
    no = IGNORE_INDEX
    assert rows.inputs.tolist() == [[1, 10, 11, 2, 20], [1, 12, 2, 0, 0]]
    assert rows.targets.tolist() == [[no, no, no, 20, 0], [no, no, 0, no, no]]


def test_every_example_comes_once_an_epoch_whatever_its_length():
    chosen = [Example([1, *range(100, 100 + n)], [False] + [True] * n) for n in range(1, 13)]
    batches = ChatBatches(chosen, 4, seed=3)
    for epoch in range(3):
        rows = [batches(step) for step in range(3 * epoch, 3 * epoch + 3)]
        assert sorted(int(n) for b in rows for n in (b.targets != IGNORE_INDEX).sum(1)) == list(range(1, 13))
    again = ChatBatches(chosen, 4, seed=3)(7)  # a function of the step, whatever was asked for before
    assert torch.equal(again.inputs, batches(7).inputs) and torch.equal(again.targets, batches(7).targets)


def test_conversations_that_are_too_long_are_counted_and_left_out(tokenizer):
    length = len(encode_chat(tokenizer, TURN)[0])
    assert len(examples(tokenizer, [TURN, TURN * 2], length - 1)[0]) == 1  # the last token is only a target
    assert examples(tokenizer, [TURN, TURN * 2], length - 1)[1] == 1
    assert examples(tokenizer, [TURN, TURN * 2], length - 2) == ([], 2)
    with pytest.raises(ValueError, match="there is no conversation to learn from"):
        ChatBatches([], 4, seed=0)
