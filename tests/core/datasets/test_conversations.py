"""A conversation as tokens, of which only the answers are learned; in batches; and as people keep it in files."""

import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.conversations import (
    ChatBatches,
    Conversations,
    Example,
    collate,
    encode_chat,
    examples,
    read_conversations,
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


# --- files ----------------------------------------------------------------------------------------------------

ALPACA = {"instruction": "Translate.", "input": "Käfer", "output": "beetle"}
CHAT = {"messages": TURN}


def written(path: Path, *lines: object) -> Path:
    """A file with these lines, each as JSON unless it is text."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_alpaca_json_is_read(tmp_path):
    rows = [ALPACA, {"instruction": "Sing!", "input": "", "output": " la "}, {"instruction": "Stop!", "output": "no"}]
    found = read_conversations(written(tmp_path / "a.json", json.dumps(rows, indent=2)))
    assert (found.name, found.problems) == ("a.json", [])
    assert found.messages == [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        for asked, answer in (("Translate.\n\nKäfer", "beetle"), ("Sing!", "la"), ("Stop!", "no"))
    ]


def test_json_lines_are_read_whatever_the_editor_did_to_them(tmp_path):
    odd = [{"role": "user", "content": "a\u2028b\u0085c"}, {"role": "assistant", "content": "d"}]
    path = written(tmp_path / "c.jsonl", "\ufeff" + json.dumps(CHAT) + "\r", "", ALPACA, {"messages": odd}, "")
    found = read_conversations(str(path))
    assert [len(messages) for messages in found.messages] == [2, 2, 2]
    assert found.messages[0] == TURN and found.messages[2] == odd


ANSWER = {"role": "assistant", "content": "Ay."}
BAD = {
    "not JSON": ('{"messages": [', "this is no JSON"),
    "no object": ('"text"', "this is no object in braces"),
    "missing fields": ({"instruction": "Sing!"}, 'it holds neither "messages" nor "instruction" and "output"'),
    "no messages": ({"messages": []}, '"messages" is no list with messages in it'),
    "messages of another kind": ({"messages": "hello"}, '"messages" is no list with messages in it'),
    "wrong role": ({"messages": [{"role": "system", "content": "x"}, ANSWER]}, "not 'system'"),
    "role of another kind": ({"messages": [{"role": ["user"], "content": "x"}, ANSWER]}, "not ['user']"),
    "no role": ({"messages": ["hello", ANSWER]}, "not None"),
    "no content": ({"messages": [{"role": "user"}, ANSWER]}, 'a message needs "content"'),
    "empty answer": ({"instruction": "Sing!", "output": " \n"}, "the answer is empty"),
    "empty question": ({"instruction": "", "output": "la"}, "the question is empty"),
    "user has the last word": ({"messages": [*TURN, TURN[0]]}, "the last message is not the assistant's"),
}


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_or_left_out(line, sentence, tmp_path):
    path = written(tmp_path / "bad.jsonl", CHAT, "", line, ALPACA)
    with pytest.raises(ValueError, match=rf"^bad\.jsonl, line 3: .*{re.escape(sentence)}.*switch skip_bad_lines on"):
        read_conversations(path)
    found = read_conversations(path, skip_bad_lines=True)
    assert len(found.messages) == 2
    assert len(found.problems) == 1 and found.problems[0].startswith("line 3: ") and sentence in found.problems[0]


def test_all_bad_lines_are_listed(tmp_path):
    path = written(tmp_path / "bad.jsonl", "{", CHAT, "7")
    assert [p.split(":")[0] for p in read_conversations(path, skip_bad_lines=True).problems] == ["line 1", "line 3"]


def test_in_a_list_a_bad_value_is_named_by_its_line_and_a_broken_one_ends_it(tmp_path):
    value = json.dumps(ALPACA)
    path = written(tmp_path / "list.json", "[", f"{value},", '{"instruction": "Sing!"},', f"{value}", "]")
    with pytest.raises(ValueError, match=r'^list\.json, line 3: it holds neither "messages"'):
        read_conversations(path)
    assert len(read_conversations(path, skip_bad_lines=True).messages) == 2
    path = written(tmp_path / "list.json", "[", f"{value},", '{"instruction": oops},', f"{value}", "]")
    with pytest.raises(ValueError, match=r"^list\.json, line 3: this is no JSON, and what follows cannot be read"):
        read_conversations(path)
    found = read_conversations(path, skip_bad_lines=True)
    assert len(found.messages) == len(found.problems) == 1


def test_what_holds_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: No such file or directory"):
        read_conversations(tmp_path / "none.json")
    for text in ("", " \n\n", "[]"):
        with pytest.raises(ValueError, match=r"^empty\.jsonl holds no conversation$"):
            read_conversations(written(tmp_path / "empty.jsonl", text))
    with pytest.raises(ValueError, match=r"^bad\.jsonl holds no conversation; line 1: this is no JSON"):
        read_conversations(written(tmp_path / "bad.jsonl", "{"), skip_bad_lines=True)
    (tmp_path / "latin.jsonl").write_bytes('{"instruction": "Käfer"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"^latin\.jsonl is not UTF-8 text \(byte 18 cannot be read\)"):
        read_conversations(tmp_path / "latin.jsonl")


@given(count=st.integers(2, 40), share=st.floats(0.001, 1.0))
def test_a_split_has_at_least_one_of_each_and_loses_nothing(count, share):
    made = Conversations("x", [[{"role": "assistant", "content": str(n)}] for n in range(count)])
    learned, held_out = made.split(share, seed=1)
    assert learned and held_out
    assert sorted(m[0]["content"] for m in learned + held_out) == sorted(map(str, range(count)))
    assert abs(len(held_out) - share * count) <= 1
    assert made.split(share, seed=1) == (learned, held_out)


def test_one_conversation_cannot_be_split():
    with pytest.raises(ValueError, match=r"^x holds 1 usable conversations: at least 2 are needed"):
        Conversations("x", [TURN]).split(0.1, seed=0)
