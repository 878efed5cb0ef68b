"""What must fit together before a training: a parent that answers, a reward model that reads what it writes."""

from collections.abc import Sequence
from pathlib import Path

from core.bounded_files import is_file
from core.chat_template import reads
from core.checkpoint import Card, is_checkpoint, read_card
from core.stages.registry import answers
from core.tokenizer import Tokenizer
from core.training.run_directory import Run


def check_answers(parent: str) -> None:
    """Raise ValueError unless the model at `parent` answers in turns."""
    if not answers(card(parent)):
        raise ValueError(
            f"{Path(parent).name} continues texts instead of answering: choose a model that was fine-tuned on "
            "instructions, or do that first in the Train tab"
        )


def check_same_vocabulary(reward_model: str, parent: str, chosen: Sequence[str]) -> None:
    """Raise ValueError unless the reward model reads what the parent writes; `chosen`: the paths that are offered."""
    if not reward_model:
        raise ValueError(
            f"choose a reward model; with the vocabulary of {Path(parent).name} there is: "
            f"{', '.join(Path(path).name for path in chosen)}"
            if chosen
            else f"there is no reward model with the vocabulary of {Path(parent).name} yet: train one on your votes "
            "first, under Reward model"
        )
    if not reads(vocabulary(reward_model), vocabulary(parent)):
        raise ValueError(
            f"the reward model {Path(reward_model).name} reads another vocabulary, or another chat template, than "
            f"{Path(parent).name} writes: "
            "choose one that was trained from the same parent, or from one with the same vocabulary"
        )


def vocabulary(model: str) -> Tokenizer:
    """Of a checkpoint, or of the one from which a run starts that has made none yet. ValueError if there is none."""
    run = Run(Path(model).expanduser())
    if is_file(run.directory / "run.json") and not is_checkpoint(run.directory):
        return Tokenizer.load(str(run.read()[1].get("parent")))
    return Tokenizer.load(model)


def card(directory: str) -> Card:
    path = Path(directory).expanduser()
    if not path.is_dir():
        raise ValueError(f"there is no model {directory}: choose one from the list")
    return read_card(path / "card.json")
