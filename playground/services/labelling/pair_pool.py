"""The pool of pairs: which are ready for whom, which is in which window, and what the worker has to do next.

All of it is guarded by the pool's lock, which whoever does several things that belong together holds meanwhile.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.preferences.vote_store import Pair, Vote
from playground.services.labelling.pair_source import PairSource
from playground.services.labelling.voting_settings import OTHERS, VotingSettings

LEASE_SECONDS = 600.0  # without a word from its window, a pair goes to another one
DEMAND_SECONDS = 60.0  # so long after somebody last wanted a pair of a queue, more are generated
RETRY_SECONDS = 3.0  # what has failed may have been mended
MOST_QUEUES = 6  # what a forgotten one had ready is in the store


@dataclass
class PairQueue:
    """What is ready for all windows whose pairs are generated alike."""

    source: PairSource
    ready: list[Pair] = field(default_factory=list)
    trouble: str = ""  # why nothing comes
    demanded: float = field(default_factory=time.monotonic)  # when somebody last wanted a pair of it
    failed: float = 0.0

    @property
    def note(self) -> str:
        return self.source.note

    def wants(self, count: int) -> bool:
        """Is it in use, without `count` pairs ready, and worth another try?"""
        now = time.monotonic()
        is_blocked = bool(self.trouble) and now - self.failed < RETRY_SECONDS
        return now - self.demanded < DEMAND_SECONDS and len(self.ready) < count and not is_blocked


@dataclass
class Lease:
    """A pair in a window, and the probability with which its left answer will be chosen, as predicted."""

    annotator: str
    settings: VotingSettings
    pair: Pair
    predicted: float | None = None
    renewed: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class DescribeVotes:
    """The pairs of earlier votes are to be described, so that the preference model of an annotator can learn them."""

    annotator: str
    model: str
    votes: Sequence[Vote]


class PairPool:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.queues: dict[VotingSettings, PairQueue] = {}
        self.leases: dict[str, Lease] = {}  # by window
        self.descriptions: dict[tuple[str, str], DescribeVotes] = {}  # to be made, by annotator and model
        self.closed = False

    # --- for windows --------------------------------------------------------------------------------------------

    def queue(self, settings: VotingSettings) -> PairQueue:
        """The queue for these settings, of which somebody wants a pair now."""
        with self.lock:
            key = settings.generation
            found = self.queues.pop(key, None) or PairQueue(self.new_source(key))
            found.demanded = time.monotonic()
            self.queues[key] = found  # the latest last
            while len(self.queues) > MOST_QUEUES:
                del self.queues[next(iter(self.queues))]
            self.changed.notify()
            return found

    def new_source(self, key: VotingSettings) -> PairSource:
        """A version goes on where the one before it was."""
        if key.session is None:
            return PairSource(key)
        known = [queue.source for other, queue in self.queues.items() if other.of_itself == key.of_itself]
        read = [source for source in known if source.prompts]
        return read[-1].for_version(key) if read else PairSource(key)

    def supersede(self, settings: VotingSettings) -> None:
        """Write no more of what other versions of the model would answer."""
        with self.lock:
            key = settings.generation
            for other in [one for one in self.queues if one != key and one.of_itself == key.of_itself]:
                del self.queues[other]

    def lease(self, window: str, lease: Lease) -> None:
        """The pair is in that window, and in no queue, until the lease ends."""
        with self.lock:
            queue = self.queue(lease.settings)
            queue.ready = [pair for pair in queue.ready if pair.id != lease.pair.id]
            self.leases[window] = lease

    def end_lease(self, window: str, voted: bool) -> None:
        """Take a pair back; if it was not voted on, another window may have it."""
        with self.lock:
            lease = self.leases.pop(window, None)
            if lease is None or voted or lease.pair.swaps is not None or lease.settings.order == OTHERS:
                return
            if queue := self.queues.get(lease.settings.generation):
                queue.ready.append(lease.pair)

    def expired_windows(self) -> list[str]:
        now = time.monotonic()
        with self.lock:
            return [window for window, lease in self.leases.items() if now - lease.renewed > LEASE_SECONDS]

    def leased_ids(self) -> set[int]:
        with self.lock:
            return {lease.pair.id for lease in self.leases.values()}

    def request_description(self, annotator: str, model: str, votes: Sequence[Vote]) -> None:
        with self.lock:
            self.descriptions[annotator, model] = DescribeVotes(annotator, model, votes)
            self.changed.notify()

    def clear(self) -> None:
        """Forget all pairs: the store that they were in is gone."""
        with self.lock:
            self.leases.clear()
            self.queues.clear()

    # --- for the worker -----------------------------------------------------------------------------------------

    def next_job(self, count: int) -> PairQueue | DescribeVotes | None:
        """The shortest queue with fewer than `count` pairs, or votes to describe; pairs to show come before these.

        If there is nothing to do, waits for a change and returns None: what is needed may then have changed, too.
        """
        with self.lock:
            wanting = [queue for queue in self.queues.values() if queue.wants(count)]
            shortest = min(wanting, key=lambda queue: len(queue.ready), default=None)
            if self.descriptions and (shortest is None or shortest.ready):
                return self.descriptions.pop(next(iter(self.descriptions)))
            if shortest is None and not self.closed:
                self.changed.wait()
            return shortest

    def put(self, queue: PairQueue, pairs: Sequence[Pair]) -> None:
        """Add what is not in a window already."""
        with self.lock:
            leased = self.leased_ids()
            queue.trouble = ""
            queue.ready += [pair for pair in pairs if pair.id not in leased]

    def fail(self, queue: PairQueue, trouble: str) -> None:
        with self.lock:
            queue.trouble, queue.failed = trouble, time.monotonic()

    def close(self) -> None:
        """Let the worker end."""
        with self.lock:
            self.closed = True
            self.changed.notify_all()
