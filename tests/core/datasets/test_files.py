"""Files of data: whatever a path leads to, each reader gives a sentence, soon, and in little memory."""

import gzip
import os
from pathlib import Path

import pytest

from core.datasets import files, shakespeare
from core.datasets.conversation_files import read_conversations
from core.datasets.labelled_files import Columns, read_labelled
from core.datasets.preference_files import read_preferences
from core.datasets.prompts import read_prompts
from core.datasets.shakespeare import tiny_cache

READERS = {
    "corpus": shakespeare.load,
    "conversations": read_conversations,
    "preferences": read_preferences,
    "labelled": lambda path: read_labelled(Path(path), Columns("", ""), False),
    "prompts": read_prompts,
}


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, str]:
    os.mkfifo(tmp_path / "fifo.jsonl")
    with (tmp_path / "sparse.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "deep.jsonl").write_text("[" * 200_000)
    (tmp_path / "deeper.json").write_text('{"a": ' * 200_000)
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    return {path.name: str(path) for path in tmp_path.iterdir()} | {"zero": "/dev/zero", "nul": "a\0b"}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_of_data_is_a_sentence(reader: str, odd: dict[str, str]) -> None:
    for name, path in odd.items():
        if reader == "corpus" and name.startswith("deep"):
            continue  # any text can be learned from
        with pytest.raises(ValueError, match=r"\w"):
            READERS[reader](path)


def test_a_packed_file_is_unpacked_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(bytes(100_000)))
    with pytest.raises(ValueError, match=r"bomb\.txt\.gz unpacks to more than 1,000 bytes"):
        files.read_file(tmp_path / "bomb.txt.gz", "corpus")


def test_a_user_without_a_home_has_a_place_for_what_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert tiny_cache().name == "tinyshakespeare.txt"
