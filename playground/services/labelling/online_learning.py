"""Learning while voting: after every few votes a round of online DPO, in a process of its own (learner.py).

What there is to know lies beside the votes, in `.learning/SESSION/`, and is read anew each time: so it survives a
reload, a page that is killed and a learner that is killed. A session belongs to an annotator and to the weights of a
model: one that is renamed goes on in it, one whose weights have changed begins another. Votes are only read.
"""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.atomic_files import clear_temporaries, is_locked, remove
from core.bounded_files import modified
from core.checkpoint import WEIGHTS, weights_digest
from core.online_dpo import LOCK, Round, Version, keep, lineage, versions
from core.preferences.agreement import Rate
from core.preferences.vote_store import Vote, as_preferences
from core.training.run_directory import check_name
from playground.error_text import describe_error
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints, answers
from playground.services.labelling.learner import Learner
from playground.services.labelling.learning_state import (
    MOST_EVERY,
    State,
    is_due,
    preferred_to_old,
    read_state,
    write_state,
)
from playground.services.labelling.pair_pool import PairPool
from playground.services.labelling.pair_source import load_prompts
from playground.services.labelling.voting_settings import OTHERS, VotingSettings

DIRECTORY = ".learning"
MEASURED_PROMPTS = 16  # on which it is measured how far a version has moved
END_SECONDS = 5.0  # that a round which is broken off has to end
SETTLED = 3_000_000_000  # nanoseconds since a directory was changed, when a later change will bear a later time

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """A session as the page shows it."""

    state: State
    votes: int  # from which it can learn
    versions: list[Version]  # all that there are
    lineage: list[Version]  # the version of the moment and those that it went on from, the earliest first
    preferred: Rate  # how often its answer, or that of one it went on from, was preferred to the model's own
    learning: bool  # is a round going on?
    trouble: str = ""  # why the last round came to nothing
    waits: bool = False  # does a training need the processor?


