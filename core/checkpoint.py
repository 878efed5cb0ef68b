"""The one on-disk format: a directory that Hugging Face opens as GPT-2, plus a card that says where it came from.

    config.json  model.safetensors      transformers.AutoModelForCausalLM.from_pretrained(dir) gives the same logits,
                                            AutoModelForSequenceClassification those of a classifier
    tokenizer.json  tokenizer_config.json   transformers.AutoTokenizer.from_pretrained(dir) gives the same ids, but for
                                            text that looks like a special token: see split_special_tokens there
    generation_config.json              of a model that answers: the tokens that end its turn; `apply_chat_template`
                                            of the tokenizer gives the ids that our chat gives (core/chat_template.py)
    card.json                           lineage (parent, stage, configuration, data, seed, versions) and measurements

Read are also the directories of others in that layout: GPT-2 as it lies on the hub, with weights in several files, in
half precision, under names without "transformer."; other layouts by an import (core/foreign_weights.py). Nothing is
pickled, and nothing pickled is opened. A directory is written under a temporary name first and renamed when it is
complete and on disk.
"""

import hashlib
import logging
import platform
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.atomic_files import atomic_directory, write_json
from core.bounded_files import is_file, open_file, read_json
from core.chat_template import known_template
from core.classifier import SequenceClassifier
from core.config import describe_os_error
from core.huggingface import (
    REWARD,
    Model,
    Note,
    class_settings,
    config_of,
    generation_config,
    huggingface_config,
    huggingface_tensors,
    labels_of,
    read_model,
    saved_rows,
    says_classifier,
    tokenizer_config,
)
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer

log = logging.getLogger(__name__)

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"  # the index says which of several files holds what
FILES = ("config.json", WEIGHTS, "tokenizer.json")  # without these a directory is no checkpoint of ours
BESIDE = ("card.json", "tokenizer_config.json", "generation_config.json")  # what else a checkpoint may hold
HEADER_BYTES = 1 << 22  # of a safetensors file's list of tensors; that of GPT-2's largest has some 60,000
CHAT_TEMPLATE = "chat_template"  # of a model that answers though no stage taught it to, in the data of its card
MIXED = "mixed"  # there, of a model mixed of others (core/task_arithmetic.py): {name of a child: how much of it}
PICKLED = (".bin", ".pt", ".pth", ".ckpt")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Card:
    """Where a checkpoint comes from and what was measured on it."""

    stage: str = "random"  # what made it: pretrain, sft, ...
    parent: str | None = None  # the checkpoint it was trained from
    step: int = 0  # optimiser steps
    config: dict[str, Any] = field(default_factory=dict)  # of the stage, flat
    data: dict[str, Any] = field(default_factory=dict)  # corpus name and sha256, vocabulary sha256
    report: dict[str, float] = field(default_factory=dict)  # e.g. "bpb/val"
    measured: list[str] = field(default_factory=list)  # what core/evaluation/report_card.py has added to it, in words
    versions: dict[str, str] = field(
        default_factory=lambda: {"python": platform.python_version(), "torch": torch.__version__}
    )
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    note: str = ""  # by whoever keeps it
    shipped: bool = False  # does it come with the project? What is made from it does not: that has a card of its own


@dataclass(frozen=True)
class Checkpoint(Generic[M]):
    model: M
    tokenizer: Tokenizer
    card: Card
    notes: tuple[Note, ...] = ()  # of how it was read


def save(
    directory: str | Path, model: Model, tokenizer: Tokenizer, card: Card, dtype: torch.dtype | None = None
) -> None:
    """Write a checkpoint. `dtype` (torch.float16, say) makes the file smaller than the model in memory.

    Raises OSError, and leaves what `directory` held untouched, if the disk is full or read-only.
    """
    with atomic_directory(Path(directory)) as temporary:
        write_files(temporary, model, tokenizer, card, dtype)


