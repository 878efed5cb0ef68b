"""Added words: the same ids as Hugging Face's `tokenizers`, from the files in which people have them."""

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from core.tokenizer import Tokenizer

# One of each kind, some inside of others, one that is a token of the merges already.
ADDED = [
    AddedToken("covid19"),
    AddedToken("covid", normalized=False),
    AddedToken("co", single_word=True),
    AddedToken("id1", normalized=False, single_word=True),
    AddedToken(" be", lstrip=True),
    AddedToken("<b>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("Käfer"),
    AddedToken("Käferx"),
]
PIECES = [
    *(token.content for token in ADDED),
    "<|endoftext|>",
    "<speaker>",
    "x",
    "_",
    "9",
    "é",
    " ",
    "\n",
    ".",
    "19",
    "🙂",
]


@pytest.fixture(scope="module")
def theirs(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> tokenizers.Tokenizer:
    """The tests' vocabulary, to which Hugging Face has added words and a special token."""
    directory = tmp_path_factory.mktemp("theirs")
    tokenizer.save(directory)
    theirs = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    theirs.add_tokens(ADDED[:3])
    theirs.add_special_tokens(["<speaker>"])
    theirs.add_tokens(ADDED[3:])
    theirs.encode_special_tokens = True  # as here: what a text says is never a special token
    return theirs


@pytest.fixture(scope="module")
def ours(theirs: tokenizers.Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    directory = tmp_path_factory.mktemp("ours")
    theirs.save(str(directory / "tokenizer.json"))
    return Tokenizer.load(directory)


@settings(max_examples=300)
@given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_texts_with_added_words_get_the_ids_of_hugging_face(ours, theirs, text):
    ids = ours.encode(text)
    assert ids == theirs.encode(text).ids
    assert [token.id for token in ours.inspect(text)] == ids


def test_a_vocabulary_with_added_words_goes_out_and_comes_back(ours, theirs, tmp_path):
    ours.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.words.ids, again.special_tokens, again.digest) == (ours.words.ids, ours.special_tokens, ours.digest)
    assert again.vocab_size == theirs.get_vocab_size() == 300 + 1 + len(ADDED)
    text = "".join(PIECES)
    opened = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    opened.encode_special_tokens = True
    assert opened.encode(text).ids == theirs.encode(text).ids
    assert opened.token_to_id("<speaker>") == ours.special_tokens["<speaker>"] == 303


def test_tokens_say_where_they_lie_in_a_text_from_which_a_word_took_blanks(ours):
    found = [(token.bytes, token.start) for token in ours.inspect("x  <b> x")]
    assert found == [(b"x", 0), (b"<b>", 1), (b"x", 7)]
    assert ours.decode(ours.encode("a covid19 Käfer")) == "a covid19 Käfer"


def test_a_word_that_is_a_token_already_keeps_its_id(tokenizer, tmp_path):
    known = tokenizer.token_bytes(tokenizer.encode("tomorrow")[-1]).decode()
    tokenizer.save(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    theirs.add_tokens([AddedToken(known)])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    assert ours.vocab_size == 300
    for text in (known * 3, f"x{known}y", f" {known}"):
        assert ours.encode(text) == theirs.encode(text).ids


@pytest.mark.parametrize("form", ["special_tokens_map.json", "tokenizer_config.json"])
def test_words_of_a_slow_tokenizer_are_read_from_their_own_files(form, tokenizer, tmp_path):
    content = tokenizer.to_json()["model"]
    write(tmp_path / "vocab.json", {token: id for token, id in content["vocab"].items() if id <= tokenizer.eot})
    merges = "\n".join(" ".join(pair) for pair in content["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    write(tmp_path / "added_tokens.json", {"<pad>": 299, "covid19": 298})
    if form == "special_tokens_map.json":
        write(tmp_path / form, {"pad_token": {"content": "<pad>"}, "additional_special_tokens": ["<|endoftext|>"]})
    else:
        about = [{"content": "covid19", "special": False}, {"content": "<pad>", "special": True}]
        write(tmp_path / form, {"added_tokens_decoder": {"298": about[0], "299": about[1]}})
    ours = Tokenizer.load(tmp_path)
    assert ours.special_tokens == {"<|endoftext|>": 297, "<pad>": 299}
    assert ours.encode("covid19") == [298]


def test_words_that_only_added_tokens_json_holds_are_read_beside_a_tokenizer_json(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    write(tmp_path / "added_tokens.json", {"<|user|>": 298, "covid19": 300})
    ours = Tokenizer.load(tmp_path)
    assert ours.special_tokens == tokenizer.special_tokens
    assert ours.encode("covid19") == [300]


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize("added", [{"covid19": 299}, {"": 298}, {"a": -1}], ids=str)
def test_added_words_that_cannot_be_trusted_are_refused(added, tokenizer, tmp_path):
    content = tokenizer.to_json()
    content["added_tokens"] = [{"id": 297, "content": "<|endoftext|>"}] + [
        {"id": id, "content": text, "special": False} for text, id in added.items()
    ]
    write(tmp_path / "tokenizer.json", content)
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_many_words_in_a_long_text_are_found_in_linear_time(ours):
    assert len(ours.encode(" co<b> covid19 " * 100_000)) >= 300_000
