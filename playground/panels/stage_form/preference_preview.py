"""What a model will see when it learns from votes or from a reward model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.checkpoint import Card, read_card
from core.datasets.conversations import Example, encode_prompt
from core.datasets.preference_files import read_preferences
from core.datasets.preference_pairs import EncodedPair, encode_pairs
from core.datasets.prompts import learning_prompts, read_prompts
from core.stages.dpo import DPOConfig
from core.stages.ppo import PLAYS, PPOConfig
from core.stages.registry import answers
from core.stages.reward_model import RewardConfig
from core.tokenizer import Tokenizer
from playground.panels.stage_form.data_preview import SHOWN, shape_at, shown

COUNTED_PROMPTS = 200  # of the plays: enough to tell how long they are
READ_AT_END = "The score is read at the end of an answer, the only place that counts; a higher one for the preferred."
LIKELIER = "Only the answers count: the preferred one is to become likelier than the other, measured from the parent."
WRITTEN = "The model sees prompts only. It writes the answers itself, and learns from how the reward model scores them."


def pairs(config: RewardConfig | DPOConfig) -> dict[str, Any]:
    """Raises ValueError in words, as the training would."""
    votes, parent = config.pairs, config.adapt.parent
    tokenizer, block_size = Tokenizer.load(parent), shape_at(parent).block_size
    found = read_preferences(votes.data, votes.skip_bad_lines)
    usable = [pair for pair in found.pairs if votes.ties == "half" or not pair.tie]
    encoded, too_long = encode_pairs(tokenizer, usable, block_size)
    if not encoded:
        raise ValueError(f"all {len(too_long)} votes are longer than the context of {block_size} tokens")
    lengths = [len(example.ids) for pair in encoded for example in pair.examples]
    decided = [pair for pair in encoded if pair.outcome == 1] or encoded
    at_end = isinstance(config, RewardConfig)
    return {
        "facts": [
            ["votes", f"{len(encoded):,}"],
            ["tokens in an answer with its prompt, on average", f"{sum(lengths) / len(lengths):.0f}"],
            ["longer than the context, left out", f"{len(too_long):,}"],
        ],
        "examples": [
            view for pair in decided[:: max(1, len(decided) // SHOWN)][:SHOWN] for view in both(tokenizer, pair, at_end)
        ],
        "problems": found.problems,
        "note": READ_AT_END if at_end else LIKELIER,
        "mean_length": sum(lengths) / len(lengths),
        "longest": max(lengths),
    }


def both(tokenizer: Tokenizer, pair: EncodedPair, at_end: bool) -> list[dict[str, Any]]:
    titles = ("preferred", "rejected") if pair.outcome == 1 else ("tie", "tie")
    views = []
    for title, example in zip(titles, pair.examples, strict=True):
        view = shown(tokenizer, read_at_end(example) if at_end else example, at_most=len(example.ids))
        views.append(view | {"title": title.capitalize()} | ({"read": "score"} if at_end else {}))
    return views


def read_at_end(example: Example) -> Example:
    return Example(example.ids, [False] * (len(example.ids) - 1) + [True])


def rollouts(config: PPOConfig) -> dict[str, Any]:
    """Raises ValueError in words for prompts that cannot be read, or leave no room for an answer."""
    parent = config.adapt.parent
    tokenizer, block_size = Tokenizer.load(parent), shape_at(parent).block_size
    plays = config.prompts == PLAYS
    prompts = learning_prompts(COUNTED_PROMPTS, config.fit.seed) if plays else read_prompts(config.prompts)
    asked = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    fitting = [ids for ids in asked if len(ids) + config.max_new_tokens < block_size]
    if not fitting:
        raise ValueError(
            f"every prompt leaves less than max_new_tokens = {config.max_new_tokens} of the context's {block_size} "
            "tokens for the answer: give shorter prompts, or a smaller max_new_tokens"
        )
    lengths = [len(ids) for ids in fitting]
    known = (
        [] if plays else [["prompts", f"{len(fitting):,}"], ["too long, left out", f"{len(asked) - len(fitting):,}"]]
    )
    return {
        "facts": [
            *known,
            ["tokens in a prompt, on average", f"{sum(lengths) / len(lengths):.0f}"],
            ["tokens in an answer, at most", f"{config.max_new_tokens}"],
            ["answers in an iteration", f"{config.rollouts:,}"],
        ],
        "examples": [shown(tokenizer, Example(ids, [False] * len(ids))) for ids in fitting[:SHOWN]],
        "problems": [],
        "note": WRITTEN,
        "mean_length": sum(lengths) / len(lengths) + config.max_new_tokens / 2,
        "longest": max(lengths) + config.max_new_tokens,
    }


# --- what fits together -----------------------------------------------------------------------------------------


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
    if Tokenizer.load(reward_model).digest != Tokenizer.load(parent).digest:
        raise ValueError(
            f"the reward model {Path(reward_model).name} reads another vocabulary than {Path(parent).name} writes: "
            "choose one that was trained from the same parent, or from one with the same vocabulary"
        )


def card(directory: str) -> Card:
    path = Path(directory).expanduser()
    if not path.is_dir():
        raise ValueError(f"there is no model {directory}: choose one from the list")
    return read_card(path / "card.json")
