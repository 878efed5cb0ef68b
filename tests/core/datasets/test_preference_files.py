"""Preferences as TRL keeps them in files; how they are split; the rules; the prompts."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.preference_files import (
    LAYOUTS,
    Preference,
    Preferences,
    export_preferences,
    read_preferences,
    write_preferences,
)
from core.datasets.prompts import held_out_prompts, learning_prompts, read_prompts
from core.preferences.rule_annotators import RULES, prefer

PAIRS = [Preference(f"Who, {n // 2}?", "Music 🙂\u2028plays.", "<b>No</b>", tie=n % 5 == 4) for n in range(20)]


def written(path, *lines: object):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    write_preferences(tmp_path / "all.jsonl", [*PAIRS, LATER, TOLD])
    assert read_preferences(tmp_path / "all.jsonl").pairs == [*PAIRS, LATER, TOLD]


def test_how_much_better_an_answer_is_stands_on_every_line_or_on_none(tmp_path):
    path, pairs = tmp_path / "votes.jsonl", [ASKED, replace(ASKED, prompt="And now?", margin=1 / 3)]
    write_preferences(path, pairs)
    assert [json.loads(line)["margin"] for line in path.read_text(encoding="utf-8").splitlines()] == [0.0, 1 / 3]
    assert read_preferences(path).pairs == pairs
    tied = written(tmp_path / "tied.jsonl", {"prompt": "What hour?", **TWO, "tie": True, "margin": 1})
    assert read_preferences(tied).pairs == [replace(ASKED, tie=True)]
    for wrong in ("-1", "true", '"much"'):
        bad = written(tmp_path / "bad.jsonl", f'{{"prompt": "p", "chosen": "c", "rejected": "r", "margin": {wrong}}}')
        with pytest.raises(ValueError, match="margin must be a number of 0 or more"):
            read_preferences(bad)


def test_by_what_an_answer_was_judged_stands_on_every_line_where_one_was_not_judged_overall(tmp_path):
    path, pairs = tmp_path / "votes.jsonl", [ASKED, replace(ASKED, prompt="And now?", criterion="character")]
    write_preferences(path, pairs)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["criterion"] for line in lines] == ["overall", "character"]
    assert read_preferences(path).pairs == pairs
    write_preferences(path, pairs[:1])
    assert "criterion" not in path.read_text(encoding="utf-8")
    bad = written(tmp_path / "bad.jsonl", '{"prompt": "p", "chosen": "c", "rejected": "r", "criterion": 3}')
    with pytest.raises(ValueError, match="criterion must be a text, got 3"):
        read_preferences(bad)


def test_an_export_holds_conversations_and_ties_in_a_file_of_their_own(tmp_path):
    decided, ties = tmp_path / "votes.jsonl", tmp_path / "votes-ties.jsonl"
    assert export_preferences(decided, PAIRS) == {decided: 16} and not ties.exists()
    assert export_preferences(decided, PAIRS, ties=True) == {decided: 16, ties: 4}
    line = json.loads(decided.read_text(encoding="utf-8").split("\n")[0])
    assert line == {
        "prompt": [{"role": "user", "content": "Who, 0?"}],
        "chosen": [{"role": "assistant", "content": "Music 🙂\u2028plays."}],
        "rejected": [{"role": "assistant", "content": "<b>No</b>"}],
    }
    assert [pair.tie for path in (decided, ties) for pair in read_preferences(path).pairs] == [False] * 16 + [True] * 4
    with pytest.raises(ValueError, match="no vote that prefers an answer yet"):
        export_preferences(tmp_path / "none.jsonl", [PAIRS[4]])


def said(*texts: str):
    """Messages by turns, the user's first."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def shared(from_human: str, *texts: str):
    return [{"from": (from_human, "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


SYSTEM = {"role": "system", "content": "Be brief."}
TWO = {"chosen": "Noon.", "rejected": "No."}
ASKED = Preference("What hour?", "Noon.", "No.")
LATER = Preference("And now?", "Noon.", "No.", history=(("user", "What hour?"), ("assistant", "Eleven.")))
TOLD = Preference("What hour?", "Noon.", "No.", history=(("system", "Be brief."),))


@pytest.mark.parametrize(
    ("item", "expected", "layout"),
    [
        ({"prompt": "What hour?"} | TWO, ASKED, "TRL"),
        ({"Prompt": "What hour?", "Chosen": "Noon.", "Rejected": "No."}, ASKED, "TRL"),
        ({"prompt": said("What hour?", "Eleven.", "And now?")} | TWO, LATER, "TRL"),
        ({"prompt": "What hour?", "chosen_response": "Noon.", "rejected_response": "No."}, ASKED, "TRL"),
        ({"system": "Be brief.", "question": "What hour?"} | TWO, TOLD, "question with two answers"),
        ({"instruction": "What hour?", "input": ""} | TWO, ASKED, "Alpaca with two answers"),
        (
            {"instruction": "And now?", "history": [["What hour?", "Eleven."]], "system": ""} | TWO,
            LATER,
            "Alpaca with two answers",
        ),
        (
            {"instruction": "Say", "input": "the hour", "output": ["Noon.", "No."]},
            Preference("Say\n\nthe hour", "Noon.", "No."),
            "Alpaca with two outputs",
        ),
        (
            {
                "prompt": [SYSTEM, *said("What hour?")],
                "chosen": [{"role": "assistant", "content": "Noon."}],
                "rejected": [{"role": "assistant", "content": [{"type": "text", "text": "No."}]}],
            },
            TOLD,
            "TRL, conversational",
        ),
        (
            {name: [SYSTEM, *said("What hour?", text)] for name, text in TWO.items()},
            TOLD,
            "TRL, implicit prompt",
        ),
        (
            {"chosen": "What is it? Noon.", "rejected": "What is it? No."},
            Preference("What is it?", "Noon.", "No."),
            "TRL, implicit prompt",
        ),
        (
            {"prompt": "What hour?", "messages": said("What hour?", "Noon.")}
            | {name: said("What hour?", "Eleven.", "And now?", text) for name, text in TWO.items()},
            LATER,
            "UltraFeedback",
        ),
        (
            {
                name: f"\n\nHuman: What hour?\n\nAssistant: Eleven.\n\nHuman: And now?\n\nAssistant: {text}"
                for name, text in TWO.items()
            },
            LATER,
            "HH-RLHF",
        ),
        (
            {"prompt": "\n\nHuman: What hour?\n\nAssistant:", "chosen": " Noon.", "rejected": " No."},
            ASKED,
            "TRL",
        ),
        (
            {"conversations": shared("human", "What hour?", "Eleven.", "And now?")}
            | {name: {"from": "gpt", "value": text} for name, text in TWO.items()},
            LATER,
            "ShareGPT with two answers",
        ),
    ],
)
def test_every_layout_keeps_all_that_was_asked(item, expected, layout, tmp_path):
    found = read_preferences(written(tmp_path / "a.jsonl", item))
    assert found.pairs == [expected] and found.recognised.layout == f"{layout} (JSON lines)"
    write_preferences(tmp_path / "again.jsonl", found.pairs)
    assert read_preferences(tmp_path / "again.jsonl").pairs == [expected]


def test_a_list_over_several_lines_and_a_table_are_read_like_lines(tmp_path):
    rows = [
        {"instruction": f"Say {n}.", "input": "", "output": "x", "rejected": "No.", "chosen": f"{n}"} for n in range(3)
    ]
    expected = [Preference(f"Say {n}.", f"{n}", "No.") for n in range(3)]
    path = written(tmp_path / "book.json", json.dumps(rows, indent=4))
    found = read_preferences(path)
    assert found.pairs == expected and found.recognised.layout == "Alpaca with two answers (JSON list)"
    table = written(tmp_path / "a.csv", "prompt,chosen,rejected", *(f"Say {n}.,{n},No." for n in range(3)))
    assert read_preferences(table).pairs == expected
    assert read_preferences(written(tmp_path / "w.json", {"train": rows, "test": rows})).recognised.notes


def test_the_examples_of_the_layouts_are_read_as_what_they_are(tmp_path):
    for name, example in LAYOUTS.items():
        assert read_preferences(written(tmp_path / "a.jsonl", example)).recognised.layout == f"{name} (JSON lines)"


def test_blanks_in_answers_are_kept_and_two_equal_answers_are_left_out_and_counted(tmp_path):
    code = {"prompt": "body:", "chosen": "    return 1\n", "rejected": "return 1"}
    found = read_preferences(written(tmp_path / "a.jsonl", code, code | {"rejected": "    return 1\n"}, code))
    assert [(pair.chosen, pair.rejected) for pair in found.pairs] == [("    return 1\n", "return 1")] * 2
    assert found.problems == ["line 2: chosen and rejected are the same"]
    none = read_preferences(written(tmp_path / "none.jsonl", *[code | {"chosen": "return 1"}] * 2))
    with pytest.raises(ValueError, match=r"none\.jsonl holds no votes that can be used: line 1: chosen and rejected"):
        none.split(0.2, 0)


GOOD = {"prompt": "p", "chosen": "c", "rejected": "r"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2: this is no JSON"),
        ([1], "no object in braces"),
        ({"prompt": "p", "chosen": "c"}, "rejected missing"),
        ({"chosen": "c", "rejected": "r"}, "prompt missing: it stands neither by itself"),
        ({"prompt": "p", "completion": "c", "label": True}, "as KTO learns from"),
        (GOOD | {"chosen": " "}, "chosen is empty"),
        (GOOD | {"rejected": None}, "rejected is empty"),
        (
            GOOD | {"rejected": [{"role": "user", "content": "x"}]},
            "the last message of rejected is not by",
        ),
        (GOOD | {"prompt": said("a", "b")}, 'the last message of prompt is not by the role "user"'),
        (GOOD | {"prompt": [{"role": "narrator", "content": "x"}]}, "not 'narrator'"),
        (GOOD | {"chosen": said("another", "x")}, "chosen begins with other messages than those of the prompt"),
        (
            {"chosen": said("a", "b", "c", "d"), "rejected": said("a", "x", "c", "d")},
            "part before their last message",
        ),
        (GOOD | {"tie": "yes"}, "tie must be true or false"),
        (GOOD | {"chosen": "\ud83d"}, "chosen holds half of a character"),
    ],
)
def test_a_bad_line_is_named_or_left_out(line, sentence, tmp_path):
    path = written(tmp_path / "v.jsonl", GOOD, line, GOOD)
    with pytest.raises(ValueError, match=r"v\.jsonl, line 2: .*correct it, or switch skip_bad_lines on") as error:
        read_preferences(path)
    assert sentence in str(error.value)
    found = read_preferences(path, skip_bad_lines=True)
    assert len(found.pairs) == 2 and len(found.problems) == 1


def test_a_broken_value_of_a_list_never_hides_the_others(tmp_path):
    rows = [json.dumps(GOOD | {"prompt": f"p{n}"}, indent=2) for n in range(4)]
    rows[1] = rows[1].replace('"c"', "oops")
    path = written(tmp_path / "list.json", "[", ",\n".join(rows), "]")
    with pytest.raises(ValueError, match=r"line 7: this is no JSON \("):
        read_preferences(path)
    found = read_preferences(path, skip_bad_lines=True)
    assert [pair.prompt for pair in found.pairs] == ["p0", "p2", "p3"] and len(found.problems) == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30), st.floats(0.01, 0.9))
