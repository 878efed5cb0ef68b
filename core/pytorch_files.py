"""PyTorch's own files, which are pickles: read in a process of its own, with limits, and never as a program.

`torch.load(weights_only=True)` makes tensors, numbers, texts and collections of these, and refuses the rest. Even so it
runs where it can harm nothing but itself: the process below has a limit on memory (where the system knows one) and on
time, and hands the tensors back as safetensors. Nothing else here opens a pickle, and this is used for imports alone.
"""

import json
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core import child
from core.atomic_files import own
from core.config import listed

log = logging.getLogger(__name__)

# Under which of its keys a file of more than weights holds them: the book's, Lightning's, nanoGPT's.
STATES = ("model_state_dict", "state_dict", "model")
PLAIN = (bool, int, float, str, type(None))
ARGUMENTS = "model_args"  # nanoGPT's key of the model's shape
SECONDS, BYTES_A_SECOND = 60, 20_000_000  # for Python and torch to start; for a slow disk
SPARE = 1 << 29  # bytes of memory beside a few times the files' size
TENSORS, ABOUT = "tensors.safetensors", "about.json"
NOT_OPENED = (
    "opening it could run any program, so it is not opened; save the weights alone, with "
    "torch.save(model.state_dict(), ...) or as safetensors"
)


@dataclass
class PyTorchFile:
    """What such a file holds that an import can use, and what it holds besides."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)  # of the model, if it says any
    left_out: list[str] = field(default_factory=list)  # keys beside the weights


def read(paths: Sequence[Path], beside: Path) -> PyTorchFile:
    """The weights of a model in one or several files, by way of a temporary directory in `beside`.

    Raises ValueError in words if a file is damaged, holds more than weights, or takes more memory or time than it may.
    """
    names = ", ".join(str(path) for path in paths)
    seconds = SECONDS + sum(path.stat().st_size for path in paths) // BYTES_A_SECOND
    place = tempfile.TemporaryDirectory(prefix=".weights.", suffix=".tmp", dir=beside.resolve())
    with place as temporary, own(Path(temporary)):
        command = child.command(__name__, temporary, *(str(path.resolve()) for path in paths))
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"{names} could not be read in {seconds} seconds, so it was given up") from error
        about = Path(temporary, ABOUT)
        if not about.exists():
            log.debug("%s", ended.stderr.decode(errors="replace"))
            raise ValueError(f"{names} cannot be read: it is damaged, or takes far more memory than its size says")
        said = json.loads(about.read_text(encoding="utf-8"))
        if refusal := said.get("refusal"):
            raise ValueError(refusal)
        return PyTorchFile(load_file(Path(temporary, TENSORS)), **said)


def main(target: str, *paths: str) -> None:
    """In the process of its own: what was read as files in `target`, or why it was not."""
    limit_memory(sum(Path(path).stat().st_size for path in paths))
    try:
        found = merge(Path(path) for path in paths)
        save_file(found.tensors, Path(target, TENSORS))
        said = {name: value for name, value in vars(found).items() if name != "tensors"}
    except ValueError as error:
        said = {"refusal": str(error)}
    except (OSError, SafetensorError) as error:
        said = {"refusal": f"the weights of {', '.join(paths)} could not be written to {target}: {error}"}
    Path(target, ABOUT).write_text(json.dumps(said), encoding="utf-8")


def limit_memory(size: int) -> None:
    """Let this process grow by a few times `size` bytes and no more, where the system has such a limit."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * size + SPARE,) * 2)


def merge(paths: Iterable[Path]) -> PyTorchFile:
    found = PyTorchFile()
    for path in paths:
        one = unpack(unpickle(path), path)
        found.tensors |= one.tensors
        found.arguments |= one.arguments
        found.left_out += one.left_out
    return found


def unpickle(path: Path) -> Any:
    """What is in one file. Raises ValueError if it is no file of PyTorch's, is damaged or would run a program."""
    try:
        is_zip = zipfile.is_zipfile(path)  # as torch has written since 1.6
        programs = torch.serialization.get_unsafe_globals_in_checkpoint(path) if is_zip else []
        if not programs:
            return torch.load(path, "cpu", weights_only=True, mmap=is_zip)
    except UnpicklingError as error:
        raise ValueError(f"{path} is damaged or holds more than weights: {NOT_OPENED}") from error
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is truncated or damaged, or no file of PyTorch's: {first_line(error)}") from error
    raise ValueError(f"{path} holds more than weights ({listed(sorted(programs))}): {NOT_OPENED}")


def unpack(loaded: Any, path: Path) -> PyTorchFile:
    """The weights in what was loaded: all of it, or what lies under one of the usual keys."""
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not a model's weights by name")
    state, rest = loaded, {}
    for key in STATES:
        if isinstance(loaded.get(key), dict):
            state, rest = loaded[key], {name: value for name, value in loaded.items() if name != key}
            break
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{path} holds no weights: its keys are {listed([str(key) for key in loaded])}")
    refuse_growth(tensors, path)
    said = rest.pop(ARGUMENTS, {})
    arguments = (
        {key: value for key, value in said.items() if isinstance(value, PLAIN)} if isinstance(said, dict) else {}
    )
    others = [str(name) for name in [*rest, *state] if name not in tensors and not str(name).startswith("_")]
    return PyTorchFile(apart(tensors), arguments, others)


def refuse_growth(tensors: dict[str, Tensor], path: Path) -> None:
    """Raise ValueError if the tensors are far larger than their file: one number said a billion times, say."""
    size, there = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()), path.stat().st_size
    if size > 2 * there:  # a tied head is twice in the list and once in the file
        raise ValueError(f"{path} describes {size:,} bytes of weights, but has {there:,}: it cannot be trusted")
    if kinds := {tensor.layout for tensor in tensors.values()} - {torch.strided}:
        raise ValueError(f"{path} holds weights in the layout {kinds.pop()}, which is not read: save them dense")


def apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without shared memory, which safetensors does not write."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        pointer = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if pointer in seen else tensor
        found[name] = found[name].detach().contiguous()
        seen.add(pointer)
    return found


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


if __name__ == "__main__":
    main(*sys.argv[1:])
