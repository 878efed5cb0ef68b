"""A conversation as tokens, of which only the answers are learned; and in batches."""

import pytest
import torch
from hypothesis import given

from core.datasets.conversations import (
    ChatBatches,
    Example,
    collate,
    encode_chat,
    examples,
)
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import END_OF_TEXT, SPECIAL_TOKENS, Tokenizer
from tests.core.test_tokenizer import GPT2, TEXTS

TURN = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "Nay, answer me 🙂"}]


def test_a_turn_is_written_with_the_special_tokens_and_only_the_answer_counts(tokenizer):
    ids, mask = encode_chat(tokenizer, TURN)
    assert tokenizer.decode(ids) == "<|user|>Who's there?<|assistant|>Nay, answer me 🙂<|endoftext|>"
    assert tokenizer.decode(id for id, counts in zip(ids, mask, strict=True) if counts) == (
        "Nay, answer me 🙂<|endoftext|>"
    )


def test_several_turns_follow_each_other(tokenizer):
    once, twice = encode_chat(tokenizer, TURN), encode_chat(tokenizer, TURN * 2)
    assert twice == (once[0] * 2, once[1] * 2)


def test_a_question_alone_has_no_targets(tokenizer):
    ids, mask = encode_chat(tokenizer, TURN[:1])
    assert tokenizer.decode(ids) == "<|user|>Who's there?" and not any(mask)


@given(question=TEXTS.filter(bool), answer=TEXTS.filter(bool))
def test_what_is_typed_never_becomes_a_special_token(tokenizer, question, answer):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    ids, mask = encode_chat(tokenizer, messages)
    special = [id for id in ids if id in tokenizer.special_tokens.values()]
    assert special == [tokenizer.special_tokens[name] for name in ("<|user|>", "<|assistant|>", END_OF_TEXT)]
    assert sum(mask) == len(tokenizer.encode(answer)) + 1 and mask[-1]


@pytest.mark.parametrize("vocabulary", [GPT2, Tokenizer(GPT2.ranks, SPECIAL_TOKENS[:2])])
def test_a_vocabulary_without_the_special_tokens_is_refused(vocabulary):
    with pytest.raises(ValueError, match=r"this vocabulary has no .*<\|assistant\|>, so it cannot say whose turn"):
        encode_chat(vocabulary, TURN)


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "the conversation is empty"),
        ([{"role": "system", "content": "be kind"}], "message 1 has the role 'system': it must be user or assistant"),
        ([TURN[0], {"role": "assistant", "content": ""}], "message 2, of the assistant, is empty"),
    ],
)
def test_what_is_no_conversation_is_refused(messages, sentence, tokenizer):
    with pytest.raises(ValueError, match=sentence):
        encode_chat(tokenizer, messages)


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
