"""Labelled texts: the plays' genres by the First Folio, CSV files good and bad, a fair split, right-padded batches."""

from collections import Counter

import pytest
import torch

from core.datasets import classification
from core.datasets.classification import Encoded, Example, TextBatches, load, one_of_each, preview
from core.datasets.shakespeare import plays
from core.linear_cross_entropy import IGNORE_INDEX

GOOD = "text,label\n" + "".join(f'"{word}, number {n}",{word}\n' for word in ("yes", "no") for n in range(10))


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "texts.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


# --- the plays ------------------------------------------------------------------------------------------------


def test_genres_are_those_of_the_first_folio():
    genre_of = {
        play.name: classification.FOLIO.get(play.name) or classification.FOLIO[play.genre]
        for play in plays()
        if play.name not in classification.NOT_IN_FOLIO
    }
    assert Counter(genre_of.values()) == {"comedy": 14, "history": 10, "tragedy": 12}  # 36 plays, as printed in 1623
    named = {"the-tempest": "comedy", "a-winter-s-tale": "comedy", "cymbeline": "tragedy", "julius-caesar": "tragedy"}
    assert {name: genre_of[name] for name in named} == named
    assert Counter(genre_of[name] for name in classification.HELD_OUT) == {"comedy": 2, "history": 2, "tragedy": 2}


def test_no_speech_of_a_held_out_play_is_learned_from():
    labelled = load("genre")
    held_out = {s.text for play in plays() if play.name in classification.HELD_OUT for s in play.speeches}
    assert {example.text for example in labelled.val} <= held_out
    assert not {example.text for example in labelled.train} & held_out
    assert min(len(example.text) for example in labelled.train + labelled.val) >= classification.MIN_CHARACTERS
    assert all(learned > 2000 and measured > 500 for learned, measured in labelled.counts().values())
    assert labelled.digest == load("genre").digest


# --- CSV ------------------------------------------------------------------------------------------------------


def test_a_csv_is_split_by_label_and_the_same_way_for_the_same_seed(write):
    labelled = load(write(GOOD), val_share=0.3, seed=1)
    assert labelled.labels == ("no", "yes") and labelled.problems == ()
    assert labelled.counts() == {"no": (7, 3), "yes": (7, 3)}
    assert len(set(labelled.train) | set(labelled.val)) == 20
    assert all(example.text.startswith(labelled.labels[example.label]) for example in labelled.train)
    assert load(write(GOOD), val_share=0.3, seed=1) == labelled
    other = load(write(GOOD), val_share=0.3, seed=2)
    assert other.val != labelled.val and other.digest != labelled.digest


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode("utf-8-sig"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("text,label", " Text , LABEL"),
        "label,id,text\n" + "".join(f"{w},7,{w} {n}\n" for w in ("yes", "no") for n in range(10)),
    ],
    ids=["bom", "windows", "empty_lines", "header_in_capitals", "other_order_and_more_columns"],
)
def test_csv_files_as_programs_write_them_are_read(write, content):
    assert load(write(content)).counts() == {"no": (9, 1), "yes": (9, 1)}


def test_quoted_texts_keep_their_lines_and_errors_count_them(write):
    content = 'text,label\n"two\nlines",a\nother,b\n,c\n'
    with pytest.raises(ValueError, match="line 5: the text is empty"):
        load(write(content))
    labelled = load(write(content + "\n1,a\n2,b\n"), skip_bad_lines=True)
    assert "two\nlines" in {example.text for example in labelled.train + labelled.val}


