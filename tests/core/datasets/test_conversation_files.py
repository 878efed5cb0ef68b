"""Conversations as people keep them in files: every layout, and what is done about what cannot be read."""

import gzip
import json
import re
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.conversation_files import CUT, LAYOUTS, Conversations, read_conversations

TURN = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "Nay, answer me 🙂"}]
BRIEF = "Be brief."
SYSTEM = {"role": "system", "content": BRIEF}
MORE = [{"role": "user", "content": "Long live the king!"}, {"role": "assistant", "content": "Bernardo?"}]
ASKED, SAID = TURN[0]["content"], TURN[1]["content"]
ALPACA = {"instruction": "Translate.", "input": "Käfer", "output": "beetle"}
CHAT = {"messages": TURN}
TOLD = [SYSTEM, *TURN]
SHARE = ("system", "human", "gpt")
BEETLE = {"context": "Käfer", "response": "beetle"}


def written(path: Path, *lines: object) -> Path:
    """A file with these lines, each as JSON unless it is text."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def exchange(asked: str, said: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]


def parts(messages):
    return [
        m | {"content": [{"type": "text", "text": c} for c in (m["content"][:3], m["content"][3:])]} for m in messages
    ]


@pytest.mark.parametrize(
    ("item", "expected", "layout"),
    [
        ({"messages": [SYSTEM, *TURN]}, [SYSTEM, *TURN], "OpenAI messages"),
        ({"messages": parts(TURN)}, TURN, "OpenAI messages"),
        ({"system": "Be brief.", "conversations": TURN}, [SYSTEM, *TURN], "OpenAI messages"),
        (
            {"conversations": [{"from": by, "value": m["content"]} for by, m in zip(SHARE, TOLD, strict=True)]},
            [SYSTEM, *TURN],
            "ShareGPT",
        ),
        (TURN + MORE, TURN + MORE, "a bare list of messages"),
        ({"data": [ASKED, SAID]}, TURN, "texts by turns"),
        ({"instruction": ASKED, "input": "", "output": SAID}, TURN, "Alpaca"),
        ({"instruction": ASKED, "output": 7}, exchange(ASKED, "7"), "Alpaca"),
        (
            {"instruction": "Long live the king!", "output": "Bernardo?", "history": [[ASKED, SAID]], "system": BRIEF},
            [SYSTEM, *TURN, *MORE],
            "Alpaca",
        ),
        (ALPACA, exchange("Translate.\n\nKäfer", "beetle"), "Alpaca"),
        ({"instruction": "Translate."} | BEETLE, exchange("Translate.\n\nKäfer", "beetle"), "Dolly"),
        ({"prompt": ASKED, "completion": f" {SAID}\n"}, exchange(ASKED, f" {SAID}\n"), "prompt and completion"),
        ({"prompt": TURN[:1], "completion": TURN[1:]}, TURN, "prompt and completion"),
        ({"Question": ASKED, "Answer": SAID}, TURN, "question and answer"),
        ({"system_prompt": "Be brief.", "question": ASKED, "response": SAID}, [SYSTEM, *TURN], "question and response"),
        ({"chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {SAID}"}, TURN, "HH-RLHF"),
    ],
)  # fmt: skip
def test_every_layout_is_recognised_and_nothing_of_it_is_lost(item, expected, layout, tmp_path):
    found = read_conversations(written(tmp_path / "a.jsonl", item, ALPACA))
    assert found.messages[0] == expected and found.problems == []
    assert found.recognised.layout.split(" (")[0] in (layout, f"{layout} and Alpaca")


def test_the_examples_of_the_layouts_are_read_as_what_they_are(tmp_path):
    for name, example in LAYOUTS.items():
        assert read_conversations(written(tmp_path / "a.jsonl", example)).recognised.layout.startswith(name)


ROWS = [exchange(f"Say {n}.", f"{n}") for n in range(4)]
LINES = [{"instruction": f"Say {n}.", "input": "", "output": f"{n}"} for n in range(4)]
FORMS = {  # of the same four records
    "lines.jsonl": "\n".join(map(json.dumps, LINES)),
    "lines without an ending": "\r\n".join(map(json.dumps, LINES)),
    "list.json": json.dumps(LINES, indent=2),
    "one a line.json": "[\n" + ",\n".join(map(json.dumps, LINES)) + "\n]\n",
    "all in one.json": json.dumps(LINES),
    "in a row.json": "\n".join(json.dumps(line, indent=4) for line in LINES),
    "wrapped.json": json.dumps({"version": 1, "data": LINES}, indent=1),
    "by columns.json": json.dumps({key: [line[key] for line in LINES] for key in LINES[0]}),
    "by index.json": json.dumps({key: {str(n): line[key] for n, line in enumerate(LINES)} for key in LINES[0]}),
    "rows.json": json.dumps({"rows": [{"row_idx": n, "row": line} for n, line in enumerate(LINES)]}),
    "not a number.json": json.dumps([line | {"input": float("nan")} for line in LINES]),
    "excel.csv": "sep=;\ninstruction;output\n" + "".join(f"Say {n}.;{n}\n" for n in range(4)),
    "bare.jsonl": "\n".join(map(json.dumps, ROWS)),
    "bare.json": json.dumps(ROWS),
    "table.csv": "instruction,input,output\n" + "".join(f'"Say {n}.",,{n}\n' for n in range(4)),
    "table.tsv": "\tinstruction\toutput\n" + "".join(f"{n}\tSay {n}.\t{n}\n" for n in range(4)),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encode", ["utf-8", "utf-8-sig", "utf-16", "packed"])
def test_every_form_of_a_file_holds_the_same(name, encode, tmp_path):
    text = FORMS[name]
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if encode == "packed" else text.encode(encode))
    assert read_conversations(tmp_path / name).messages == ROWS


def test_json_lines_are_read_whatever_the_editor_did_to_them(tmp_path):
    odd = [{"role": "user", "content": "a\u2028b\u0085c"}, {"role": "assistant", "content": "d"}]
    path = written(tmp_path / "c.jsonl", "\ufeff" + json.dumps(CHAT) + "\r", "", ALPACA, {"messages": odd}, "")
    found = read_conversations(str(path))
    assert [len(messages) for messages in found.messages] == [2, 2, 2]
    assert found.messages[0] == TURN and found.messages[2] == odd


def test_a_question_at_the_end_is_left_out_and_counted_and_not_the_conversation(tmp_path):
    found = read_conversations(written(tmp_path / "a.jsonl", *[{"messages": [*TURN, MORE[0]]}] * 5, CHAT))
    assert found.messages == [TURN] * 6 and found.recognised.records == 6
    assert [one.line for one in found.recognised.left_out] == [1, 2, 3, 4, 5]
    assert found.problems == [f"5 records, in lines 1, 2, 3, ...: {CUT}"]


ANSWER = {"role": "assistant", "content": "Ay."}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}
BAD = {
    "not JSON": ('{"messages": [', "this is no JSON"),
    "no object": ('"text"', "this is no object in braces"),
    "no answer": ({"instruction": "Sing!"}, "it holds no answer to 'instruction' (it has: instruction)"),
    "other names": ({"text": "Sing!"}, 'it holds neither "messages" nor a question with an answer (it has: text)'),
    "a pair": ({"prompt": "p", "chosen": "c", "rejected": "r"}, "it is a pair of answers"),
    "no messages": ({"messages": []}, '"messages" is no list with messages in it'),
    "messages of another kind": ({"messages": "hello"}, '"messages" is no list with messages in it'),
    "unknown role": ({"messages": [{"role": "tool", "content": "x"}, ANSWER]}, "not 'tool'"),
    "role of another kind": ({"messages": [{"role": ["user"], "content": "x"}, ANSWER]}, "not ['user']"),
    "no role": ({"messages": [{"text": "hello"}, ANSWER]}, "not None"),
    "no content": ({"messages": [{"role": "user"}, ANSWER]}, 'a message needs "content"'),
    "an image": ({"messages": [IMAGE, ANSWER]}, "a part of the type 'image_url'"),
    "empty answer": ({"instruction": "Sing!", "output": " \n"}, "the answer is empty"),
    "null answer": ({"instruction": "Sing!", "output": None}, "the answer is empty"),
    "empty question": ({"instruction": "", "output": "la"}, "the question is empty"),
    "two answers": ({"instruction": "Sing!", "output": ["la", "lo"]}, "the answer is neither a text nor a list"),
    "only questions": ({"messages": [TURN[0], TURN[0]]}, "there is no answer to learn"),
}


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_or_left_out(line, sentence, tmp_path):
    path = written(tmp_path / "bad.jsonl", CHAT, "", line, ALPACA)
    with pytest.raises(ValueError, match=rf"^bad\.jsonl, line 3: .*{re.escape(sentence)}.*switch skip_bad_lines on"):
        read_conversations(path)
    found = read_conversations(path, skip_bad_lines=True)
    assert len(found.messages) == 2
    assert len(found.problems) == 1 and found.problems[0].startswith("line 3: ") and sentence in found.problems[0]


def test_all_bad_lines_are_counted(tmp_path):
    path = written(tmp_path / "bad.jsonl", "{", CHAT, "7")
    with pytest.raises(ValueError, match=r"^bad\.jsonl, line 1: .* \(and 1 more of 3\); correct it"):
        read_conversations(path)
    assert [p.split(":")[0] for p in read_conversations(path, skip_bad_lines=True).problems] == ["line 1", "line 3"]


def test_behind_a_broken_value_in_the_same_line_the_next_begins(tmp_path):
    path = written(tmp_path / "a.json", f'[{json.dumps(ALPACA)}, {{"instruction": oops}}, {json.dumps(ALPACA)}]')
    found = read_conversations(path, skip_bad_lines=True)
    assert len(found.messages) == 2 and len(found.problems) == 1


def test_what_holds_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: No such file or directory"):
        read_conversations(tmp_path / "none.json")
    for text in ("", " \n\n", "[]"):
        with pytest.raises(ValueError, match=r"^empty\.jsonl holds no conversation$"):
            read_conversations(written(tmp_path / "empty.jsonl", text))
    with pytest.raises(ValueError, match=r"^bad\.jsonl holds no conversation; line 1: this is no JSON"):
        read_conversations(written(tmp_path / "bad.jsonl", "{"), skip_bad_lines=True)
    (tmp_path / "packed.zip").write_bytes(b"PK\x03\x04...")
    with pytest.raises(ValueError, match=r"^packed\.zip is a zip archive: unpack it"):
        read_conversations(tmp_path / "packed.zip")


def test_parquet_is_read_with_its_lists(tmp_path):
    pandas.DataFrame({"messages": [TURN, TURN + MORE]}).to_parquet(tmp_path / "a.parquet")
    found = read_conversations(tmp_path / "a.parquet")
    assert found.messages == [TURN, TURN + MORE] and found.recognised.layout == "OpenAI messages (parquet)"


@given(contents=st.lists(st.integers(0, 9), min_size=2, max_size=40), share=st.floats(0.001, 1.0))
def test_a_split_has_at_least_one_of_each_and_no_repeat_on_both_sides(contents, share):
    made = Conversations("x", [exchange("?", str(n)) for n in contents])
    if len(set(contents)) < 2:
        with pytest.raises(ValueError, match=r"x holds 1 usable conversations that differ, of"):
            made.split(share, seed=1)
        return
    learned, held_out = ([messages[1]["content"] for messages in part] for part in made.split(share, seed=1))
    assert learned and held_out and not set(learned) & set(held_out)
    assert len(set(held_out)) == len(held_out)
    assert sorted(learned) == sorted(str(n) for n in contents if str(n) not in held_out)
    assert abs(len(held_out) - share * len(set(contents))) <= 1


def test_without_repeats_a_split_is_the_one_it_always_was():
    made = Conversations("x", [exchange("?", str(n)) for n in range(6)])
    learned, held_out = made.split(0.4, seed=3)
    assert [[m[1]["content"] for m in part] for part in (learned, held_out)] == [["5", "3", "2", "0"], ["1", "4"]]
