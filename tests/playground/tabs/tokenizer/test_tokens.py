"""What the panels say of a text and of a token, of vocabularies of others too."""

from core.tokenizer import BYTE_ORDER, Tokenizer
from playground.tabs.tokenizer.common import origin, parts_of
from playground.tabs.tokenizer.table import row
from playground.tabs.tokenizer.tokens import compare, cut

RANKS = {bytes([b]): i for i, b in enumerate(BYTE_ORDER)}


def test_a_token_that_no_merges_make_says_so() -> None:
    whole = Tokenizer(RANKS | {b"ab": 256, b"wxyz": 257})
    assert parts_of(b"ab", whole) == (b"a", b"b") and parts_of(b"a", whole) == parts_of(b"wxyz", whole) == ()
    assert origin(whole, b"wxyz", 257)["tree"] is None and "No merges make it" in origin(whole, b"wxyz", 257)["story"]
    assert row(whole, 257, 3) == [257, b"wxyz".hex(), 2, [], 3]
    assert origin(whole, b"ab", 256)["tree"] == ["6162", 1, [["61", 0, []], ["62", 0, []]]]


def test_where_vocabularies_cut_alike_is_found_byte_by_byte_and_counts_are_of_the_whole_text() -> None:
    first, second = Tokenizer(RANKS | {b"ab": 256}), Tokenizer(RANKS | {b"bc": 256})
    answer = compare({"first": cut(first, "abc"), "second": cut(second, "abc")}, "abc", page=0)
    one, other = answer["columns"]
    assert (one["odd"], other["odd"]) == ([True, True], [True, True])
    assert [one["total"], other["total"], answer["pages"]] == [2, 2, 1]
    assert answer["counts"] == [["characters", "3"], ["bytes", "3"]]
    alike = compare({"first": cut(first, "c"), "second": cut(second, "c")}, "c", page=0)["columns"]
    assert [found["odd"] for found in alike] == [[False], [False]]