def test_a_split_shares_no_prompt_and_loses_no_pair(found, share):
    pairs = [Preference(f"p{n}", f"c{i}", "r", tie) for i, (n, tie) in enumerate(found)]
    if len({pair.prompt for pair in pairs if not pair.tie}) < 2:
        with pytest.raises(ValueError, match=r"are ties|on one prompt"):
            Preferences("votes", pairs, "").split(share, 1)
        return
    learned, held_out = Preferences("votes", pairs, "").split(share, 1)
    assert not {pair.prompt for pair in learned} & {pair.prompt for pair in held_out}
    assert sorted([*learned, *held_out], key=pairs.index) == pairs
    assert all(any(not pair.tie for pair in part) for part in (learned, held_out))


def test_no_votes_are_no_votes():
    with pytest.raises(ValueError, match="holds no votes: vote in the Label tab"):
        Preferences("votes.jsonl", [], "").split(0.2, 0)


# --- rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "left", "right", "expected"),
    [
        ("question", "Who is it?", "It is I.", "left"),
        ("question", "Is it? It is.", "'Is it?'", "right"),
        ("question", "No.", "Yes.", "tie"),
        ("shorter", "I know not.", "No.", "right"),
        ("shorter", "HAMLET:\nNo.", "No, no.", "left"),  # a name above the answer does not count
        ("thou", "Thou art.", "You are.", "left"),
        ("thou", "Without them.", "thyself", "right"),
        ("love", "My belovèd, I loved", "I glove", "left"),
        ("thou", "Thou'rt a knave.", "Though they art.", "left"),
        ("thou", "I'll go with'thee.", "thou'lt", "right"),
        ("love", "gloves and clover", "a lover", "right"),
        ("love", "I lov'd him.", "I liv'd.", "left"),
        ("love", "belovèd", "a slovenly glove", "left"),
        ("shorter", "", "A word.", "right"),  # who says nothing has not been brief
    ],
)
def test_rules_prefer_what_they_say(rule, left, right, expected):
    assert prefer(RULES[rule], left, right) == expected
    opposite = {"left": "right", "right": "left", "tie": "tie"}
    assert prefer(RULES[rule], right, left) == opposite[expected]


