"""Skills of writing, counted in texts made by hand."""

import pytest

from core.skills.writing import (
    WRITING_SKILLS,
    Text,
    count_writing,
    places,
    speakers,
    spelled_words,
    usual_lines,
    write_texts,
)

PLAY = (
    "ROMEO:\nWhat shall be done, my lord?\n\nJULIET:\nNothing will come tomorrow.\n\nNURSE:\nSpeak again, my lady.\n\n"
)


@pytest.fixture(scope="module")
def text(tokenizer) -> Text:
    return Text.read([PLAY * 5], tokenizer)


def test_what_a_text_holds_is_read_from_it(text):
    assert {"shall", "tomorrow", "juliet"} <= text.words and not {"be", "my"} & text.words
    assert text.headings == {"ROMEO:", "JULIET:", "NURSE:"}
    assert text.usual == (6, 28)


def test_words_count_that_are_spelled_of_several_tokens_and_are_real(text):
    assert "the" in text.whole  # the vocabulary holds it as one token
    hits, of = spelled_words("Nothing shell done the, Nurse spea", text)  # the last one may be cut off
    assert (hits, of) == (["nothing", "done", "nurse"], 4)


def test_lines_count_that_are_as_long_as_the_texts(text):
    assert usual_lines("\n\nSpeak again\nNo\nwhat shall", text) == (["Speak again"], 2)
    assert usual_lines(f"{'a' * 29}", text) == ([], 1)  # already too long, though it has not ended


def test_speakers_count_among_the_lines_that_end_in_a_colon(text):
    assert speakers("ROMEO:\nSpeak again.\n\nRULIET:\nWhat\nNURSE:", text) == (["ROMEO:"], 2)


def test_all_texts_together_are_a_share_with_its_example(text):
    seen = count_writing(7, ["ROMEO:\nSpeak again now\n", "RO:\nNothing come \n", "no word of that kind"], text)
    assert (seen["speakers"].count, seen["speakers"].of, seen["speakers"].example) == (1, 2, "ROMEO:")
    assert seen["words"].step == 7 and 0 < seen["words"].low < seen["words"].value < seen["words"].high < 1


def test_what_a_text_cannot_teach_is_left_out(tokenizer):
    one_line = Text.read(["ACGTTGCA" * 2000], tokenizer)
    assert (one_line.headings, one_line.usual) == (frozenset(), None)
    assert [name for name, skill in WRITING_SKILLS.items() if skill.needs(one_line)] == ["words", "spelling"]
    digits = Text.read(["1 2 3 4\n" * 300], tokenizer)
    assert set(count_writing(0, ["1 2\n3"], digits)) == {"lines"}
    prose = Text.read([("long " * 60 + "\n") * 40], tokenizer)
    assert prose.usual is None


def test_texts_are_begun_where_a_paragraph_or_else_a_line_or_a_word_begins():
    assert len(places([PLAY * 10])) == 16 and all(before.endswith("\n\n") for before in places([PLAY * 10]))
    assert all(before.endswith("line\n") for before in places(["a line\n" * 30]))
    assert all(before.endswith("word ") for before in places(["word " * 30]))
    assert places(["nothing"]) == ["nothing"]


def test_a_model_writes_the_same_each_time(model, tokenizer):
    prompts = places([PLAY])
    first = write_texts(model, tokenizer, prompts)
    assert first == write_texts(model, tokenizer, prompts) and len(first) == len(prompts)
