"""The lessons, in the order in which they are offered."""

from playground.tabs.learn.lesson import Lesson
from playground.tabs.learn.lessons import text_to_tokens

LESSONS: tuple[Lesson, ...] = (text_to_tokens.LESSON,)
