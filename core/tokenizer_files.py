"""What a directory says of its vocabulary, as a `tokenizer.json` says it: that file, or the several of slow tokenizers.

tokenizer.json                     all in one, as `tokenizers` writes it
vocab.json  merges.txt             in two, as OpenAI published GPT-2
added_tokens.json                  {token: id} of what was added to either
special_tokens_map.json            which of that is special, and
tokenizer_config.json                  how it is found in a text; a chat template
chat_template.jinja                the chat template, in a file of its own
"""

import json
from pathlib import Path
from typing import Any

from core.bounded_files import is_file, read_text


def vocabulary_file(directory: Path) -> Path:
    """`tokenizer.json`, or else `vocab.json` if `merges.txt` is there too. Raises ValueError if there is none."""
    path = directory / "tokenizer.json"
    if not is_file(path) and is_file(directory / "merges.txt"):
        path = path.with_name("vocab.json")
    if not is_file(path):
        raise ValueError(f"no {path.name} in {directory}")
    return path


def read_content(path: Path, end_of_text: str) -> dict[str, Any]:
    """The content of a vocabulary file and of those beside it as one `tokenizer.json`.

    Raises KeyError, TypeError, ValueError or AttributeError if they are damaged, and ValueError if they prepare text in
    a way that a plain byte-level tokenizer does not.
    """
    content: dict[str, Any] = json.loads(read_text(path))
    if path.name == "vocab.json":
        merges = read_text(path.with_name("merges.txt")).splitlines()
        content = {
            "pre_tokenizer": {"type": "ByteLevel"},
            "added_tokens": [{"id": content[end_of_text], "content": end_of_text}],
            "model": {"vocab": content, "merges": [m for m in merges if m and not m.startswith("#version")]},
        }
    require_plain_byte_level(content, end_of_text)
    known = {token["content"] for token in content["added_tokens"]}
    content["added_tokens"] += [token for token in added_tokens(path.parent) if token["content"] not in known]
    return content


def added_tokens(directory: Path) -> list[dict[str, Any]]:
    """What `added_tokens.json` holds, with what the other files say of it."""
    about = read_object(directory / "tokenizer_config.json").get("added_tokens_decoder", {})
    flags = {token["content"]: token for token in about.values()}
    special = flat_texts(read_object(directory / "special_tokens_map.json"))
    ids = read_object(directory / "added_tokens.json")
    return [{"special": text in special, **flags.get(text, {}), "content": text, "id": id} for text, id in ids.items()]


def read_chat_template(directory: Path) -> str | None:
    """The Jinja text in a file of its own, as Hugging Face writes it, or in `tokenizer_config.json`; of several the
    one called default. Raises ValueError or TypeError if that file holds no object."""
    if is_file(path := directory / "chat_template.jinja"):
        return read_text(path)
    found = read_object(directory / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        found = {named["name"]: named["template"] for named in found}.get("default")
    return found


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty if there is no such file. Raises ValueError or TypeError if it holds none."""
    return dict(json.loads(read_text(path))) if is_file(path) else {}


def flat_texts(value: Any) -> set[str]:
    """The tokens in a `special_tokens_map.json`: texts, objects with a "content", or lists of them."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict) and "content" in value:
        return {value["content"]}
    return {text for part in (value.values() if isinstance(value, dict) else value) for text in flat_texts(part)}


def require_plain_byte_level(content: dict[str, Any], end_of_text: str) -> None:
    """Raise ValueError if a `tokenizer.json` prepares text in a way that our tokenizer does not."""
    before = content["pre_tokenizer"]
    if before["type"] != "ByteLevel" or before.get("add_prefix_space") or not before.get("use_regex", True):
        raise ValueError("its pre_tokenizer is not ByteLevel with GPT-2's split and no added space")
    if content.get("normalizer") is not None:
        raise ValueError("it has a normalizer")
    if end_of_text not in {token["content"] for token in content["added_tokens"]}:
        raise ValueError(f"{end_of_text} is missing")
