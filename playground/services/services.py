"""Services, what every tab is given, put together: checkpoints, jobs, vocabularies, votes. No globals."""

from dataclasses import dataclass
from pathlib import Path

import torch

from core.preferences.vote_store import FILE, Votes
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.voting_session import Labelling
from playground.services.training_jobs import Jobs
from playground.services.vocabularies import Vocabularies


@dataclass(frozen=True)
class Services:
    checkpoints: Checkpoints
    jobs: Jobs
    vocabularies: Vocabularies
    preferences: Votes
    labelling: Labelling

    @classmethod
    def open(cls, directory: Path, device: torch.device) -> "Services":
        directory.mkdir(parents=True, exist_ok=True)
        checkpoints, jobs, votes = Checkpoints(directory, device), Jobs(directory), Votes(directory / FILE)
        labelling = Labelling(checkpoints, votes, busy=lambda: jobs.active() is not None)
        return cls(checkpoints, jobs, Vocabularies(directory), votes, labelling)
