"""Labelled texts: the plays' genres by the First Folio, files, a fair split, right-padded batches."""

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


# --- files ----------------------------------------------------------------------------------------------------


def test_a_file_is_split_by_label_and_the_same_way_for_the_same_seed(write):
    labelled = load(write(GOOD), val_share=0.3, seed=1)
    assert labelled.labels == ("no", "yes") and labelled.problems == ()
    assert labelled.counts() == {"no": (7, 3), "yes": (7, 3)}
    assert len(set(labelled.train) | set(labelled.val)) == 20
    assert all(example.text.startswith(labelled.labels[example.label]) for example in labelled.train)
    assert load(write(GOOD), val_share=0.3, seed=1) == labelled
    other = load(write(GOOD), val_share=0.3, seed=2)
    assert other.val != labelled.val and other.digest != labelled.digest


REFUSED = {
    "no_file": (None, "labelled texts .*absent.csv: No such file or directory"),
    "empty": ("", "holds no table with a column of texts and one of labels"),
    "no_texts": ("text,label\n", "holds no table with a column of texts and one of labels"),
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


def test_files_of_their_own_are_measured_on_and_hold_nothing_that_is_learned(write, tmp_path):
    val, test = tmp_path / "validation.csv", tmp_path / "test.csv"
    val.write_text('text,label\n"no, number 3",no\nnever,NO\nindeed,yes\n')
    test.write_text("text,label\nindeed,yes\nsurely,yes\n")
    labelled = load(write(GOOD), val_data=str(val), test_data=str(test))
    assert labelled.counts() == {"no": (10, 1), "yes": (10, 1)}
    assert [example.text for example in labelled.test] == ["surely"]
    assert labelled.problems == (
        "validation.csv, the labels 'no', 'NO' are taken as one, 'no'",
        "validation.csv: 1 texts are left out that stand in another file of this training",
        "test.csv: 1 texts are left out that stand in another file of this training",
    )
    test.write_text("text,label\nwho knows,perhaps\n")
    with pytest.raises(
        ValueError, match=r"test\.csv has the label 'perhaps', which the texts to learn from do not have"
    ):
        load(write(GOOD), test_data=str(test))


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
