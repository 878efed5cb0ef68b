"""What a reward model says of answers, on a scale that means the same for all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from core import checkpoint
from core.chat_template import reads
from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.tokenizer import Tokenizer


def read_reward_model(directory: str, tokenizer: Tokenizer, device: torch.device) -> Checkpoint[SequenceClassifier]:
    """Raises ValueError in words if there is none, or if it reads other tokens than the policy writes."""
    check_reward_model(directory, tokenizer)
    reward_model = checkpoint.load_classifier(Path(directory).expanduser(), device)
    reward_model.model.requires_grad_(False)
    return reward_model


def check_reward_model(directory: str, tokenizer: Tokenizer) -> None:
    """Raise ValueError likewise, without reading its weights."""
    if not directory:
        raise ValueError("reward_model is empty: train a reward model on your votes first, and name it here")
    path = Path(directory).expanduser()
    if not path.is_dir():
        raise ValueError(f"there is no checkpoint directory {directory}")
    if not checkpoint.is_reward_model(path):
        raise ValueError(f"{directory} is no reward model: choose one that the stage `reward` made")
    if not reads(Tokenizer.load(path), tokenizer):
        raise ValueError(
            f"the reward model {path.name} reads another vocabulary, or another chat template, than the policy writes: "
            "train it from the same parent as the policy, or from one with the same vocabulary and template"
        )


class NormalizedReward:
    """Scores with mean 0 and variance 1 on the reference's answers (Ziegler et al. 2019, section 2.1).

    score: what a reward model gives to texts of tokens, (N,). Answers come with their prompts.
    """

    def __init__(self, score: Callable[[Sequence[Sequence[int]]], Tensor], reference_answers: Sequence[Sequence[int]]):
        self.score = score
        scores = score(reference_answers)
        self.mean, self.std = scores.mean().item(), max(scores.std(correction=0).item(), 1e-4)

    def __call__(self, answers: Sequence[Sequence[int]]) -> Tensor:
        return (self.score(answers) - self.mean) / self.std
