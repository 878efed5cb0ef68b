"""Shakespeare's plays as they are parsed, and texts from files and from the net."""

import hashlib
import http.client
import io
import re
import urllib.error
from collections import Counter

import pytest

from core.datasets import shakespeare
from core.datasets.shakespeare import Corpus, Speech, parse_speeches, plays

PLAY = """# The Tempest

## ACT I

### SCENE I. On a ship at sea.

_Enter a Shipmaster
and a Boatswain_

**Master**
Boatswain!

**Boatswain**
Here, master: what cheer?__\\[Aside]_ Alas---
_Thunder_
&amp; lightning,__\\[to them]_ my hearts!

_Exit_

### SCENE II. The island.

**MIRANDA**
If by your art,

my dearest father

## EPILOGUE

**PROSPERO**
Now my charms are all o'erthrown.
*Exeunt.*
"""


SHIP = "SCENE I. On a ship at sea."


def test_a_play_is_taken_apart_into_speeches():
    assert list(parse_speeches(PLAY.splitlines())) == [
        Speech("ACT I", SHIP, "Master", "Boatswain!"),
        Speech("ACT I", SHIP, "Boatswain", "Here, master: what cheer? Alas--\n& lightning, my hearts!"),
        Speech("ACT I", "SCENE II. The island.", "MIRANDA", "If by your art,\nmy dearest father"),
        Speech("EPILOGUE", "", "PROSPERO", "Now my charms are all o'erthrown."),
    ]


def test_there_are_38_plays_with_about_31000_speeches_in_six_genres():
    assert len({play.name for play in plays()}) == len(plays()) == 38
    assert 31_000 <= sum(len(play.speeches) for play in plays()) <= 31_700
    genres = {play.name: play.genre for play in plays()}
    assert set(genres.values()) == {"comedies", "histories", "problems", "roman", "romances", "tragedies"}
    assert (genres["hamlet"], genres["henry-v"], genres["the-tempest"]) == ("tragedies", "histories", "romances")


def test_every_speech_has_a_place_a_speaker_and_words():
    for play in plays():
        for speech in play.speeches:
            assert re.match(r"ACT (I|II|III|IV|V)$|PROLOGUE|EPILOGUE", speech.act), (play.name, speech)
            assert re.fullmatch(r"[A-Z][A-Za-z '&.,-]+", speech.speaker), (play.name, speech)
            assert re.search(r"[A-Za-z]", speech.text), (play.name, speech)


def test_who_says_what_in_hamlet():
    hamlet = next(play for play in plays() if play.name == "hamlet")
    speakers = Counter(speech.speaker for speech in hamlet.speeches)
    assert hamlet.title == "Hamlet"
    assert speakers.most_common(1)[0][0] == "HAMLET"
    assert {"HORATIO", "OPHELIA", "LORD POLONIUS", "Ghost"} <= set(speakers)
    said = next(speech for speech in hamlet.speeches if speech.text.startswith("To be, or not to be"))
    assert (said.act, said.speaker) == ("ACT III", "HAMLET")
    assert said.scene.startswith("SCENE I.")
    assert said.text.splitlines()[-1] == "Be all my sins remember'd."


def test_no_stage_direction_and_no_markdown_is_left():
    for play in plays():
        rendered = play.render()
        assert not set("_*#[]\\<>") & set(rendered), play.name
        assert not re.search(r"\b(Exeunt|Exit|Re-enter)\b|&\w+;", rendered), play.name
        assert "\n\n\n" not in rendered


def test_a_play_is_rendered_as_speaker_and_speech():
    hamlet = next(play for play in plays() if play.name == "hamlet").render()
    assert hamlet.startswith("BERNARDO:\nWho's there?\n\nFRANCISCO:\nNay, answer me: stand, and unfold yourself.\n\n")


def test_an_echo_says_one_two_and_four_lines_twice_by_turns():
    said = shakespeare.echo("A:\nb\nc\n\nD:\ne\n\nF:\ng\n\nH:\ni\n\n")
    groups = ["A:", "b\nc", "D:\ne\nF:\ng", "H:", "i"]
    assert said == "".join(f"{group}\n{group}\n\n" for group in groups)


def test_the_echo_corpus_is_the_plays_with_each_line_said_twice():
    once, echo = shakespeare.load("shakespeare"), shakespeare.load("shakespeare-echo")
    for ours, theirs in ((echo.train, once.train), (echo.val, once.val)):
        for play, original in zip(ours, theirs, strict=True):
            lines = (Counter(line for line in text.split("\n") if line) for text in (play, original))
            assert next(lines) == Counter({line: 2 * n for line, n in next(lines).items()})