def write_files(
    directory: Path, model: Model, tokenizer: Tokenizer, card: Card, dtype: torch.dtype | None = None
) -> None:
    classes = class_settings(model, tokenizer) if isinstance(model, SequenceClassifier) else {}
    rows = {"vocab_size": saved_rows(model)}
    write_json(directory / "config.json", huggingface_config(model.config, tokenizer) | rows | classes)
    tokenizer.save(directory)
    write_chat_files(directory, model.config, tokenizer)
    write_json(directory / "card.json", asdict(card))
    tensors = huggingface_tensors(model)
    write_tensors(directory / WEIGHTS, {name: t.to("cpu", dtype).contiguous() for name, t in tensors.items()})


def write_chat_files(directory: Path, config: GPTConfig, tokenizer: Tokenizer) -> None:
    """How texts are prepared, and how it is chatted with what was taught to answer, or to rate answers."""
    write_json(directory / "tokenizer_config.json", tokenizer_config(config, tokenizer))
    if tokenizer.chat_template is not None and known_template(tokenizer):
        write_json(directory / "generation_config.json", generation_config(tokenizer))


def load(directory: str | Path, device: str | torch.device = "cpu") -> Checkpoint[GPT]:
    """Read a language model, ours or any GPT-2 of Hugging Face's; it comes in float32 and evaluation mode.

    Raises ValueError that says what is missing, truncated or in disagreement, and if it is a classifier.
    """
    check_language_model(Path(directory))
    return load_any(directory, device)


def check_language_model(directory: Path) -> None:
    """Raise ValueError as `load` does, but for what only reading it would tell."""
    required_files(files_in(directory), directory)
    if is_classifier(directory):
        raise ValueError(f"{directory} is a classifier: it writes no text; choose a language model")


def load_classifier(directory: str | Path, device: str | torch.device = "cpu") -> Checkpoint[SequenceClassifier]:
    """Read a classifier, likewise. Raises ValueError as `load` does, and if it is a language model."""
    loaded = load_any(directory, device)
    if isinstance(loaded.model, GPT):
        raise ValueError(f"{directory} is a language model: it names no class; choose a classifier")
    return loaded


def load_any(directory: str | Path, device: str | torch.device = "cpu") -> Checkpoint[Any]:
    """Read a checkpoint of either kind."""
    directory = Path(directory)
    names = required_files(files_in(directory), directory)
    described = directory / "config.json"
    content, tokenizer = read_json(described), Tokenizer.load(directory)
    config_of(content, described)  # refuses before the weights are read
    tensors = read_weights(directory, names)
    model, tokenizer, notes = read_model(content, tokenizer, tensors, directory / WEIGHTS, described)
    if not is_file(directory / "card.json"):  # else an import has said it
        for note in notes:
            log.warning("%s: %s: %s", directory, note.kind, note.what)
    return Checkpoint(model.to(device).eval(), tokenizer, read_card(directory / "card.json"), tuple(notes))


def files_in(directory: Path) -> set[str]:
    """The names of the files there. Raises ValueError if there is no such directory, or it may not be looked at."""
    if not directory.is_dir():
        raise ValueError(f"there is no checkpoint directory {directory}")
    try:
        return {path.name for path in directory.iterdir() if is_file(path)}
    except OSError as error:
        raise ValueError(describe_os_error(error)) from error


def required_files(names: Collection[str], place: str | Path) -> list[str]:
    """Which of the files `names` at `place` make up a checkpoint. Raises ValueError if one is missing."""
    weights, vocabulary = [WEIGHTS], ["tokenizer.json"]
    if WEIGHTS not in names and INDEX in names:
        weights = [INDEX, *sorted(name for name in names if name.endswith(".safetensors") and "/" not in name)]
    if "tokenizer.json" not in names and {"vocab.json", "merges.txt"} <= set(names):
        vocabulary = ["vocab.json", "merges.txt"]
    wanted = ["config.json", *weights, *vocabulary]
    missing = [name for name in wanted if name not in names]
    pickled = sorted(name for name in names if name.endswith(PICKLED) and "/" not in name)
    if WEIGHTS in missing and pickled:
        raise ValueError(
            f"{place} has no {WEIGHTS}, only {', '.join(pickled)}, which is read when it is imported and never else: "
            "import it under another name first"
        )
    if missing:
        raise ValueError(f"{place} is not a complete checkpoint: {', '.join(missing)} missing")
    return wanted


