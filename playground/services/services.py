"""Services, what every tab is given, put together: checkpoints, jobs, vocabularies, votes. No globals."""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from platformdirs import user_data_path

from core.preferences.vote_store import FILE, Votes
from core.workspace import Workspace
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.voting_session import Labelling
from playground.services.training_jobs import Jobs
from playground.services.vocabularies import Vocabularies

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    workspace: Workspace
    checkpoints: Checkpoints
    jobs: Jobs
    vocabularies: Vocabularies
    preferences: Votes
    labelling: Labelling

    @classmethod
    def open(cls, directory: Path, device: torch.device, read_only: Sequence[Path] = ()) -> "Services":
        """What lies in `directory`, which is made if it is not there, and the models of the `read_only` ones."""
        directory.mkdir(parents=True, exist_ok=True)
        workspace = Workspace(directory, read_only)
        for sentence in workspace.tidy():
            log.info("%s", sentence)
        checkpoints, jobs = Checkpoints(directory, device, read_only), Jobs(directory, read_only)
        vocabularies, votes = Vocabularies(directory, read_only), open_votes(directory)
        labelling = Labelling(checkpoints, votes, busy=lambda: jobs.active() is not None)
        return cls(workspace, checkpoints, jobs, vocabularies, votes, labelling)


def open_votes(directory: Path) -> Votes:
    """The votes beside the checkpoints; where nobody may write there, as in a teacher's share, those of this user."""
    if os.access(directory, os.W_OK):
        return Votes(directory / FILE)
    place = user_data_path("gpt-playground", appauthor=False) / "votes"
    votes = Votes(place / hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12] / FILE)
    votes.trouble = f"{directory} is read-only, so votes are kept in {votes.path.parent}. {votes.trouble}".strip()
    return votes
