"""A checkpoint for other programs: GGUF with a Modelfile for Ollama, a page that chats by itself, a zip.

What is there already is not overwritten unless that is asked for, and a file is whole or not there at all.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

from core import checkpoint, gguf_file, html_file
from core.atomic_files import atomic_file, write_text
from core.bounded_files import is_file
from core.chat_template import encode_chat, known_template, turn_ends
from core.checkpoint import FILES, Checkpoint, is_checkpoint, is_part
from core.config import listed, plural
from core.generate import Sampling
from core.model import GPT
from core.model_card import model_card
from core.stages.registry import answers
from core.task_arithmetic import beside, read_family
from core.tokenizer import Tokenizer

SUFFIXES = (".gguf", ".html", ".zip")
MODELFILE = ".Modelfile"  # behind the name of the GGUF beside which it lies
NOTICEABLE = 1e-4  # nats a token; below, no text that is drawn shows it


def export(
    directory: Path,
    target: Path,
    type: str = "f32",
    force: bool = False,
    license: str = "",
    find: Callable[[str], Path] | None = None,
) -> list[str]:
    """Write the checkpoint in `directory` as `target`, a .gguf, .html or .zip; returns what is to be said about it.

    type: of a GGUF's weights, one of gguf_file.TYPES. force: replace what is there already. find: where a model of a
    name lies, or would, for a page's parent [beside the checkpoint, else among the models].
    Raises ValueError in words if the checkpoint cannot be exported so, or something is there; OSError of the disk.
    """
    directory = directory.resolve()  # whose name the model bears
    if target.suffix not in SUFFIXES:
        raise ValueError(
            f"{target} must end with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, which says what is written"
        )
    if not is_checkpoint(directory):
        raise ValueError(f"{directory} has no weights yet, or is no checkpoint: choose one that is complete")
    if target.suffix == ".zip":
        with_card = model_card(directory, license)
        write_whole(target, lambda path: write_zip(directory, path, with_card), force)
        said = [f"{directory.name} was written to {target}"]
        if links := links_out(directory):
            said.append(f"{plural(len(links), 'link')} to other places left out ({listed(links)})")
        return said
    loaded = checkpoint.load(directory)
    if target.suffix == ".html":
        return export_page(loaded, directory, target, force, find or beside(directory))
    return export_gguf(loaded, directory.name, target, type, force)


def export_page(
    loaded: Checkpoint[GPT], directory: Path, target: Path, force: bool, find: Callable[[str], Path]
) -> list[str]:
    """A page, with a dial if the model can be mixed with its parent."""
    name, family = directory.name, None
    try:
        family = read_family([directory], find, lambda path: loaded if path == directory else checkpoint.load(path))
        dial = f"it has a dial: 1 is {name}, 0 nearly {family.name}"
    except ValueError as error:
        dial = f"it has no dial: {error}"
    write_whole(target, lambda path: html_file.write(path, loaded, name, family), force)
    return [f"{name} was written to {target}, its weights rounded to 8 bits: open it in any browser", dial]


def export_gguf(loaded: Checkpoint[GPT], name: str, target: Path, type: str, force: bool) -> list[str]:
    modelfile = target.with_suffix(MODELFILE)
    refuse_existing(modelfile, force)
    tokenizer = loaded.tokenizer
    known = known_template(tokenizer) if answers(loaded.card) else None  # older checkpoints do not say it themselves
    chat_template = tokenizer.chat_template or (known.jinja if known else "")
    coarser: list[str] = []

    def write(path: Path) -> None:
        coarser.extend(gguf_file.write(path, loaded.model, tokenizer, type, name, chat_template))

    write_whole(target, write, force)
    write_text(modelfile, modelfile_text(target.name, loaded))
    said = [f"{name} was written to {target}, and {modelfile.name} beside it, for Ollama"]
    if coarser:
        said.append(
            f"{len(coarser)} matrices are float16: {type} needs rows of a multiple of {gguf_file.Q8_0_BLOCK} weights"
        )
    if loaded.model.config.activation_function == "gelu":
        moved = gguf_file.gelu_difference(loaded.model, tokenizer)
        size = "far less than is noticed" if moved < NOTICEABLE else "which may be noticed"
        said.append(
            "this model was trained with the exact GELU; llama.cpp computes the tanh form, which moves its predictions "
            f"by {moved:.1g} nats a token (KL divergence), {size}"
        )
    return said


# --- Ollama ---------------------------------------------------------------------------------------------------


def modelfile_text(gguf: str, loaded: Checkpoint[GPT]) -> str:
    """The Modelfile for Ollama: how a prompt is put, where an answer ends, and how tokens are drawn."""
    tokenizer, sampling = loaded.tokenizer, Sampling()
    ends = turn_ends(tokenizer) if answers(loaded.card) else {tokenizer.eot}
    parameters = {
        "num_ctx": loaded.model.config.block_size,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
    }
    lines = [
        f"FROM ./{gguf}",
        f'TEMPLATE """{ollama_template(tokenizer) if answers(loaded.card) else "{{ .Prompt }}"}"""',
        *(f"PARAMETER {name} {value}" for name, value in parameters.items()),
        *(f'PARAMETER stop "{tokenizer.token_bytes(id).decode()}"' for id in sorted(ends)),
    ]
    return "\n".join(lines) + "\n"


def ollama_template(tokenizer: Tokenizer) -> str:
    """One exchange in the chat format, as a template of Go's: Ollama repeats it for each, and cuts it at the answer.

    A system text heads the first question, as everywhere here.
    """
    question = "{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}"
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "{{ .Response }}"}]
    return tokenizer.decode(encode_chat(tokenizer, messages)[0])


# --- files ----------------------------------------------------------------------------------------------------


def write_zip(directory: Path, target: Path, readme: str) -> None:
    """The checkpoint's own files, without its log and saved steps, and its model card."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # weights hardly shrink
        archive.writestr(f"{directory.name}/README.md", readme)
        for file in own_files(directory):
            archive.write(file, f"{directory.name}/{file.name}")


def own_files(directory: Path) -> list[Path]:
    """The files that make up the checkpoint itself; none to which a link leads out of it.

    Raises ValueError if it is not complete without those.
    """
    out = links_out(directory)
    if needed := [name for name in out if name in FILES]:
        raise ValueError(
            f"{', '.join(needed)} of {directory.name} lies elsewhere, where a link leads: copy it into the directory"
        )
    return sorted(path for path in directory.iterdir() if is_file(path) and is_part(path.name) and path.name not in out)


def links_out(directory: Path) -> list[str]:
    """The names of links among the checkpoint's files that lead out of its directory."""
    links = (path for path in directory.iterdir() if path.is_symlink() and is_part(path.name))
    return sorted(path.name for path in links if not path.resolve().is_relative_to(directory.resolve()))


def write_whole(target: Path, write: Callable[[Path], None], force: bool) -> None:
    """Let `write` make a file of another name, which then becomes `target`."""
    refuse_existing(target, force)
    with atomic_file(target) as temporary:
        write(temporary)


def refuse_existing(target: Path, force: bool) -> None:
    if target.is_dir() or (target.exists() and not force):
        raise ValueError(f"there is already something called {target}: choose another name, or replace it with --force")
