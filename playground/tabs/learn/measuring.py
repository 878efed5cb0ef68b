"""What the measurements of several lessons share: progress of what core computes, and models that are small enough."""

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

from playground.tabs.learn.lesson import Context, Progress

LARGEST = 30_000_000  # weights of a model with which a step takes no more than three minutes on two cores

T = TypeVar("T")


def reported(
    work: Generator[float, None, T], message: str, first: float = 0.0, last: float = 1.0
) -> Generator[Progress, None, T]:
    """Follow work that yields the share that is done, as the part from `first` to `last` of a measurement."""
    try:
        while True:
            yield Progress(message, first + (last - first) * next(work))
    except StopIteration as end:
        found: T = end.value
        return found
    finally:
        work.close()


def chat_model(context: Context) -> str:
    """The header's model if it answers, else the first that does. Raises ValueError if there is none."""
    names = context.services.checkpoints.chat_names()
    if not names:
        raise ValueError("no model answers in turns yet: fine-tune one in the Train tab")
    return context.model if context.model in names else names[0]


def small_model(context: Context, name: str) -> Path:
    """The directory of a model with which a lesson may compute. Raises ValueError if it is too large."""
    checkpoints = context.services.checkpoints
    size = checkpoints.load(name).model.config.n_params
    if size > LARGEST:
        raise ValueError(
            f"{name} has {size:,} weights, with which this takes too long: choose a model with at most {LARGEST:,} at "
            "the top of the page, such as bard-chat"
        )
    return checkpoints.roots.path(name)
