"""PyTorch's files: weights come out of them, programs are never run, and limits hold."""

import errno
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import pytorch_files
from core.pytorch_files import merge, read

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b.bias": torch.ones(2, dtype=torch.bfloat16)}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_weights_come_through_a_process_of_their_own(tmp_path: Path) -> None:
    rest = {"model_args": {"n_head": 2, "mask": torch.ones(1)}, "optimizer": {}, "iter_num": 3}
    tied = {"model": STATE | {"head": STATE["a.weight"]}}
    torch.save(tied | rest, tmp_path / "ckpt.pt")
    torch.save({"c": torch.zeros(3)}, tmp_path / "other.bin")
    (tmp_path / "beside").mkdir()
    found = read([tmp_path / "ckpt.pt", tmp_path / "other.bin"], tmp_path / "beside")
    assert same(found.tensors, STATE | {"head": STATE["a.weight"], "c": torch.zeros(3)})
    assert (found.arguments, found.left_out) == ({"n_head": 2}, ["optimizer", "iter_num"])
    assert os.listdir(tmp_path / "beside") == []


class Program:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_program_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save(STATE | {"x": Program(tmp_path / "made")}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"model\.pth holds more than weights \(posix\.mkdir\): opening it could run"):
        read([tmp_path / "model.pth"], tmp_path)
    torch.save(STATE | {"x": Program(tmp_path / "made")}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Program(tmp_path / "made"), protocol=2))
    for name in ("old.pth", "plain.pth"):
        with pytest.raises(ValueError, match=rf"{name} is damaged or holds more than weights: opening it could run"):
            merge([tmp_path / name])
    assert not (tmp_path / "made").exists()


def truncated(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncated, "truncated or damaged"),
    "empty": (lambda path: path.write_bytes(b""), "truncated or damaged"),
    "text": (lambda path: path.write_text("weights"), "damaged"),
    "a whole model": (
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        r"more than weights \(torch\.nn.*state_dict",
    ),
    "a list": (lambda path: torch.save([torch.ones(2)], path), "holds a list, not a model's weights by name"),
    "no weights": (lambda path: torch.save({"epoch": 1}, path), "holds no weights: its keys are epoch"),
    "one number a billion times": (
        lambda path: torch.save({"a": torch.zeros(1).expand(10**9)}, path),
        "describes 4,000,000,000 bytes of weights, but has",
    ),
    "sparse": (lambda path: torch.save({"a": torch.ones(3, 3).to_sparse()}, path), "layout torch.sparse_coo"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_file_of_weights_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    make, sentence = BAD[name]
    make(tmp_path / "model.pth")
    with pytest.raises(ValueError, match=sentence) as error:
        merge([tmp_path / "model.pth"])
    assert str(tmp_path / "model.pth") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_zip", [True, False])
def test_damage_anywhere_is_told_of_or_harmless(is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=is_zip)
    whole, refused = path.read_bytes(), []
    for place in torch.randint(len(whole), (60,), generator=torch.Generator().manual_seed(0)).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            merge([path])
        except ValueError as error:
            refused.append(str(error))
    assert refused
    assert all(str(path) in sentence for sentence in refused)


def test_time_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "model.pth")
    monkeypatch.setattr(pytorch_files, "SECONDS", 0)
    with pytest.raises(ValueError, match="could not be read in 0 seconds, so it was given up"):
        read([tmp_path / "model.pth"], tmp_path)
    assert os.listdir(tmp_path) == ["model.pth"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is used, and limits it")
def test_memory_is_limited() -> None:
    program = "import torch, core.pytorch_files as files; files.limit_memory(0); torch.ones(2 * files.SPARE // 4)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "can't allocate memory" in ended.stderr


def test_a_full_disk_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    torch.save(STATE, tmp_path / "model.pth")
    monkeypatch.setattr(pytorch_files, "save_file", full_disk)
    monkeypatch.setattr(pytorch_files, "limit_memory", lambda size: None)  # this process shall keep its own
    pytorch_files.main(str(tmp_path), str(tmp_path / "model.pth"))
    said = json.loads((tmp_path / pytorch_files.ABOUT).read_text(encoding="utf-8"))
    assert "could not be written" in said["refusal"] and "No space left on device" in said["refusal"]


def test_a_process_that_dies_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "model.pth")
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(ValueError, match=r"model\.pth cannot be read: it is damaged, or takes far more memory"):
        read([tmp_path / "model.pth"], tmp_path)
