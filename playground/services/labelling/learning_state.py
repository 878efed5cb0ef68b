"""The state of learning while voting: what a person has chosen, how far it has come, and whether that is liked."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.atomic_files import write_json
from core.bounded_files import is_file, read_facts
from core.online_dpo import versions
from core.preferences.agreement import Rate, win_rate
from core.preferences.vote_store import Vote

STATE = "state.json"  # beside the versions
EVERY, MOST_EVERY = 5, 100  # votes of a round

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What a person has chosen, and how far it has come."""

    on: bool = False  # do pairs come from the version of the moment?
    paused: bool = False  # does it learn no further?
    every: int = EVERY  # votes from one round to the next
    current: int = 0  # the version of the moment; 0: the model as it is
    counted: int = 0  # votes when the last round was begun, or when the person went back
    numbered: int = 0  # the highest number that was given: one that was forgotten is not given again


def is_due(state: State, votes: int) -> bool:
    """Have as many new votes come as a round takes?"""
    return state.on and not state.paused and votes - min(state.counted, votes) >= state.every


def read_state(session: Path) -> State:
    """Off where nothing is written down, or that is damaged."""
    if not is_file(session / STATE):
        return State()
    try:
        return read_facts(session / STATE, State)
    except ValueError as error:
        log.warning("learning is off, as %s cannot be read: %s", session / STATE, error)
        return State(numbered=max(versions(session), default=0))


def write_state(session: Path, state: State) -> None:
    session.mkdir(parents=True, exist_ok=True)
    write_json(session / STATE, asdict(state))


# --- is it liked? ---------------------------------------------------------------------------------------------


def preferred_to_old(votes: Sequence[Vote], own: set[int]) -> Rate:
    """How often the answer of a version among `own` was preferred to that of the model as it is; a tie is half a win.

    Pairs that came back swapped are counted once.
    """
    between = [vote for vote in votes if vote.pair.swaps is None and old_and_new(vote, own)]
    wins = sum(vote.decided and vote.chosen.version > 0 for vote in between)
    losses = sum(vote.decided and vote.chosen.version == 0 for vote in between)
    return win_rate(wins, losses, len(between) - wins - losses)


def old_and_new(vote: Vote, own: set[int]) -> bool:
    old, new = sorted((vote.pair.left.version, vote.pair.right.version))
    return old == 0 and new in own
