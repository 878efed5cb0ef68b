"""Bounded reading: no device, pipe, directory, loop, sparse or endless file makes a reader wait or fill the memory."""

import os
import socket
from pathlib import Path

import pytest

from core.bounded_files import is_file, modified, open_file, read_bytes, read_json


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin"])
def test_a_device_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=rf"{path} is no file, but a device, a pipe or a socket|No such device"):
        read_bytes(Path(path), 100)


@pytest.mark.fault(
    "a file to learn from is a device, a pipe, or has more than 4 GB",
    "it is refused in words",
)
def test_what_is_no_file_is_refused_in_words_and_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refusals = {
            "fifo": "is no file, but a device",
            "s": "No such device|is no file",
            "directory": "is a directory",
            "loop": "symbolic links",
            "gone": "No such file",
            "x\0y": "is no path",
        }
        for name, words in refusals.items():
            with pytest.raises(ValueError, match=words):
                open_file(tmp_path / name)
            assert not is_file(tmp_path / name)
    assert modified(tmp_path / "gone") == modified(tmp_path / "loop") == 0


def test_a_file_is_read_up_to_its_limit_and_a_sparse_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(ValueError, match="has 5 bytes, of which at most 4 are read"):
        read_bytes(path, 4)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="has 1,099,511,627,776 bytes"):
        read_json(path)


@pytest.mark.parametrize("text", ["", "[]", "5", "{", "[" * 200_000, '{"a": ' * 200_000, "\0" * 8])
def test_what_is_no_object_is_a_sentence_with_the_files_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")