BAD = {
    "empty_text": ("  ,yes\n", "line 22: the text is empty"),
    "empty_label": ("word,\n", "line 22: the label is empty"),
    "a_column_too_many": ("well, well,yes\n", "line 22: it has 3 columns instead of 2 .put a text with commas"),
    "a_quote_that_does_not_end": ('"well,yes\nmore,no\n', "line 22: it cannot be read as CSV"),
    "a_text_with_two_labels": ('"no, number 3",yes\n', "line 22: the text of line 15 stands there again with another"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_named_and_can_be_skipped(write, name):
    line, sentence = BAD[name]
    path = write(GOOD + line)
    with pytest.raises(ValueError, match=sentence + ".*: correct it, or turn on skip_bad_lines") as error:
        load(path)
    assert path in str(error.value) and "\n" not in str(error.value)
    labelled = load(path, skip_bad_lines=True)
    assert labelled.counts() == {"no": (9, 1), "yes": (9, 1)}
    (problem,) = labelled.problems
    assert problem.startswith("line 22") and problem.endswith("; skipped")


REFUSED = {
    "no_file": (None, "No such file or directory; the built-in ones are called genre"),
    "empty": ("", "the first line of .* must name the columns, text and label"),
    "no_header": ("well,yes\n", "no single text and no single label"),
    "semicolons": ("text;label\na;b\n", "with a comma between them"),
    "latin_1": ("text,label\nKäfer,a\n".encode("latin-1"), r"not UTF-8 text \(byte 12 cannot be read\)"),
    "no_texts": ("text,label\n", "at least two different labels to tell apart, it has none"),
    "one_class": ("text,label\na,x\nb,x\n", "at least two different labels to tell apart, it has only 'x'"),
    "a_label_each": ("text,label\n" + "".join(f"{n},{n}\n" for n in range(200)), "200 different labels; at most 100"),
    "one_text_each": ("text,label\na,x\nb,y\n", "at least two texts of some label"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_learned_from_is_refused_in_words(write, tmp_path, name):
    content, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        load(str(tmp_path / "absent.csv") if content is None else write(content))


def test_a_label_with_a_single_text_is_learned_and_said(write):
    labelled = load(write(GOOD + "alone,rare\n"), val_share=0.9)
    assert labelled.counts() == {"no": (1, 9), "rare": (1, 0), "yes": (1, 9)}
    assert "the label 'rare' has a single text" in labelled.problems[0]


def test_a_text_that_is_there_twice_counts_once(write):
    labelled = load(write(GOOD + '"no, number 3",no\n'))
    assert labelled.counts() == {"no": (9, 1), "yes": (9, 1)}
    assert labelled.problems == ("texts that occur again with the same label: 1; each counts once",)


# --- tokens ---------------------------------------------------------------------------------------------------

EXAMPLES = [Example(text, label) for label, text in enumerate(["To be", "Tomorrow, and tomorrow, and tomorrow", "he"])]


def test_a_batch_is_padded_on_the_right_and_the_class_stands_at_the_last_token(tokenizer):
    encoded = Encoded(EXAMPLES, tokenizer, 8)
    assert encoded.n_cut == 1
    batch = encoded.batch([2, 1, 0])
    assert batch.inputs.shape == (3, 8) and batch.n_targets == 3
    for row, (text, label) in enumerate(reversed(EXAMPLES)):
        ids = tokenizer.encode(text)[:8]
        assert batch.inputs[row].tolist() == ids + [tokenizer.eot] * (8 - len(ids))
        assert batch.targets[row].tolist() == [IGNORE_INDEX] * (len(ids) - 1) + [label] + [IGNORE_INDEX] * (
            8 - len(ids)
        )


def test_batches_take_all_examples_in_an_epoch_and_measuring_takes_each_once(tokenizer):
    examples = [Example("word " * (1 + n % 7), n) for n in range(40)]
    encoded = Encoded(examples, tokenizer, 16)
    batches = TextBatches(encoded, 8, seed=1)
    epoch = torch.cat([batch.targets[batch.targets != IGNORE_INDEX] for batch in map(batches, range(5))])
    assert sorted(epoch.tolist()) == list(range(40))
    measured = torch.cat([batch.targets[batch.targets != IGNORE_INDEX] for batch in encoded.all(16)])
    assert sorted(measured.tolist()) == list(range(40))


def test_a_preview_shows_what_the_model_will_read(write, tokenizer):
    labelled = load(write(GOOD))
    seen = preview(labelled, tokenizer, 5)
    assert seen.counts == {"no": (9, 1), "yes": (9, 1)}
    assert seen.n_too_long == 20
    assert [example.label for example in seen.examples] == ["no", "yes"]
    for example, (text, _) in zip(seen.examples, one_of_each(labelled.val), strict=True):
        ids = tokenizer.encode(text)
        assert (example.ids, example.n_cut) == (ids[:5], len(ids) - 5)
