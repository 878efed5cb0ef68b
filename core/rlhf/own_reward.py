"""A person's own reward: a function in a Python file, which only who starts a training can name.

A run's settings keep its name, so that one can see what was rewarded. They may come from anywhere, with a checkpoint
for instance, so they are no reason to execute anything: whoever starts or resumes the run names the file once more.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from core.preferences.reward_terms import Term, parse_terms

Reward = Callable[[str, Sequence[str]], Sequence[float]]  # (prompt, answers to it) -> a number for each
_allowed: set[tuple[Path, str]] = set()


def place_of(source: str) -> tuple[Path, str]:
    """(file, function) of FILE.py:FUNCTION."""
    file, _, function = source.rpartition(":")
    return Path(file).expanduser().resolve(), function


def allow(text: str) -> None:
    """Of the rewards in a text that the person has just written, let own functions be executed by this process."""
    _allowed.update(place_of(term.source) for term in parse_terms(text) if term.is_own)


def read_own_reward(term: Term) -> Reward:
    """The function. Raises ValueError if nobody has named it in this process, or if it cannot be loaded."""
    file, function = place_of(term.source)
    if (file, function) not in _allowed:
        raise ValueError(
            f"the reward {term.source} is a Python file of your own, which is executed only if you name it on the "
            f"command line: python -m core grpo NEW --reward {term.source}, or to go on with a run, "
            f"python -m core run DIRECTORY --reward {term.source}"
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ValueError(f"the reward {term.source} is not there: there is no file {file}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a person's own file may raise
        raise ValueError(f"the reward {term.source} cannot be loaded: {describe(error)}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise ValueError(f"the reward {term.source} is not there: {file.name} has no function {function}")
    own: Reward = found
    return own


def digest(term: Term) -> str:
    """sha256 of its file."""
    return hashlib.sha256(place_of(term.source)[0].read_bytes()).hexdigest()


def call_in_time(reward: Reward, prompt: str, answers: Sequence[str], seconds: float) -> Sequence[float]:
    """What the function returns. Raises TimeoutError after so many seconds, and whatever it raises.

    Python cannot end a thread: one that takes too long is left behind, and ends with the process.
    """
    returned: list[Sequence[float]] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            returned.append(reward(prompt, answers))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="own reward", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError
    return returned[0]


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