def test_what_a_rule_likes_is_what_it_prefers():
    samples = ["Thou lov'st?", "I love thee.", "No.", "Who is it that I may not know by name at all?", "Love!"]
    for name in ("question", "thou", "love"):
        rule = RULES[name]
        liked = [s for s in samples if rule.holds(s)]
        others = [s for s in samples if not rule.holds(s)]
        assert liked and all(prefer(rule, a, b) == "left" for a in liked for b in others)
    assert not any(rule.holds("") for rule in RULES.values())
    assert RULES["shorter"].holds("one two three four five six") and not RULES["shorter"].holds("1 2 3 4 5 6 7")


# --- prompts --------------------------------------------------------------------------------------------------


def test_built_in_prompts_are_different_reproducible_and_from_other_plays_where_it_is_measured():
    learned, measured = learning_prompts(300, seed=1), held_out_prompts(100)
    assert len(set(learned)) == 300 and len(set(measured)) == 100 and not set(learned) & set(measured)
    assert learning_prompts(300, seed=1) == learned != learning_prompts(300, seed=2)
    instructed = sum("\n\nAnswer" in prompt for prompt in learned)
    assert 100 < instructed < 200
    assert not any("question" in prompt.rsplit("\n\n", 1)[-1] for prompt in learned if "\n\nAnswer" in prompt)


def test_own_prompts_are_read_line_by_line(tmp_path):
    assert read_prompts(written(tmp_path / "p.txt", "Who?", "", "  What?  ", "Who?")) == ["Who?", "What?"]
    talk = {"prompt": [{"role": "user", "content": "Why?"}]}
    assert read_prompts(written(tmp_path / "p.jsonl", {"prompt": "Who?"}, talk)) == ["Who?", "Why?"]
    for lines, sentence in (
        ([{"text": "x"}], 'line 1: there is no text called "prompt"'),
        (["{"], "no JSON"),
        ([{"prompt": said("a", "b", "c")}], "line 1: the prompt has several turns"),
        ([], "holds no prompt"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read_prompts(written(tmp_path / "bad.jsonl", *lines))
    with pytest.raises(ValueError, match=r"prompts .*absent"):
        read_prompts(tmp_path / "absent.txt")
