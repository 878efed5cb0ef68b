"""Rewards: how they are named, what they count, and what is said of one that cannot be relied on."""

import threading

import pytest
import torch

from core.datasets.instructions import Instruction
from core.preferences.reward_terms import REWARDS, parse_terms
from core.rlhf import own_reward
from core.rlhf.own_reward import read_own_reward
from core.rlhf.reward_functions import Rewards, reward_of

FILE = """
def fine(prompt, answers):
    return [float(len(answer)) for answer in answers]

def wrong(prompt, answers):
    return [1.0]

def nan(prompt, answers):
    return [float("nan") for answer in answers]

def word(prompt, answers):
    return ["good" for answer in answers]

def breaks(prompt, answers):
    raise KeyError("oh")

not_a_function = 3
"""


def rewards(text: str, asked=None, seconds: float = 5.0) -> Rewards:
    terms = parse_terms(text)
    return Rewards(terms, [reward_of(term, asked or {}, {}) for term in terms], seconds)


def test_terms_are_names_with_weights():
    terms = parse_terms("question, 0.5 metre , -0.1 length,my dir/my.py:fn")
    assert [(term.source, term.weight, term.name) for term in terms] == [
        ("question", 1.0, "question"),
        ("metre", 0.5, "metre"),
        ("length", -0.1, "length"),
        ("my dir/my.py:fn", 1.0, "fn"),
    ]
    assert [term.is_own for term in terms] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "reward is empty"),
        ("questions", "'questions' is no reward: name one or several of shorter, dozen"),
        ("0 question", "must be a number other than 0"),
        ("nan question", "must be a number other than 0"),
        ("question, 2 question", "names question twice"),
        ("http://x.org/my.txt:fn", "is no reward"),
    ],
)
def test_what_is_no_reward_is_named(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_terms(text)


def test_several_rewards_are_counted_apart_and_summed_by_weight():
    asked = {"Say, in two lines.": (Instruction("lines", "two lines"), Instruction("question"))}
    found = rewards("instructions, question, -0.5 length", asked)
    prompts = ["Say, in two lines."] * 3
    parts = found(prompts, ["Who art\nthou?", "I.", "Is it so?"])
    assert parts.tolist() == [[1.0, 1.0, 3.0], [0.0, 0.0, 1.0], [0.5, 1.0, 3.0]]
    torch.testing.assert_close(found.total(parts), torch.tensor([0.5, -0.5, 0.0]))


def test_prompts_in_turn_keep_their_answers():
    found = rewards("length")(["a", "a", "b", "a"], ["one", "one two", "one two three", ""])
    assert found[:, 0].tolist() == [1.0, 2.0, 3.0, 0.0]


def test_metre_and_rhyme_are_of_the_lines_without_the_speaker():
    found = rewards("metre, rhyme")(
        ["a"], ["HAMLET:\nBut soft what light through yonder window breaks\nThe morning wakes"]
    )
    assert found[0, 0] == pytest.approx(0.5) and found[0, 1] == 1.0


def test_every_name_says_what_it_pays_for():
    assert {"instructions", "question", "shorter", "thou", "love", "metre", "rhyme", "length"} <= set(REWARDS)


# --- a person's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my.py").write_text(FILE, encoding="utf-8")

    def named(function: str) -> str:
        text = f"{tmp_path / 'my.py'}:{function}"
        own_reward.allow(text)
        return text

    return named


def test_an_own_function_counts_like_any_other(own):
    assert rewards(own("fine"))(["a", "a"], ["x", "xyz"])[:, 0].tolist() == [1.0, 3.0]


def test_nobody_executes_a_file_that_was_not_named_at_the_start(tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\ndef fn(p, a): return [0.0]\n")
    with pytest.raises(ValueError, match="executed only if you name it on the command line"):
        read_own_reward(parse_terms(f"{tmp_path / 'evil.py'}:fn")[0])
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("wrong", "my.py:wrong gave 1 numbers for 2 answers"),
        ("nan", "my.py:nan gave nan, which is no finite number"),
        ("word", "my.py:word gave 'good', which is no finite number"),
        ("breaks", "my.py:breaks raised KeyError: 'oh', for the prompt 'a'"),
    ],
)
def test_a_reward_that_cannot_be_relied_on_is_named(function, sentence, own):
    with pytest.raises(ValueError, match=sentence):
        rewards(own(function))(["a", "a"], ["x", "y"])


@pytest.mark.parametrize(
    ("function", "sentence"), [("missing", "has no function missing"), ("not_a_function", "has no function not_a_fun")]
)
def test_what_is_not_there_is_said(function, sentence, own):
    with pytest.raises(ValueError, match=sentence):
        rewards(own(function))


def test_a_file_that_is_not_there_or_broken_is_said(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def fn(:\n")
    for path, sentence in ((broken, "cannot be loaded: SyntaxError"), (tmp_path / "no.py", "there is no file")):
        own_reward.allow(f"{path}:fn")
        with pytest.raises(ValueError, match=sentence):
            rewards(f"{path}:fn")


def test_one_that_takes_too_long_is_named():
    (term,) = parse_terms("slow.py:fn")
    wait = threading.Event()
    slow = Rewards([term], [lambda prompt, answers: wait.wait() and [0.0]], 0.05)
    with pytest.raises(ValueError, match=r"slow.py:fn took longer than reward_seconds = 0.05 for 1 answers"):
        slow(["a"], ["x"])
    wait.set()
