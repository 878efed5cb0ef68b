"""GPT-2 as people have it: a directory or one file, of Hugging Face's, the book's or nanoGPT's, read for an import.

Safetensors and JSON are read here, PyTorch's files in a process of their own (core/pytorch_files.py). What was left
out, kept, changed or guessed on the way is in the notes of the checkpoint that is returned.
"""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor

from core import pytorch_files
from core.bounded_files import read_json
from core.chat_template import TEMPLATES, known_template
from core.checkpoint import INDEX, WEIGHTS, Checkpoint, imported_card, read_tensors, shards
from core.config import listed, plural
from core.foreign_templates import recognise
from core.huggingface import REWARD, Note, read_model, says_classifier
from core.pytorch_files import PyTorchFile
from core.tokenizer import Tokenizer
from core.weight_layouts import HUGGINGFACE, Layout, describe, layout_of, to_huggingface, unwrap

BIN, BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SAFE, PICKLED = ".safetensors", (".bin", ".pt", ".pth", ".ckpt")
# Files that trainings leave beside the weights.
NO_WEIGHTS = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth")
VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
ABOUT_TOKENS = ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json", "chat_template.jinja")
N_BYTES = 256  # tokens of the smallest byte-level vocabulary
GPT2_ROWS = range(50257, 50304 + 1)  # of an embedding to which GPT-2's vocabulary belongs, if no other is there

AGAIN, FROM = "save them with transformers as safetensors", "import the model that it was made from"
# Ends of files' names that are refused: what they are, and what to do instead.
OTHER_FILES = {
    ".ckpt.index": ("a checkpoint of TensorFlow's, as OpenAI published GPT-2", "import gpt2 by its name"),
    ".h5": ("weights for TensorFlow", AGAIN),
    ".msgpack": ("weights for Flax", AGAIN),
    ".npz": ("arrays of NumPy's", "save them as safetensors, in the names of a layout that is read"),
    ".gguf": ("a model for llama.cpp", FROM),
    ".onnx": ("a model for ONNX", FROM),
    ".pkl": ("a pickle, which could run any program", "save the weights with torch.save(model.state_dict(), ...)"),
}


def read(path: Path, beside: Path, n_head: int | None = None) -> Checkpoint[Any]:
    """The model in a directory, or in one file with its vocabulary and config.json beside it, if they are there.

    beside: where temporary files may lie, as large as the weights. n_head: for layouts that do not say it.
    Raises ValueError in words if there is no GPT-2, or none that can be read.
    """
    directory = path if path.is_dir() else path.parent
    names = {file.name for file in directory.iterdir() if file.is_file()}
    chosen = weight_files(names, directory) if path.is_dir() else [path.name]
    source = directory / chosen[0]
    if chosen[0] in (INDEX, BIN_INDEX):
        chosen = shards(source, names)
    found = read_files(directory, chosen, beside)
    tensors = unwrap(found.tensors, source)
    layout = layout_of(tensors, found.arguments)
    tensors, notes = to_huggingface(tensors, layout)
    content, described, more = configuration(tensors, layout, found, names, source, n_head)
    notes += more
    if found.left_out:
        entries = plural(len(found.left_out), "entry", "entries")
        notes.append(Note("left out", f"{entries} beside the weights ({listed(found.left_out)})"))
    notes += told_of_types(tensors)
    tokenizer, more = vocabulary(directory, names, content)
    notes += more
    model, tokenizer, more = read_model(content, tokenizer, tensors, source, described)
    tokenizer, told = chat_template(tokenizer)
    return Checkpoint(model.eval(), tokenizer, imported_card(tokenizer), (*notes, *more, *told))


def weight_files(names: Collection[str], place: object) -> list[str]:
    """Which of the files `names` at `place` hold the weights, an index before those that it may list.

    Raises ValueError if that is none, or not clear.
    """
    own = sorted(name for name in names if "/" not in name and name not in NO_WEIGHTS)
    if "adapter_config.json" in own:
        raise ValueError(f"{place} holds a LoRA adapter, which is no model of its own: merge it into its model first")
    for whole, index in ((WEIGHTS, INDEX), (BIN, BIN_INDEX)):
        if whole in own:
            return [whole]
        if index in own:
            return [index, *(name for name in own if name.endswith(Path(whole).suffix))]
    found = [name for name in own if name.endswith((SAFE, *PICKLED))]
    if len(found) > 1:
        raise ValueError(f"{place} holds several files of weights ({listed(found)}): import one of them by its path")
    for end, (what, instead) in OTHER_FILES.items():
        if not found and (other := next((name for name in own if name.endswith(end)), None)):
            raise ValueError(f"{place} holds {other}, {what}, and no weights that are read here: {instead}")
    if not found:
        raise ValueError(f"{place} holds no weights: {WEIGHTS}, {BIN} or a file of another layout is missing")
    return found


