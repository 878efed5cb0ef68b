"""A `tokenizer.json` of others, to look at: any byte-level BPE, whatever pattern cuts its text into pre-tokens.

Llama 3, Qwen, OLMo and GPT-4o are byte-level BPE as GPT-2 is. They differ in that pattern, in their special tokens, and
in what is done to a text before and after. Models here have GPT-2's pattern, which is all that `Tokenizer.load` reads.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex

from core.added_words import AddedWord
from core.bounded_files import read_text
from core.tokenizer import SPLIT_PATTERN, Tokenizer, from_visible

MOST_UNNAMED = 10_000  # ids between others that a file may leave without a token
BYTES = 256
SUITABLE = "only byte-level BPE can be shown here, such as GPT-2's, Llama 3's or Qwen's"


@dataclass(frozen=True)
class OpenedVocabulary:
    """left_out: what the file says and is not done here, as parts of a sentence."""

    tokenizer: Tokenizer
    left_out: tuple[str, ...]


def read_foreign_vocabulary(path: Path) -> OpenedVocabulary:
    """Read a `tokenizer.json`. Raises ValueError that says why it cannot be shown."""
    try:
        content = dict(json.loads(read_text(path)))
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f"{path.name} is not a JSON object, so it is no tokenizer.json") from None
    try:
        require_byte_level_bpe(content)
        pattern = split_pattern(content["pre_tokenizer"])
        ranks = read_ranks(content)
        tokenizer = with_added_tokens(ranks, content.get("added_tokens") or [], pattern)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path.name} is not a tokenizer.json as Hugging Face writes it: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be shown: {error}") from error
    return OpenedVocabulary(tokenizer, tuple(left_out(content)))


def require_byte_level_bpe(content: dict[str, Any]) -> None:
    model = content["model"]
    kind = model.get("type", "BPE" if "merges" in model else "no BPE")
    if kind != "BPE":
        raise ValueError(f"its model is {kind}; {SUITABLE}")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ValueError(f"its tokens are marked with {model[name]!r} ({name}); {SUITABLE}")
    normalizer = content.get("normalizer")
    if normalizer and normalizer["type"] != "NFC":
        raise ValueError(f"it changes a text before it is cut (normalizer {normalizer['type']}); {SUITABLE}")


def split_pattern(pre_tokenizer: dict[str, Any] | None) -> str:
    """The pattern whose matches, and what is between them, are a text's pre-tokens."""
    if pre_tokenizer is None:
        raise ValueError(f"nothing cuts its text into bytes (no pre_tokenizer); {SUITABLE}")
    steps = pre_tokenizer["pretokenizers"] if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]
    kinds, last = [step["type"] for step in steps], steps[-1]
    own = kinds[-1] == "ByteLevel" and last.get("use_regex", True)
    if kinds[-1] != "ByteLevel" or len(steps) - (not own) != 1 or kinds[0] not in ("Split", "ByteLevel"):
        raise ValueError(f"its text is cut by {' and '.join(kinds)}; {SUITABLE}, with one pattern")
    if last.get("add_prefix_space"):
        raise ValueError("it puts a space before every text, which would not be the text that is shown")
    if own:
        return SPLIT_PATTERN
    split = steps[0]
    pattern = split["pattern"].get("Regex") or regex.escape(split["pattern"]["String"])
    # Of "Removed" with `invert`, what the pattern finds is kept: the same as long as it finds all of a text.
    if (split["behavior"], bool(split.get("invert"))) not in (("Isolated", False), ("Removed", True)):
        raise ValueError(f"its Split has the behavior {split['behavior']}; only Isolated can be shown here")
    try:
        if regex.compile(pattern).match(""):
            raise ValueError("the pattern that cuts its text also finds nothing at all")
    except regex.error as error:
        raise ValueError(f"the pattern that cuts its text cannot be read ({error})") from None
    return rf"{pattern}|(?:(?!{pattern})[\s\S])+"


def read_ranks(content: dict[str, Any]) -> dict[bytes, int]:
    """The tokens that are bytes, with their ids, which must be in the order in which they merge."""
    model = content["model"]
    added = {token["content"] for token in content.get("added_tokens") or []}
    visible = sorted(((id, text) for text, id in model["vocab"].items() if text not in added))
    try:
        ranks = {from_visible(text): id for id, text in visible}
    except KeyError as error:
        raise ValueError(f"its tokens are not written as bytes: {error} is none; {SUITABLE}") from None
    if [*ranks.values()] != [*range(len(ranks))] or any(len(token) != 1 for token in [*ranks][:BYTES]):
        raise ValueError("its ids do not begin with the 256 bytes and go on with a token each")
    merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
    made = [ranks.get(from_visible(left + right), -1) for left, right in merges]
    if min(made, default=BYTES) < BYTES or any(later < earlier for earlier, later in pairwise(made)):
        raise ValueError("its ids do not follow the order of its merges")
    return ranks


def with_added_tokens(ranks: dict[bytes, int], added: list[dict[str, Any]], pattern: str) -> Tokenizer:
    """Special tokens and added words; an id that the file gives to nothing gets a name."""
    by_id = {token["id"]: token for token in added}
    special = {id: token["content"] for id, token in by_id.items() if token.get("special", True)}
    words = {AddedWord.from_json(token): id for id, token in by_id.items() if id not in special}
    highest = max([len(ranks) - 1, *by_id])
    if highest >= len(ranks) + len(added) + MOST_UNNAMED:
        raise ValueError(f"its highest id is {highest:,}, far above its {len(ranks):,} tokens")
    free = [id for id in range(len(ranks), highest + 1) if id not in words.values()]
    names = [special.get(id, f"<|unused {id}|>") for id in free]
    tokenizer = Tokenizer(ranks, names, words, split_pattern=pattern)
    if any(tokenizer.special_tokens[text] != id for id, text in special.items()):
        raise ValueError("two of its special tokens have the same name, or one has the id of a token")
    return tokenizer


def left_out(content: dict[str, Any]) -> list[str]:
    parts = []
    if content.get("normalizer"):
        parts.append("accents are not composed first (NFC)")
    if (content.get("post_processor") or {"type": "ByteLevel"})["type"] != "ByteLevel":
        parts.append("the special tokens that it puts around a text are left out")
    return parts
