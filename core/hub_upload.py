"""A checkpoint as a repository on the hub, huggingface.co: its files and a model card, for whoever has a token."""

import logging
from pathlib import Path

from core.checkpoint import is_checkpoint
from core.export import own_files
from core.hub import MODEL_ID
from core.model_card import model_card

log = logging.getLogger(__name__)


def push(
    directory: Path, model: str, token: str = "", private: bool = False, force: bool = False, license: str = ""
) -> str:
    """Upload the checkpoint in `directory` as the model of the id `model`; returns its address.

    token: of the hub, one that may write; "" takes the environment's HF_TOKEN, or that of `hf auth login`.
    force: add a commit to a repository that is there already. Raises ValueError in words.
    """
    if not is_checkpoint(directory):
        raise ValueError(f"{directory} has no weights yet, or is no checkpoint: choose one that is complete")
    if not MODEL_ID.fullmatch(model) or "/" not in model:
        raise ValueError(f"{model!r} is no model's id: write OWNER/NAME, with your name on the hub as the owner")
    try:
        from huggingface_hub import CommitOperationAdd, HfApi, errors, get_token  # noqa: PLC0415
    except ImportError as error:
        raise ValueError("to upload, the package huggingface_hub is needed: pip install huggingface_hub") from error
    for library in ("httpx", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)  # else a line for every request
    token = token.strip() or get_token() or ""
    if not token:
        raise ValueError("no token: set HF_TOKEN to one that may write, or log in with `hf auth login`")
    hub = HfApi(token=token)
    files = [CommitOperationAdd(path.name, path) for path in own_files(directory)]
    files.append(CommitOperationAdd("README.md", model_card(directory, license, model).encode()))
    try:
        address = hub.create_repo(model, private=private, exist_ok=force)
        log.info("uploading %s files to %s", len(files), address)
        hub.create_commit(model, files, commit_message=f"Upload {directory.name} from GPT Playground")
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status == 409:
            raise ValueError(
                f"there is already a model {model}: choose another name, or add to it with --force"
            ) from error
        if status in (401, 403):
            raise ValueError(
                f"{hub.endpoint} refuses to write {model} with this token: make one that may write, and upload "
                "under a name that is yours"
            ) from error
        raise ValueError(f"{hub.endpoint} answered {status} to the upload of {model}: try again later") from error
    except errors.HTTPError as error:
        raise ValueError(f"cannot reach {hub.endpoint} to upload {model}: connect to the internet") from error
    except errors.OfflineModeIsEnabled as error:
        raise ValueError(f"HF_HUB_OFFLINE is set, so that {model} cannot be uploaded: unset it") from error
    return str(address)
