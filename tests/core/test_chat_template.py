"""A conversation as tokens: whose turn it is, what is learned, and that Hugging Face reads the very same."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from transformers import AutoTokenizer

from core.chat_template import (
    CHAT,
    CHATML,
    TEMPLATES,
    encode_chat,
    encode_prompt,
    merge_system,
    padding_token,
    question,
    reads,
    turn_ends,
    with_padding,
    with_template,
)
from core.checkpoint import write_chat_files
from core.model import GPTConfig
from core.tokenizer import END_OF_TEXT, SPECIAL_TOKENS, Tokenizer
from tests.core.test_tokenizer import GPT2, TEXTS

TURN = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "Nay, answer me 🙂"}]
SYSTEM = {"role": "system", "content": "It is night."}
BOOK = """Below is an instruction that describes a task. Write a response that appropriately completes the request.

### Instruction:
Who's there?

### Response:
Nay, answer me 🙂<|endoftext|>"""


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
    with pytest.raises(ValueError, match="the chat template of this vocabulary is not one that is known here"):
        encode_chat(vocabulary.extended([], "{{ messages }}"), TURN)


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "the conversation is empty"),
        ([{"role": "tool", "content": "be kind"}], "message 1 has the role 'tool': it must be system, user, assistant"),
        ([TURN[0], {"role": "assistant", "content": ""}], "message 2, of the assistant, is empty"),
        ([SYSTEM], "no message of the user follows the system message"),
    ],
)
def test_what_is_no_conversation_is_refused(messages, sentence, tokenizer):
    with pytest.raises(ValueError, match=sentence):
        encode_chat(tokenizer, messages)


def test_system_text_stands_at_the_head_of_the_users_next_message(tokenizer):
    merged = [{"role": "user", "content": "It is night.\n\nWho's there?"}, TURN[1]]
    assert merge_system([SYSTEM, *TURN]) == merged
    assert merge_system([SYSTEM, SYSTEM, *TURN])[0]["content"] == "It is night.\n\nIt is night.\n\nWho's there?"
    assert merge_system([*TURN, SYSTEM, *TURN]) == [*TURN, *merged]
    assert encode_chat(tokenizer, [SYSTEM, *TURN]) == encode_chat(tokenizer, merged)


# --- templates ------------------------------------------------------------------------------------------------


def test_the_chat_tokens_are_added_behind_gpt2s():
    taught = with_template(GPT2)
    assert taught.special_tokens == {END_OF_TEXT: 50256, "<|user|>": 50257, "<|assistant|>": 50258}
    assert with_template(taught).special_tokens == taught.special_tokens and GPT2.vocab_size == 50257
    assert turn_ends(taught) == {50256, 50257, 50258} and padding_token(taught) == "<|user|>"


def test_alpaca_is_the_books_text_in_the_books_tokens_and_adds_none():
    taught = with_template(GPT2, "alpaca")
    ids, mask = encode_chat(taught, TURN)
    assert ids == GPT2.encoding.encode(BOOK, allowed_special="all")
    assert taught.decode(id for id, counts in zip(ids, mask, strict=True) if counts) == BOOK[BOOK.index("Nay") :]
    assert taught.vocab_size == GPT2.vocab_size and turn_ends(taught) == {GPT2.eot}
    assert with_padding(taught).special_tokens == {END_OF_TEXT: 50256, "<|pad|>": 50257}, "answers end with the other"


def test_a_vocabulary_keeps_the_template_that_it_has():
    for template in TEMPLATES.values():
        made = with_template(GPT2, template.name)
        assert with_template(made).chat_template == made.chat_template == template.jinja
    assert with_template(GPT2.extended(CHATML.tokens, None)).chat_template == CHATML.jinja, "its tokens are made for it"
    assert with_template(GPT2.extended([], "{{ messages }}")).chat_template == CHAT.jinja


def test_a_reward_model_reads_what_is_written_in_its_own_turns():
    chat, alpaca = with_template(GPT2), with_template(GPT2, "alpaca")
    assert reads(chat, chat) and reads(with_padding(alpaca), alpaca)
    assert not reads(alpaca, with_padding(alpaca)) and not reads(with_template(chat, "alpaca"), chat)


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_question_is_found_again_in_a_prompt(template):
    taught = with_template(GPT2, template)
    assert question(taught, encode_prompt(taught, TURN[:1])) == "Who's there?"


# --- Hugging Face ---------------------------------------------------------------------------------------------


def opened(directory: Path, taught: Tokenizer) -> tuple[Tokenizer, Any]:
    """A vocabulary with a template as it lies on disk, by us and by Hugging Face."""
    taught.save(directory)
    write_chat_files(directory, GPTConfig(block_size=10_000), taught)
    return Tokenizer.load(directory), AutoTokenizer.from_pretrained(directory)


LETTERS = "aeinrst EINRST.,'!?:#-0123456789\n\n\t  \u00a0\u2028\r\x1céßЖ漢字🙂"


def random_conversation(chance: random.Random) -> list[dict[str, str]]:
    """Up to three turns of nonsense, with blanks of all kinds anywhere, maybe with a system message, maybe asking."""
    roles = ["user", "assistant"] * chance.randint(1, 3)
    roles = [*["system"] * chance.randint(0, 1), *roles[: len(roles) - chance.randint(0, 1)]]
    texts = ("".join(chance.choices(LETTERS, k=chance.randint(0, 12))) for _ in roles)
    return [{"role": role, "content": f"{text}x{text[::-1]}"} for role, text in zip(roles, texts, strict=True)]


@pytest.mark.parametrize(
    ("template", "gpt2"),
    [
        ("chat", False),
        ("alpaca", False),
        pytest.param("alpaca", True, marks=pytest.mark.slow),
        ("chatml", False),
        ("dialogpt", False),
    ],
)
def test_hugging_face_gives_the_same_ids(template, gpt2, tokenizer, tmp_path):
    ours, theirs = opened(tmp_path, with_template(GPT2 if gpt2 else tokenizer, template))
    chance = random.Random(0)
    for _ in range(300):
        messages = random_conversation(chance)
        assert theirs.apply_chat_template(messages)["input_ids"] == encode_chat(ours, messages)[0]
        asked = theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        assert asked == encode_prompt(ours, messages)


@pytest.mark.parametrize("template", TEMPLATES)
def test_hugging_face_refuses_what_we_refuse(template, tokenizer, tmp_path):
    _, theirs = opened(tmp_path, with_template(tokenizer, template))
    with pytest.raises(Exception, match="role of a message"):
        theirs.apply_chat_template([{"role": "tool", "content": "x"}])
    if TEMPLATES[template].system is None:
        with pytest.raises(Exception, match="no message of the user follows"):
            theirs.apply_chat_template([SYSTEM])
