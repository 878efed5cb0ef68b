"""Preferences as TRL keeps them in files; how they are split; the rules; the prompts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.preference_files import Preference, Preferences, read_preferences, write_preferences
from core.datasets.prompts import held_out_prompts, learning_prompts, read_prompts
from core.preferences.rule_annotators import RULES, prefer

PAIRS = [Preference(f"Who, {n // 2}?", "Music 🙂\u2028plays.", "<b>No</b>", tie=n % 5 == 4) for n in range(20)]


def written(path, *lines: object):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_what_is_written_is_read_again_and_trl_gets_no_ties(tmp_path):
    write_preferences(tmp_path / "all.jsonl", PAIRS)
    assert read_preferences(tmp_path / "all.jsonl").pairs == PAIRS
    write_preferences(tmp_path / "trl.jsonl", PAIRS, ties=False)
    lines = [json.loads(line) for line in (tmp_path / "trl.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert len(lines) == 16 and all(set(line) == {"prompt", "chosen", "rejected"} for line in lines)


def test_conversations_count_by_their_last_message(tmp_path):
    user, assistant = (
        (lambda text: {"role": "user", "content": text}),
        (lambda text: {"role": "assistant", "content": text}),
    )
    line = {
        "prompt": [user("Hm."), assistant("Yes?"), user("Who?")],
        "chosen": [assistant("I.")],
        "rejected": [assistant("He.")],
    }
    assert read_preferences(written(tmp_path / "a.jsonl", line)).pairs == [Preference("Who?", "I.", "He.")]


GOOD = {"prompt": "p", "chosen": "c", "rejected": "r"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2: this is no JSON"),
        ([1], "no object in braces"),
        ({"prompt": "p", "chosen": "c"}, "rejected missing"),
        ({"chosen": "c", "rejected": "r"}, "prompt missing; preferences without a prompt of their own"),
        (GOOD | {"chosen": " "}, "chosen is empty"),
        (GOOD | {"rejected": 3}, "rejected is neither a text nor a list"),
        (
            GOOD | {"prompt": [{"role": "assistant", "content": "x"}]},
            'the last message of prompt is not by the role "user"',
        ),
        (GOOD | {"tie": "yes"}, "tie must be true or false"),
        (GOOD | {"chosen": "\ud83d"}, "chosen holds half of a character"),
    ],
)
def test_a_bad_line_is_named_or_left_out(line, sentence, tmp_path):
    path = written(tmp_path / "v.jsonl", GOOD, line, GOOD)
    with pytest.raises(ValueError, match=r"v\.jsonl, line 2: .*mend it") as error:
        read_preferences(path)
    assert sentence in str(error.value)
    found = read_preferences(path, skip_bad_lines=True)
    assert len(found.pairs) == 2 and len(found.problems) == 1


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
    with pytest.raises(ValueError, match="holds no votes: vote in the Label tab first"):
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
        ([], "holds no prompt"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read_prompts(written(tmp_path / "bad.jsonl", *lines))
    with pytest.raises(ValueError, match=r"prompts .*absent"):
        read_prompts(tmp_path / "absent.txt")
