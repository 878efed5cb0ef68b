"""Merge trees rebuild their tokens; the boundaries are those that every smaller vocabulary would leave."""

import pytest
from hypothesis import given, settings

from core.merge_tree import boundary_merges, merge_tree
from core.tokenizer import Tokenizer
from tests.core.test_tokenizer import AWKWARD, BYTES, GPT2, TEXTS, play


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return Tokenizer.train(play("hamlet"), 1500)


@pytest.mark.parametrize("name", ["own", "gpt2", "bytes"])
def test_every_tree_rebuilds_its_token_and_grows_from_earlier_merges(name, trained):
    vocabulary = {"own": trained, "gpt2": GPT2, "bytes": BYTES}[name]
    merges = vocabulary.merges()
    for token, id in vocabulary.ranks.items():
        tree = merge_tree(token, vocabulary.ranks)
        assert b"".join(tree.leaves()) == token and all(len(leaf) == 1 for leaf in tree.leaves())
        assert (tree.id, tree.merge) == (id, max(0, id - 255))
        if tree.parts:
            assert tuple(part.token for part in tree.parts) == merges[tree.merge - 1]
            assert all(part.merge < tree.merge for part in tree.parts)


def test_what_was_never_merged_has_no_tree(tokenizer):
    with pytest.raises(ValueError, match="was not built by merges"):
        merge_tree(b"<|endoftext|>", tokenizer.ranks)


def pieces(text: str, boundaries: list[int], n_merges: int) -> list[bytes]:
    content = text.encode("utf-8", "surrogatepass")
    cuts = [i for i, value in enumerate(boundaries, 1) if value > n_merges]
    return [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True) if a < b]


def smaller(vocabulary: Tokenizer, n_merges: int) -> Tokenizer:
    return Tokenizer(dict(list(vocabulary.ranks.items())[: 256 + n_merges]))


def assert_scrubs(vocabulary: Tokenizer, text: str) -> None:
    boundaries = boundary_merges(vocabulary, text).tolist()
    everything = len(vocabulary.ranks) - 256
    for n_merges in {0, 1, 10, everything // 2, everything}:
        expected = [token.bytes for token in smaller(vocabulary, n_merges).inspect(text)]
        assert pieces(text, boundaries, n_merges) == expected, n_merges


@settings(max_examples=100)
@given(text=TEXTS)
def test_boundaries_are_those_of_the_vocabulary_cut_down_to_n_merges(tokenizer, text):
    assert_scrubs(tokenizer, text)


@pytest.mark.parametrize("name", ["own", "gpt2"])
def test_boundaries_of_prose_and_of_what_a_keyboard_may_send(name, trained):
    text = play("the-tempest")[:3000] + "".join(AWKWARD) + "  \n\n\t don't 2024 --- " + "".join(reversed(AWKWARD))
    assert_scrubs({"own": trained, "gpt2": GPT2}[name], text)


def test_the_worked_example_holds():
    tok = Tokenizer.train("low lower lowest low low", vocab_size=262)
    assert boundary_merges(tok, "low!").tolist() == [1, 2, 4]
    assert boundary_merges(tok, "").tolist() == boundary_merges(tok, "l").tolist() == []


def test_without_merges_all_boundaries_stay():
    assert boundary_merges(Tokenizer.plain_bytes(), "a 🙂").tolist() == [1] * 5