class OnlineLearning:
    """All sessions. One round goes on at a time. `standing`: an annotator's votes; `busy`: does a training go on?"""

    def __init__(
        self,
        checkpoints: Checkpoints,
        directory: Path,
        pool: PairPool,
        standing: Callable[[str], Sequence[Vote]],
        busy: Callable[[], bool],
    ):
        self.checkpoints, self.pool, self.standing, self.busy = checkpoints, pool, standing, busy
        self.directory = directory / DIRECTORY
        self.task = BackgroundTask("learner", "a round goes on already", session="")
        self.learner = Learner(checkpoints.device.type)
        self.known: dict[Path, tuple[int, dict[int, Version]]] = {}  # versions, and when their directory was changed
        self.failed: dict[Path, tuple[int, str]] = {}  # votes at which a round came to nothing, and why
        self.digests: dict[tuple[Path, int], str] = {}
        self.prompts: dict[VotingSettings, list[str]] = {}  # on which it is measured
        if self.directory.is_dir():
            clear_temporaries(self.directory)

    # --- for voting -------------------------------------------------------------------------------------------

    def sources(self, annotator: str, settings: VotingSettings) -> list[VotingSettings]:
        """Of what pairs may come, the best first: the version of the moment, those before it, the model as it is."""
        session = self.session(annotator, settings) if self.directory.is_dir() and can_learn(settings) else None
        state = read_state(session) if session else State()
        if session is None or not state.on:
            return [settings]
        line = lineage(self.versions(session), state.current)
        return [*(replace(settings, version=one.number, session=session) for one in reversed(line)), settings]

    def tend(self, annotator: str, settings: VotingSettings) -> None:
        """Begin a round if one is due, or be ready for it. To be called when votes have come."""
        if not self.directory.is_dir() or self.task.running:
            return
        try:
            if due := self.next_round(annotator, settings):
                self.task.start(lambda: self.work(annotator, settings), "learning", session=due.session)
            else:
                self.get_ready(annotator, settings)
        except (ValueError, OSError) as error:  # a vote was stored, and that counts
            log.warning("no round could be begun: %s", error)

    def is_learning(self) -> bool:
        """Does a round go on?"""
        return self.task.running

    def close(self) -> None:
        """Break off what goes on."""
        self.task.stop()
        self.learner.kill()
        self.task.join(END_SECONDS)

    # --- for the page -----------------------------------------------------------------------------------------

    def progress(self, annotator: str, settings: VotingSettings) -> Progress:
        """How far it is. Raises ValueError if the model cannot learn while it is voted on, or is gone."""
        session = self.require_session(annotator, settings)
        state, known, votes = self.take_up(session), self.versions(session), self.votes(annotator, settings)
        line = lineage(known, state.current)
        trouble = self.failed.get(session, (0, ""))[1]
        if state.current and not line:
            trouble = f"version {state.current} cannot be read any more: go back to another one, or forget all"
        learning = is_locked(session / LOCK) or (self.task.running and self.task.status()["session"] == str(session))
        own = {one.number for one in line}
        return Progress(
            state,
            len(votes),
            [known[number] for number in sorted(known)],
            line,
            preferred_to_old(votes, own),
            learning,
            trouble,
            waits=self.busy() and is_due(state, len(votes)),
        )

    def switch(self, annotator: str, settings: VotingSettings, on: bool) -> None:
        """Let pairs come from what was learned, and learn; or from the model as it is. Raises ValueError likewise."""
        session = self.require_session(annotator, settings)
        if on and not answers(self.checkpoints.path(settings.models[0])):
            raise ValueError(f"{settings.models[0]} does not answer in turns: fine-tune it on instructions first")
        self.change(session, on=on, paused=False)
        self.tend(annotator, settings)

    def pause(self, annotator: str, settings: VotingSettings, paused: bool) -> None:
        """Learn no further, or go on; pairs come from the version of the moment all the same."""
        self.change(self.require_session(annotator, settings), paused=paused)
        self.tend(annotator, settings)

    def set_every(self, annotator: str, settings: VotingSettings, every: int) -> None:
        if not 1 <= every <= MOST_EVERY:
            raise ValueError(f"votes of a round must be between 1 and {MOST_EVERY}, got {every:,}")
        session = self.require_session(annotator, settings)
        write_state(session, replace(read_state(session), every=every))
        self.tend(annotator, settings)

    def go_back(self, annotator: str, settings: VotingSettings, number: int) -> None:
        """Go on from another version, or with 0 from the model as it is; the next round comes after as many new votes.

        Raises ValueError if it is not there.
        """
        session = self.require_session(annotator, settings)
        if number and number not in self.versions(session):
            raise ValueError(f"version {number} is not there any more: choose another one")
        self.change(session, current=number, counted=len(self.votes(annotator, settings)))

    def keep(self, annotator: str, settings: VotingSettings, name: str) -> None:
        """Make a checkpoint of the version of the moment. Raises ValueError if there is none, or the name is taken."""
        session, roots = self.require_session(annotator, settings), self.checkpoints.roots
        if not (number := read_state(session).current):
            raise ValueError("it has learned nothing yet: vote until it has")
        check_name(name)
        roots.refuse_taken(name)
        parent = self.checkpoints.path(settings.models[0])
        keep(self.checkpoints.directory / name, parent, self.digest(parent), session, number)

    def forget(self, annotator: str, settings: VotingSettings) -> None:
        """Delete all versions, and learn no more until it is switched on again."""
        session = self.require_session(annotator, settings)
        self.change(session, on=False)
        state = read_state(session)
        remove(session)
        write_state(session, State(every=state.every, numbered=state.numbered))

    # --- what is known ----------------------------------------------------------------------------------------

    def require_session(self, annotator: str, settings: VotingSettings) -> Path:
        if not can_learn(settings):
            raise ValueError("choose the answers of one model, and not pairs of others, to let it learn while you vote")
        session = self.session(annotator, settings)
        if session is None:
            raise ValueError(f"the model {settings.models[0]} is not there any more: choose another one")
        return session

    def session(self, annotator: str, settings: VotingSettings) -> Path | None:
        """Where the versions lie that learn from `annotator`; None if the model is gone or cannot be read."""
        try:
            digest = self.digest(self.checkpoints.roots.path(settings.models[0]))
        except (ValueError, OSError):
            return None
        content = f"{digest} {annotator}"
        return self.directory / hashlib.sha256(content.encode()).hexdigest()[:16]

    def versions(self, session: Path) -> dict[int, Version]:
        """All that can be read, by number. They are asked for at every vote, and read when one has come or gone."""
        changed = modified(session)
        if self.known.get(session, (-1, {}))[0] == changed:
            return self.known[session][1]
        found = versions(session)
        if time.time_ns() - changed > SETTLED:
            self.known[session] = changed, found
        return found

    def digest(self, parent: Path) -> str:
        key = parent, modified(parent / WEIGHTS)
        if key not in self.digests:
            self.digests[key] = weights_digest(parent)
        return self.digests[key]

    def votes(self, annotator: str, settings: VotingSettings) -> list[Vote]:
        """All votes of `annotator` between answers of the model, whichever version gave them."""
        name = settings.models[0]
        return [
            vote
            for vote in self.standing(annotator)
            if vote.pair.left.writer == vote.pair.right.writer == name and vote.choice != "skip"
        ]

    def change(self, session: Path, **chosen: bool | int) -> None:
        """What a person chooses; a round that goes on is broken off, as it was begun under other wishes."""
        stopped = self.stop_round(session)
        state = read_state(session)
        given = max([state.numbered, *self.versions(session)]) + stopped  # its version is not taken up if it comes
        self.failed.pop(session, None)
        state = replace(state, numbered=given, **chosen)  # type: ignore[arg-type]
        write_state(session, state)
        if not state.on and not self.task.running:
            self.learner.kill()

    # --- rounds -----------------------------------------------------------------------------------------------

    def next_round(self, annotator: str, settings: VotingSettings) -> Round | None:
        """The round that is due, if one is; what a learner has made whose page was killed is taken up first."""
        session = self.session(annotator, settings) if can_learn(settings) else None
        if session is None:
            return None
        state, votes = self.take_up(session), self.votes(annotator, settings)
        failed = self.failed.get(session, (-1, ""))[0]
        if not is_due(state, len(votes)) or len(votes) == failed or self.busy():
            return None
        if not any(vote.decided for vote in votes) or is_locked(session / LOCK):
            return None
        parent = self.checkpoints.path(settings.models[0])
        return Round(
            parent=str(parent),
            digest=self.digest(parent),
            session=str(session),
            number=max([state.numbered, *self.versions(session)]) + 1,
            origin=state.current,
            pairs=as_preferences(votes),
            prompts=[],
            device=self.checkpoints.device.type,
        )

    def get_ready(self, annotator: str, settings: VotingSettings) -> None:
        """Start the process of the round to come: when it is due, nobody should wait for that."""
        session = self.session(annotator, settings) if can_learn(settings) else None
        if session is None or session in self.failed or self.busy():
            return
        state = read_state(session)
        if state.on and not state.paused:
            parent = self.checkpoints.path(settings.models[0])
            self.learner.prepare(str(parent), self.digest(parent), session)

    def take_up(self, session: Path) -> State:
        """The state after the round that went on from the version of the moment, if one has ended."""
        state, known = read_state(session), self.versions(session)
        new = [one for one in known.values() if one.number > state.numbered and one.origin == state.current]
        if not new:
            return state
        latest = max(new, key=lambda one: one.number)
        write_state(session, replace(state, current=latest.number, counted=latest.votes, numbered=latest.number))
        return read_state(session)

    def work(self, annotator: str, settings: VotingSettings) -> str:
        """Rounds, in a thread, as long as one is due."""
        while not self.task.stopping.is_set() and (due := self.next_round(annotator, settings)):
            session = Path(due.session)
            try:
                self.learner.run(replace(due, prompts=self.measured_prompts(settings)), self.task.stopping)
            except Exception as error:
                if not self.task.stopping.is_set():
                    self.failed[session] = len(due.pairs), describe_error(error)
                break
            self.failed.pop(session, None)
            self.take_up(session)
            self.pool.queue(self.sources(annotator, settings)[0])  # its pairs are written at once
        return ""

    def stop_round(self, session: Path) -> bool:
        """Break off the round of a session; was one going on?"""
        if not self.task.running or self.task.status()["session"] != str(session):
            return False
        self.task.stop()
        self.learner.kill()
        self.task.join(END_SECONDS)
        return True

    def measured_prompts(self, settings: VotingSettings) -> list[str]:
        key = settings.generation.of_itself
        if key not in self.prompts:
            found = load_prompts(key)
            self.prompts[key] = random.Random(0).sample(found, min(MEASURED_PROMPTS, len(found)))
        return self.prompts[key]


def can_learn(settings: VotingSettings) -> bool:
    """Are the answers those of one model?"""
    first, second = settings.models
    return bool(first) and first == second and settings.order != OTHERS
