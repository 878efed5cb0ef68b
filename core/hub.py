"""Import GPT-2 as a checkpoint of ours: from a directory or a file, or from the hub, huggingface.co.

What comes over the network cannot run anything here: JSON, text, safetensors and, in a process of their own, PyTorch's
files as far as they hold nothing but weights. What is downloaded is one commit, not a branch that may move; the card
names it.
"""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core import checkpoint, foreign_weights
from core.atomic_files import claim
from core.huggingface import KINDS, Note

log = logging.getLogger(__name__)

# OpenAI's weights, at the commit where each repository has long stood.
REVISIONS = {
    "openai-community/gpt2": "607a30d783dfa663caf39e06633721c8d4cfcd7e",
    "openai-community/gpt2-medium": "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
    "openai-community/gpt2-large": "32b71b12589c2f8d625668d2335a01cac3249519",
    "openai-community/gpt2-xl": "15ea56dee5df4983c59b2538573817e1667135e2",
}
MODEL_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
OR_BY_PATH = "or download the model's directory elsewhere and import it by its path"
TIMEOUT = 10  # seconds without an answer after which the hub counts as out of reach


def import_model(
    source: str,
    directory: Path,
    revision: str | None = None,
    n_head: int | None = None,
    say: Callable[[str], None] = log.info,
) -> list[Note]:
    """Write the GPT-2 at the path `source`, or else the hub's model of that id, to `directory` as a checkpoint.

    revision: branch, tag or commit on the hub; None means the commit in REVISIONS, or main as it is now.
    n_head: of weights that do not say it. say: is told what is being done, and may raise to end it. Returns what a
    person should know of how it was read; the card keeps it. Raises ValueError in words if it cannot be found, reached
    or computed, or if `directory` holds something already.
    """
    with claim(directory):
        return import_into(directory, source, revision, n_head, say)


def import_into(
    directory: Path, source: str, revision: str | None, n_head: int | None, say: Callable[[str], None]
) -> list[Note]:
    """The same, to a directory that is there and empty."""
    found, parent = find(source, revision, say)
    say(f"reading {parent}")
    beside = next(path for path in directory.absolute().parents if path.is_dir())
    loaded = foreign_weights.read(found, beside, n_head)
    said = {kind: "; ".join(note.what for note in loaded.notes if note.kind == kind) for kind in KINDS}
    told = {kind: what for kind, what in said.items() if what}
    card = replace(loaded.card, parent=parent, data=loaded.card.data | told)
    say(f"writing {directory.name}, {loaded.model.config.n_params:,} weights")
    checkpoint.save(directory, loaded.model, loaded.tokenizer, card)
    for note in loaded.notes:
        log.info("%s: %s", note.kind, note.what)
    return list(loaded.notes)


def find(source: str, revision: str | None, say: Callable[[str], None]) -> tuple[Path, str]:
    """The directory or file of `source`, downloaded if need be, and the name by which a card calls it."""
    path = Path(source).expanduser()
    if path.exists():
        if revision is not None:
            raise ValueError(f"{source} is a path here, which has no revision {revision}: leave --revision out")
        return path, source
    if not MODEL_ID.fullmatch(source):
        raise ValueError(f"{source} is neither a path here nor a model's id on the hub, such as gpt2 or owner/name")
    known = f"openai-community/{source}"
    return download(known if known in REVISIONS else source, revision, say)


def download(model: str, revision: str | None, say: Callable[[str], None]) -> tuple[Path, str]:
    """The directory in the hub's own cache with a commit of the model of this id, and `id@commit`.

    Files that are in the cache already are not fetched again. The configuration comes first: a model that is no GPT-2
    is refused before its weights are on their way.
    """
    try:
        from huggingface_hub import HfApi, errors  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"to download {model} the package huggingface_hub is needed: pip install huggingface_hub, {OR_BY_PATH}"
        ) from error
    for library in ("httpx", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)  # else a line for every request
    hub = HfApi()
    try:
        say(f"looking for {model} at {hub.endpoint}")
        info = hub.model_info(model, revision=revision or REVISIONS.get(model), timeout=TIMEOUT)
        name = f"{info.id}@{info.sha}"
        there = [file.rfilename for file in info.siblings or []]
        if "config.json" not in there:
            raise ValueError(f"{name} is not a complete checkpoint: config.json missing")
        weights = foreign_weights.weight_files(there, name)
        files = ["config.json", *weights, *foreign_weights.vocabulary_files(there)]
        config = Path(hub.hf_hub_download(info.id, "config.json", revision=info.sha))
        checkpoint.read_config(config)
        for number, file in enumerate(files, 1):
            say(f"downloading {name}, file {number} of {len(files)}: {file}")
            hub.hf_hub_download(info.id, file, revision=info.sha)
        return config.parent, name
    except errors.GatedRepoError as error:
        sentence = f"{model} is given only to those who accept its conditions: accept them at {hub.endpoint}/{model}, "
        raise ValueError(sentence + "then log in with `hf auth login`") from error
    except errors.RepositoryNotFoundError as error:
        sentence = f"there is no model {model} on the hub (or it is private), and no such directory here"
        raise ValueError(sentence) from error
    except errors.RevisionNotFoundError as error:
        raise ValueError(f"{model} has no revision {revision or REVISIONS.get(model)}: try --revision main") from error
    except errors.HfHubHTTPError as error:
        answer = f"{hub.endpoint} answered {error.response.status_code} when asked for {model}"
        raise ValueError(f"{answer}: try again later, {OR_BY_PATH}") from error
    except (
        errors.HTTPError,
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        json.JSONDecodeError,
    ) as error:
        sentence = f"cannot reach {hub.endpoint} to download {model}, and there is no such directory here"
        raise ValueError(f"{sentence}: connect to the internet, {OR_BY_PATH}") from error
    except RuntimeError as error:  # all that the hub's faster way of transfer (Xet) says when it is cut off
        reason = str(error).splitlines()[0]
        raise ValueError(f"the download of {model} broke off ({reason}): try again, {OR_BY_PATH}") from error
