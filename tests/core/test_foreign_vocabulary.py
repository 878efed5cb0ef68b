"""Vocabularies of others are read as Hugging Face reads them, or refused with a sentence that says why."""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from core.foreign_vocabulary import read_foreign_vocabulary
from core.merge_tree import boundary_merges
from core.tokenizer import Tokenizer, merge_parts, ranks_of, to_visible
from tests.conftest import SENTENCES
from tests.core.test_tokenizer import TEXTS

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
Content = dict[str, Any]
LAST = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def content_of(pattern: str = LLAMA3, special: tuple[str, ...] = ("<|begin_of_text|>", "<|end_of_text|>")) -> Content:
    """What Hugging Face's trainer writes for a pattern, special tokens behind all others."""
    theirs = tokenizers.Tokenizer(BPE())
    split = Split(tokenizers.Regex(pattern), behavior="isolated")
    theirs.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    theirs.train_from_iterator([SENTENCES], BpeTrainer(vocab_size=400, initial_alphabet=ByteLevel.alphabet()))
    theirs.add_special_tokens(list(special))
    content: Content = json.loads(theirs.to_str())
    return content


@pytest.fixture(scope="module")
def llama3() -> Content:
    return content_of()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llama.json"


def read(content: Content, path: Path) -> Tokenizer:
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_foreign_vocabulary(path).tokenizer


def assert_alike(ours: Tokenizer, content: Content, text: str) -> None:
    theirs = tokenizers.Tokenizer.from_str(json.dumps(content))
    assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids, text


@pytest.fixture(scope="module")
def read_once(llama3: Content, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return read(llama3, tmp_path_factory.mktemp("llama") / "llama.json")


@settings(max_examples=60)
@given(text=TEXTS)
def test_texts_have_the_ids_of_hugging_face(read_once: Tokenizer, llama3: Content, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert_alike(read_once, llama3, text)
    assert read_once.decode(read_once.encode(text)) == text


def test_the_pattern_cuts_as_theirs_also_what_it_does_not_find(path: Path) -> None:
    content = content_of(r"\p{N}{1,3}")  # of all else nothing: "Isolated" keeps it
    text = "In 1599, or 2024?\n  Both.  12345"
    assert_alike(read(content, path), content, text)
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"String": "."}
    assert_alike(read(content, path), content, text)


def test_a_pattern_that_tries_too_many_ways_is_refused_in_words(llama3: Content, path: Path) -> None:
    split = dict(llama3["pre_tokenizer"]["pretokenizers"][0], pattern={"Regex": r"(a+)+(?!x)b"})
    slow = read(llama3 | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, LAST]}}, path)
    assert slow.decode(slow.encode("not an a too many")) == "not an a too many"
    with pytest.raises(ValueError, match="tries too many ways"):
        slow.encode("a" * 3000 + "!")


def test_written_again_it_is_the_same_to_hugging_face(read_once: Tokenizer, llama3: Content) -> None:
    again = tokenizers.Tokenizer.from_str(json.dumps(read_once.to_json()))
    text = "it's 12345 o'clock\n\n  漢字 <|end_of_text|>"
    assert again.encode(text).ids == tokenizers.Tokenizer.from_str(json.dumps(llama3)).encode(text).ids


def test_special_tokens_keep_their_ids_and_ids_without_a_token_get_a_name(llama3: Content, path: Path) -> None:
    ours = read(llama3 | {"added_tokens": [token | {"id": token["id"] + 3} for token in llama3["added_tokens"]]}, path)
    names = [ours.token_bytes(id).decode() for id in range(400, ours.vocab_size)]
    assert names == [*(f"<|unused {id}|>" for id in (400, 401, 402)), "<|begin_of_text|>", "<|end_of_text|>"]
    assert max(ours.encode("<|end_of_text|>")) < 400, "typed text became a special token"


def test_a_token_that_no_merges_make_is_found_whole(path: Path) -> None:
    tokens = [b"ab", b"cd", b"abcd", b"bc", b"xbcy"]  # b+c comes too late for a-b-c-d, and xbcy has no merge at all
    merges = [(b"a", b"b"), (b"c", b"d"), (b"ab", b"cd"), (b"b", b"c")]
    ranks = ranks_of(merges) | {tokens[-1]: 256 + len(merges)}
    content = content_of(r"\S+|\s+", special=())
    written = [[to_visible(left), to_visible(right)] for left, right in merges]
    content["model"] |= {"vocab": {to_visible(t): i for t, i in ranks.items()}, "merges": written}
    content["model"]["ignore_merges"] = True
    ours = read(content, path)
    assert_alike(ours, content, "abcd xbcy bc xbcyz")
    assert boundary_merges(ours, "xbcy").tolist() == [5, 4, 5]
    with pytest.raises(ValueError, match="made by no merges"):
        merge_parts(b"xbcy", ours.ranks)


def test_what_is_left_out_is_said(llama3: Content, path: Path) -> None:
    around = {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
    path.write_text(json.dumps(llama3 | {"normalizer": {"type": "NFC"}, "post_processor": around}))
    first, second = read_foreign_vocabulary(path).left_out
    assert "NFC" in first and "special tokens" in second
    path.write_text(json.dumps(llama3))
    assert read_foreign_vocabulary(path).left_out == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": {"type": "WordPiece", "vocab": {}}}, "its model is WordPiece; only byte-level BPE"),
        ({"model": {"type": "Unigram", "vocab": []}}, "its model is Unigram"),
        ({"pre_tokenizer": None}, "nothing cuts its text into bytes"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "its text is cut by Metaspace"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "puts a space before every text"),
        ({"normalizer": {"type": "Lowercase"}}, "normalizer Lowercase"),
        ({"added_tokens": [{"id": 10**9, "content": "far"}]}, "far above its"),
        ({"added_tokens": 7}, "is not a tokenizer.json as Hugging Face writes it"),
        ({"model": {"type": "BPE", "vocab": {"a": 0, "▁the": 1}, "merges": []}}, "not written as bytes"),
        ({"model": {"type": "BPE", "vocab": {"a": 5}, "merges": []}}, "do not begin with the 256 bytes"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(changes: Content, sentence: str, llama3: Content, path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(llama3 | changes, path)


@pytest.mark.parametrize("text", ["", "[]", "not JSON", "{}", '{"model": 7}'])
def test_any_file_is_refused_with_its_name(text: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=r"llama\.json is n"):
        read_foreign_vocabulary(path)


def test_a_vocabulary_whose_merges_are_out_of_order_is_refused(llama3: Content, path: Path) -> None:
    merges = llama3["model"]["merges"]
    with pytest.raises(ValueError, match="do not follow the order of its merges"):
        read(llama3 | {"model": llama3["model"] | {"merges": merges[::-1]}}, path)