@pytest.mark.parametrize(
    ("name", "n_plays", "held_out"),
    [("shakespeare", 38, ["the-taming-of-the-shrew", "the-tempest"]), ("shakespeare-1mb", 8, ["the-tempest"])],
)
def test_whole_plays_are_held_out(name, n_plays, held_out):
    rendered = {play.name: play.render() for play in plays()}
    loaded = shakespeare.load(name)
    assert list(loaded.val) == [rendered[play] for play in held_out]
    assert len(set(loaded.train)) == n_plays - len(held_out)
    assert set(loaded.train) <= set(rendered.values()) - set(loaded.val)


def test_the_small_selection_has_about_a_megabyte():
    small = shakespeare.load("shakespeare-1mb")
    assert 0.9e6 < sum(len(document.encode()) for document in small.train + small.val) < 1.1e6


# --- files ----------------------------------------------------------------------------------------------------


def test_a_file_is_split_nine_to_one(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes("Käfer\r\n".encode() * 100)
    text = "Käfer\n" * 100
    assert shakespeare.load(str(path)) == Corpus("mine.txt", (text[:540],), (text[540:],))


def test_a_saved_corpus_is_read_back_from_its_directory(tmp_path):
    shakespeare.save(Corpus("any", ("erste 漢字\n", "two\n"), ("val\n",)), tmp_path / "new")
    assert shakespeare.load(str(tmp_path / "new")) == Corpus("new", ("erste 漢字\ntwo\n",), ("val\n",))


def test_the_digest_tells_apart_what_is_trained_on_and_what_is_held_out():
    variants = [(("a", "b"), ("c",)), (("ab",), ("c",)), (("a",), ("b", "c")), (("a", "b"), ("d",))]
    assert len({Corpus("x", train, val).digest for train, val in variants}) == 4
    assert Corpus("x", ("a",), ("b",)).digest == Corpus("y", ("a",), ("b",)).digest


@pytest.mark.parametrize("name", ["shakespear", "/no/such/file.txt", "~nobody-of-this-name/text.txt"])
def test_a_text_that_is_not_there_is_refused_with_the_names_of_those_that_are(name):
    with pytest.raises(ValueError) as error:
        shakespeare.load(name)
    sentence = str(error.value)
    assert name in sentence and "shakespeare-1mb" in sentence and "\n" not in sentence


# --- tiny Shakespeare -----------------------------------------------------------------------------------------

CONTENT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"


@pytest.fixture
def internet(monkeypatch, tmp_path):
    """A net whose answers are `internet.answers`, and an empty cache at `internet.cache`; CONTENT is the right text."""

    class Internet:
        def __init__(self):
            self.answers, self.cache = [], tmp_path / "cache" / "tiny.txt"

        def open(self, url, timeout):
            assert url == shakespeare.TINY_URL and timeout > 0
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    internet = Internet()
    monkeypatch.setattr(shakespeare.urllib.request, "urlopen", internet.open)
    monkeypatch.setattr(shakespeare, "tiny_cache", lambda: internet.cache)
    monkeypatch.setattr(shakespeare, "TINY_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return internet


class BrokenOff(io.BytesIO):
    def read(self, *args):
        raise http.client.IncompleteRead(b"First Cit")


def test_tiny_shakespeare_is_fetched_once(internet):
    internet.answers = [io.BytesIO(CONTENT)]
    first, second = shakespeare.load("tiny-shakespeare"), shakespeare.load("tiny-shakespeare")
    assert first == second
    assert first.train[0] + first.val[0] == CONTENT.decode()


def test_a_damaged_copy_is_fetched_again(internet):
    internet.cache.parent.mkdir()
    internet.cache.write_bytes(CONTENT[:-1])
    internet.answers = [io.BytesIO(CONTENT)]
    shakespeare.load("tiny-shakespeare")
    assert internet.cache.read_bytes() == CONTENT


@pytest.mark.parametrize("answer", [urllib.error.URLError("no route"), TimeoutError(), BrokenOff()], ids=type)
def test_without_a_net_tiny_shakespeare_says_what_to_do(internet, answer):
    internet.answers = [answer]
    with pytest.raises(ValueError, match=r"^tiny-shakespeare .* could not be reached: connect to the internet"):
        shakespeare.load("tiny-shakespeare")


def test_another_text_in_its_place_is_refused_and_not_kept(internet):
    internet.answers = [io.BytesIO(b"<html>Please log in</html>")]
    with pytest.raises(ValueError, match="is not tiny Shakespeare"):
        shakespeare.load("tiny-shakespeare")
    assert not internet.cache.exists()
