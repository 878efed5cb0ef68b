"""Vote learners: the models that learned from certain votes, and models trained again without some. No gradio."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.datasets.preference_files import Preference
from core.learned_votes import LearnedVotes
from core.stages.registry import DPO, STAGES
from core.training.run_directory import runs
from playground.services.training_jobs import Jobs, stage

LONGEST_STEM = 40  # characters of a name that goes on
LEARNING = [name for name, stage in STAGES.items() if stage.settings_that_name("votes")]  # from votes


@dataclass(frozen=True)
class Learner:
    """A model that learned from votes that are asked about."""

    name: str
    votes: int  # how many of them
    trouble: str  # why it cannot be trained again without them; "" if it can


def learners(jobs: Jobs, votes: Sequence[Preference]) -> list[Learner]:
    """The models of one's own that learned from any of these votes, the latest begun first.

    Of a model whose file of votes is gone or has changed it is not known, nor of one that learned from thumbs.
    """
    found = []
    for run in runs(jobs.directory):
        if stage(run) not in LEARNING:
            continue
        try:
            learned = LearnedVotes(run.directory)
        except (ValueError, OSError):
            continue
        if numbers := learned.numbers_of(votes):
            found.append(Learner(run.name, len(numbers), trouble(learned, numbers)))
    return found


def trouble(learned: LearnedVotes, numbers: Sequence[int]) -> str:
    if not learned.trouble and len(numbers) == len(learned.numbers):
        return f"{learned.run.name} learned from no other votes, so that nothing would be left to learn from"
    return learned.trouble


def train_without_votes(jobs: Jobs, name: str, votes: Sequence[Preference]) -> str:
    """Begin the training of the model called `name` without these votes; its name. Raises ValueError in words."""
    learned = LearnedVotes(jobs.run(name).directory)
    numbers = learned.numbers_of(votes)
    if not numbers:
        raise ValueError(f"{name} learned from none of these votes: choose another model")
    return train_without(jobs, learned, numbers)


def train_without(jobs: Jobs, learned: LearnedVotes, numbers: Sequence[int]) -> str:
    """The same by the votes' numbers in their file."""
    config = learned.stage.config.from_dict(learned.settings_without(numbers))
    (made,) = jobs.free_names(f"{learned.run.name[:LONGEST_STEM]}-without")
    jobs.start(made, DPO, config)
    return made