def read_card(path: Path) -> Card:
    """A checkpoint's card; one that came from elsewhere has none. Raises ValueError if it is no card of ours."""
    if not is_file(path):
        return imported_card(Tokenizer.load(path.parent)) if is_checkpoint(path.parent) else Card("imported")
    try:
        card = Card(**read_json(path))
    except TypeError as error:
        raise ValueError(f"{path} is no card of ours: {error}") from error
    for name, example in vars(Card(parent="")).items():
        value, kind = getattr(card, name), type(example)
        if not isinstance(value, kind) and not (name == "parent" and value is None):
            raise ValueError(f"{path} is no card of ours: {name} is {value!r:.40}, it must be of type {kind.__name__}")
    return card


def imported_card(tokenizer: Tokenizer) -> Card:
    """The card of a model from elsewhere: one whose chat template is known here answers in turns."""
    template = known_template(tokenizer) if tokenizer.chat_template else None
    return Card("imported", data={CHAT_TEMPLATE: template.name} if template else {})


def read_config(path: Path) -> GPTConfig:
    """The shape in a `config.json`. Raises ValueError if it describes what this GPT does not compute."""
    return config_of(read_json(path), path)


def is_checkpoint(directory: Path) -> bool:
    return all(is_file(directory / name) for name in FILES)


def is_part(name: str) -> bool:
    """Does a file of that name belong to the checkpoint itself, not to its log or its saved steps?"""
    return name in (*FILES, INDEX, *BESIDE) or name.endswith(".safetensors")


def is_classifier(directory: Path) -> bool:
    """Does its config.json say so? One that cannot be read does not: `load` then says why."""
    try:
        return says_classifier(read_json(directory / "config.json"))
    except ValueError:
        return False


def labels(directory: Path) -> list[str]:
    """The classes of a classifier. Raises ValueError if its config.json cannot be read."""
    path = directory / "config.json"
    return labels_of(read_json(path), path)


def is_reward_model(directory: Path) -> bool:
    """A classifier with one score, of how good an answer is: what core/stages/reward_model.py makes."""
    try:
        return is_classifier(directory) and labels(directory) == [REWARD]
    except ValueError:
        return False


def is_language_model(directory: Path) -> bool:
    return is_checkpoint(directory) and not is_classifier(directory)


def weights_digest(directory: Path) -> str:
    """sha256 of the weights on disk, by which a training that goes on knows that its parent is still the same."""
    names = required_files(files_in(directory), directory)
    content = hashlib.sha256()
    for name in names:
        if name.endswith(".safetensors"):
            with (directory / name).open("rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


# --- files ----------------------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """A safetensors file. Raises OSError if it cannot be written whole."""
    try:
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        raise OSError(f"{path.name}: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What is in a safetensors file. Raises ValueError if it is damaged."""
    check_header(path)
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error


def read_some_tensors(path: Path, names: Collection[str]) -> dict[str, Tensor]:
    """Those of a safetensors file with these names. Raises ValueError if it is damaged, or one is not there."""
    check_header(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error


def check_header(path: Path) -> None:
    """Raise ValueError if a safetensors file begins with a longer list of tensors than any GPT-2 needs."""
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > HEADER_BYTES:
        raise ValueError(f"{path} is truncated or damaged: its list of tensors would have {length:,} bytes")


def read_weights(directory: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The tensors in `directory`, which holds the files `names`: those of one file, or of all that the index lists."""
    tensors: dict[str, Tensor] = {}
    for name in shards(directory / INDEX, names) if INDEX in names else [WEIGHTS]:
        tensors |= read_tensors(directory / name)
    return tensors


def shards(index: Path, names: Collection[str]) -> list[str]:
    """The files that an index lists, all of which must be among `names`."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise ValueError(f"{index} is damaged: it has no weight_map")
    parts = set(map(str, weight_map.values()))
    if missing := sorted(parts - set(names)):
        raise ValueError(f"{index.parent} is not a complete checkpoint: {', '.join(missing)} missing")
    return sorted(parts)
