"""A conversation as tokens: who speaks is said by special tokens, and only the answers are learned."""

import pytest
from hypothesis import given

from core.data.chat import encode_chat
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
