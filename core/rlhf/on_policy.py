"""What the stages share that learn from answers which their policy writes meanwhile: PPO and GRPO."""

import logging
import math
from collections.abc import Mapping, Sequence

from core.datasets.prompts import fitting_prompts
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig
from core.training.loop import FitConfig

log = logging.getLogger(__name__)


def check(title: str, rollouts: int, sizes: Mapping[str, int], adapt: FinetuneConfig, fit: FitConfig) -> None:
    """Raise ValueError for settings with which no such training can be. sizes: by setting, of what `rollouts` holds."""
    for name, size in sizes.items():
        if rollouts % size:
            raise ValueError(f"rollouts must be a multiple of {name}, got {rollouts} and {size}")
    if adapt.dropout:
        raise ValueError(f"dropout must be 0 in {title}, or no probability could be compared, got {adapt.dropout}")
    if fit.keep_best:
        raise ValueError(f"keep_best must be off: {title} has no validation loss to be best at")


def answers_written(rollouts: int, epochs: int, batch_size: int, step: int) -> int:
    """By the policy, up to an optimiser step: `rollouts` in each iteration, in which they are read `epochs` times."""
    return math.ceil(step * batch_size / (rollouts * epochs)) * rollouts


def encode_prompts(
    tokenizer: Tokenizer, learned: Sequence[str], measured: Sequence[str], max_new_tokens: int, block_size: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Both as tokens, those that leave room for an answer. Raises ValueError if of either none does."""
    fitting, held_out = (
        fitting_prompts(tokenizer, prompts, max_new_tokens, block_size) for prompts in (learned, measured)
    )
    if left_out := len(learned) + len(measured) - len(fitting) - len(held_out):
        log.info("%d prompts leave no room for an answer and are left out", left_out)
    return fitting, held_out
