"""Rewards that a model gives: what a reward model scores highly, and what a small model of votes expects of a person.

Both are on a scale of their own, so they are brought to mean 0 and variance 1 on answers of the model that is to be
bent: then a weight means the same for either.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from core.datasets.preference_files import prompt_messages, read_preferences
from core.evaluation.preferences import reward_scores
from core.model import GPT
from core.preferences.preference_model import PreferenceModel, features
from core.rlhf.own_reward import Reward
from core.rlhf.rewards import read_reward_model
from core.tokenizer import Tokenizer

Score = Callable[[Sequence[str], Sequence[str]], Sequence[float]]  # (prompts, an answer to each) -> a number for each


def reward_model_score(directory: str, tokenizer: Tokenizer, device: torch.device) -> Score:
    """Raises ValueError in words if there is no reward model, or if it reads other tokens than the policy writes."""
    rated = read_reward_model(directory, tokenizer, device)
    return lambda prompts, answers: reward_scores(rated.model, rated.tokenizer, prompts, answers)


def taste_score(votes: str, model: GPT, tokenizer: Tokenizer) -> Score:
    """What the votes of a file prefer, as the preference model sees it that Label shows.

    model: that reads the answers, and stays as it is. Raises ValueError in words if nothing can be learned from them.
    """
    found = read_preferences(votes)
    pairs = [pair for pair in found.pairs if not pair.tie]
    if not pairs:
        raise ValueError(f"{found.name} holds no votes with a better answer{found.why_none}: vote on in the Label tab")
    asked = [prompt_messages(pair.prompt, pair.history) for pair in pairs]
    better = features(model, tokenizer, asked, [pair.chosen for pair in pairs])
    worse = features(model, tokenizer, asked, [pair.rejected for pair in pairs])
    taste = PreferenceModel.fit(better - worse, np.ones(len(pairs)))

    def score(prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        values: list[float] = (
            features(model, tokenizer, list(map(prompt_messages, prompts)), answers) @ taste.weights
        ).tolist()
        return values

    return score


def standardized(score: Score, prompts: Sequence[str], answers: Sequence[str]) -> Reward:
    """The score as a reward, with mean 0 and variance 1 on these answers."""
    known = np.array(score(prompts, answers))
    mean, std = known.mean(), max(known.std(), 1e-4)

    def reward(prompt: str, some: Sequence[str]) -> list[float]:
        found: list[float] = ((np.array(score([prompt] * len(some), some)) - mean) / std).tolist()
        return found

    return reward
