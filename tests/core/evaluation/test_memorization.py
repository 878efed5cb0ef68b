"""Copied spans: the same that a search of the whole text finds, whatever the hashes are, wherever documents end."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.passages import PIECE, passages, pieces
from core.evaluation import ngram_index
from core.evaluation.memorization import copied_spans, find_copies
from core.evaluation.ngram_index import N, NGramIndex, build
from core.tokenizer import Tokenizer

LETTERS = Tokenizer.plain_bytes()  # a token is a letter
TEXTS = st.text(alphabet="ab", max_size=60)  # two letters: they repeat themselves all the time


@pytest.fixture
def index_of(tmp_path: Path):
    def make(documents, tokenizer: Tokenizer = LETTERS) -> NGramIndex:
        shutil.rmtree(tmp_path / "index", ignore_errors=True)
        build(tmp_path / "index", "texts", documents, tokenizer)
        return NGramIndex(tmp_path / "index", tokenizer)

    return make


def searched(text: str, documents: list[str]) -> list[tuple[int, int]]:
    """The maximal stretches of N letters or more that stand in a document, by looking for every one of them."""
    stands = [
        (i, j)
        for i in range(len(text))
        for j in range(i + N, len(text) + 1)
        if any(text[i:j] in document for document in documents)
    ]
    return [(i, j) for i, j in stands if (i - 1, j) not in stands and (i, j + 1) not in stands]


def spans_of(text: str, index: NGramIndex) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in copied_spans(np.array(LETTERS.encode(text)), index)]


def check(documents: list[str], text: str, index: NGramIndex) -> None:
    spans = copied_spans(np.array(LETTERS.encode(text)), index)
    assert [(span.start, span.end) for span in spans] == searched(text, documents)
    for span in spans:  # where it is said to stand, it stands
        place = index.tokens[span.place : span.place + span.end - span.start]
        assert LETTERS.decode(place.tolist()) == text[span.start : span.end]


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_the_spans_are_those_that_a_search_of_the_whole_text_finds(tmp_path_factory, documents, text):
    directory = tmp_path_factory.mktemp("texts") / "index"
    build(directory, "texts", documents, LETTERS)
    check(documents, text, NGramIndex(directory, LETTERS))


def test_equal_hashes_are_told_apart_by_the_text(index_of, monkeypatch):
    monkeypatch.setattr(ngram_index, "hashes", lambda tokens: np.zeros(max(0, len(tokens) - N + 1), np.uint64))
    documents = ["abbaabababbabaab", "bbbaababbaabbbab"]
    check(documents, "aabababbabbaababbaab", index_of(documents))


def test_an_index_that_is_made_in_parts_is_the_same(index_of, monkeypatch):
    random = np.random.default_rng(0)
    documents = ["".join(random.choice(list("abc"), 400)) for _ in range(3)]
    text = documents[1][50:90] + "c" + documents[2][:40] + "".join(random.choice(list("abc"), 40))
    whole = index_of(documents)
    kept = [np.array(each) for each in (whole.places_by_hash, whole.bucket_ends)]
    monkeypatch.setattr(ngram_index, "CHUNK", 64)
    monkeypatch.setattr(ngram_index, "AT_ONCE", 200)
    parts = index_of(documents)
    assert all(np.array_equal(a, b) for a, b in zip(kept, (parts.places_by_hash, parts.bucket_ends), strict=True))
    check(documents, text, parts)


def test_nothing_is_copied_across_the_end_of_a_document_or_a_speaker_s_name(index_of):
    index = index_of(["the end of one", "begins another", "HAMLET:\nwords, words\n\nPOLONIUS:\nwhat is the matter"])
    assert spans_of("the end of onebegins another", index) == [(0, 14), (14, 28)]
    text = "HAMLET:\nwords, words\n\nPOLONIUS:\nwhat is the matter"
    found = find_copies(text, LETTERS, [index])
    assert [text[q.start : q.end] for q in found.quotations] == ["words, words", "what is the matter"]
    assert (found.copied, found.tokens) == (30, 30)


def test_of_two_spans_that_overlap_the_longer_one_is_told_and_no_token_counts_twice(index_of):
    index = index_of(["abcdefghij", "ghijklmnopqrst"])
    assert spans_of("abcdefghijklmnopqrst", index) == [(0, 10), (6, 20)]
    found = find_copies("abcdefghijklmnopqrst", LETTERS, [index])
    assert [(q.start, q.end, q.span.start, q.span.end) for q in found.quotations] == [(0, 6, 0, 10), (6, 20, 6, 20)]
    assert (found.copied, found.tokens) == (20, 20)
    found = find_copies("abcdefghijklmnopqrst", LETTERS, [index_of(["abcdefghijklmn", "klmnopqrst"])])
    assert [(q.start, q.end) for q in found.quotations] == [(0, 14), (14, 20)] and found.copied == 20


def test_a_span_of_seven_tokens_is_none_and_one_of_eight_is(index_of):
    index = index_of(["abcdefgh"])
    assert spans_of("xabcdefgx", index) == []
    assert spans_of("xabcdefghx", index) == [(1, 9)]
    assert index.meta.n_grams == 1


@pytest.mark.parametrize("documents", [[], [""], ["short"], ["\n\n"]])
def test_a_text_shorter_than_a_span_is_searched_in_vain(index_of, documents):
    index = index_of(documents)
    assert index.meta.n_grams == 0
    assert find_copies("a text that is long enough", LETTERS, [index]).copied == 0
    assert find_copies("", LETTERS, [index]).tokens == 0


def test_a_line_that_is_said_for_ever_is_found_with_a_bounded_number_of_places(index_of):
    index = index_of(["abcdefgh " * 2000])
    (span,) = copied_spans(np.array(LETTERS.encode("abcdefgh " * 5)), index)
    assert (span.start, span.end, span.times) == (0, 45, ngram_index.MOST_PLACES)
    assert index.meta.n_grams == 9 * ngram_index.MOST_PLACES


def test_quotations_are_characters_of_the_text_whatever_their_bytes(index_of, tokenizer):
    said = "Was ist der Käfer, fragte die Häsin; 漢字 and a 🙂 were not in the play"
    index = index_of([f"Er sagte: {said}, und ging."], tokenizer)
    text = f"🙂🙂 {said}. Ende"
    (quotation,) = find_copies(text, tokenizer, [index]).quotations
    assert text[quotation.start : quotation.end].strip() == said


def test_a_place_is_told_by_document_and_line(index_of):
    index = index_of(["one line\nanother line", "first\nsecond\nthe third of these"])
    (span,) = copied_spans(np.array(LETTERS.encode("third of these")), index)
    assert index.locate(span.place) == (1, 3)


@given(st.text(alphabet="ab \n.'é", max_size=200))
def test_a_text_in_pieces_has_the_same_tokens(tokenizer, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.datasets.passages.PIECE", 5)
        cut = [text[start:end] for start, end in pieces(text, 0, len(text))]
    assert "".join(cut) == text
    if all(len(piece) < 10 for piece in cut):  # else there was no place to cut at, and it was cut somewhere
        assert [id for piece in cut for id in tokenizer.encode(piece)] == tokenizer.encode(text)


def test_a_text_without_blanks_is_cut_all_the_same():
    cut = list(pieces("x" * 5 * PIECE, 0, 5 * PIECE))
    assert cut[0] == (0, 2 * PIECE) and cut[-1][1] == 5 * PIECE


def test_passages_are_what_stands_between_names():
    text = "\n\nFirst Citizen:\nBefore we proceed:\nhear me.\n\nALL:\nSpeak\n\nThis: no name\n\nMENENIUS:"
    assert [text[start:end] for start, end in passages(text)] == [
        "Before we proceed:\nhear me.",
        "Speak\n\nThis: no name",
    ]


def test_an_index_of_another_vocabulary_is_refused_and_one_that_is_damaged_too(index_of, tokenizer, tmp_path):
    index_of(["some text that is long enough"])
    with pytest.raises(ValueError, match="another vocabulary"):
        NGramIndex(tmp_path / "index", tokenizer)
    (tmp_path / "index" / "places.bin").unlink()
    with pytest.raises(ValueError, match="made anew"):
        NGramIndex(tmp_path / "index", LETTERS)


def test_making_an_index_tells_how_far_it_is_and_can_be_stopped(tmp_path):
    shares: list[float] = []
    documents = ["HAMLET:\nabcdefghijkl\n\nOTHER:\nmnopqrstuvwxyz"] * 20
    build(tmp_path / "one", "texts", documents, LETTERS, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0

    def stop(share: float) -> None:
        if share > 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        build(tmp_path / "two", "texts", documents, LETTERS, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