def vocabulary_files(names: Collection[str]) -> list[str]:
    """Which of the files `names` make up a vocabulary; none if there is none."""
    for wanted in VOCABULARIES:
        if set(wanted) <= set(names):
            return [*wanted, *(name for name in ABOUT_TOKENS if name in names)]
    return []


def read_files(directory: Path, names: list[str], beside: Path) -> PyTorchFile:
    """The tensors of one or several files, of either kind."""
    for end, (what, instead) in OTHER_FILES.items():
        if names[0].endswith(end):
            raise ValueError(f"{directory / names[0]} is {what}, which is not read here: {instead}")
    if names[0].endswith(SAFE):
        tensors: dict[str, Tensor] = {}
        for name in names:
            tensors |= read_tensors(directory / name)
        return PyTorchFile(tensors)
    if not names[0].endswith(PICKLED):
        raise ValueError(f"{directory / names[0]} is no file of weights: {listed([SAFE, *PICKLED], 5)} are read")
    return pytorch_files.read([directory / name for name in names], beside)


def configuration(
    tensors: dict[str, Tensor],
    layout: Layout,
    found: PyTorchFile,
    names: Collection[str],
    source: Path,
    n_head: int | None,
) -> tuple[dict[str, Any], Path | str, list[Note]]:
    """What is known of the model as a config.json says it, and where that stands."""
    path = source.with_name("config.json")
    if layout is not HUGGINGFACE or path.name not in names:
        content, notes = describe(tensors, layout, found.arguments, n_head, source)
        return content, f"model_args of {source}" if found.arguments else f"the shape of {source}", notes
    content = read_json(path)
    if n_head not in (None, content.get("n_head")):
        raise ValueError(f"{path} says n_head {content.get('n_head')}: leave --n-head out")
    if content.get("problem_type") == "multi_label_classification":
        raise ValueError(f"{path}: a classifier of several labels at once is not supported")
    score = tensors.get("score.weight")
    if says_classifier(content) and score is not None and score.shape[:1] == (1,):
        said = Note("guessed", "1 score and no classes: it is taken for a reward model")
        return content | {"id2label": {"0": REWARD}}, path, [said]
    return content, path, []


def vocabulary(directory: Path, names: Collection[str], content: dict[str, Any]) -> tuple[Tokenizer, list[Note]]:
    """The vocabulary in a directory, or else GPT-2's if the embedding has its size."""
    if vocabulary_files(names):
        return Tokenizer.load(directory), []
    rows = content.get("vocab_size")
    if isinstance(rows, int) and rows < N_BYTES:
        raise ValueError(
            f"{directory} holds a model of {rows} tokens, as nanoGPT makes of single characters: only byte-level "
            "vocabularies are read; train it on GPT-2's (nanoGPT's data/shakespeare), or one on bytes here"
        )
    if rows not in GPT2_ROWS:
        raise ValueError(
            f"{directory} has no vocabulary, and {rows} rows are not GPT-2's: put the model's tokenizer.json there"
        )
    return Tokenizer.gpt2(), [
        Note("guessed", f"GPT-2's vocabulary, as there is none and the embedding has {rows:,} rows")
    ]


def chat_template(tokenizer: Tokenizer) -> tuple[Tokenizer, list[Note]]:
    """The vocabulary with its chat template in our words, if it has one that is known here."""
    if tokenizer.chat_template is None:
        return tokenizer, []
    if template := known_template(tokenizer) or recognise(tokenizer.chat_template, tokenizer):
        told = Note("kept", f"its chat template, which is {template.name}: it answers in turns")
        return tokenizer.extended([], template.jinja), [told]
    known = listed([*TEMPLATES], len(TEMPLATES))
    why = f"its chat template, for other programs: here it is none of {known}, so that the model continues texts"
    return tokenizer, [Note("kept", why)]


def told_of_types(tensors: dict[str, Tensor]) -> list[Note]:
    """Weights are float32 here; those that were not are counted."""
    types = Counter(
        str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.is_floating_point()
    )
    return [
        Note("changed", f"{plural(n, 'tensor')} of {name}: float32 here")
        for name, n in types.items()
        if name != "float32"
    ]
