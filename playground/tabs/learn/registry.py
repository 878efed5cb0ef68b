"""The lessons, in the order in which they are offered."""

from playground.tabs.learn.lesson import Lesson
from playground.tabs.learn.lessons import (
    accumulation,
    failing_loss,
    instruction_tuning,
    memory_budget,
    queries_keys_values,
    sqrt_dk,
    taste_as_reward,
    text_to_tokens,
)

LESSONS: tuple[Lesson, ...] = (
    text_to_tokens.LESSON,
    queries_keys_values.LESSON,
    sqrt_dk.LESSON,
    failing_loss.LESSON,
    memory_budget.LESSON,
    accumulation.LESSON,
    instruction_tuning.LESSON,
    taste_as_reward.LESSON,
)
