"""The worker that generates pairs before they are wanted, and describes earlier votes, while people vote."""

import logging
import threading
import time
from collections.abc import Callable

from core.preferences.vote_store import Votes
from playground.error_text import describe_error
from playground.services.background_task import EXIT_SECONDS, start_thread
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.pair_pool import DescribeVotes, PairPool, PairQueue
from playground.services.labelling.preference_predictor import PreferencePredictor, training_votes

READY = 16  # pairs kept in a queue
BATCH, FIRST_BATCH = 8, 3  # prompts answered at once; the first pair should not wait for many
GENTLE = 4  # pairs kept in a queue, and prompts answered at once, while something learns

log = logging.getLogger(__name__)


class Prefetcher:
    """One thread that does what the pool asks for.

    `busy`: does a training need the processor? `learning`: does a version, whose pairs will take the place of these?
    """

    def __init__(
        self,
        pool: PairPool,
        checkpoints: Checkpoints,
        votes: Votes,
        predictor: PreferencePredictor,
        busy: Callable[[], bool],
        learning: Callable[[], bool],
    ):
        self.pool, self.checkpoints, self.votes, self.predictor = pool, checkpoints, votes, predictor
        self.busy, self.learning = busy, learning
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; nothing happens if that was done."""
        with self.pool.lock:
            if self.thread is None:
                self.thread = start_thread("prefetch", self.work, self.pool.close)

    def close(self) -> None:
        self.pool.close()
        if self.thread:
            self.thread.join(EXIT_SECONDS)

    # --- the thread -------------------------------------------------------------------------------------------

    def work(self) -> None:
        while not self.pool.closed:
            busy, began = self.busy(), time.monotonic()
            few = busy or self.learning()
            job = self.pool.next_job(GENTLE if few else READY)
            if job is None:
                continue
            if isinstance(job, DescribeVotes):
                self.describe(job)
            else:
                self.fill(job, GENTLE if few else BATCH)
            if busy:
                time.sleep(time.monotonic() - began)  # the training has at least half of the time to itself

    def fill(self, queue: PairQueue, count: int) -> None:
        """Add pairs to a queue; if there can be none, it says why."""
        try:
            pairs = queue.source.take(count if queue.ready else FIRST_BATCH, self.checkpoints, self.votes)
            self.predictor.describe(queue.source.settings.feature_model, pairs)
        except Exception as error:
            self.pool.fail(queue, describe_error(error))
        else:
            self.pool.put(queue, pairs)

    def describe(self, job: DescribeVotes) -> None:
        try:
            self.predictor.describe(job.model, [vote.pair for vote in training_votes(job.votes)])
            self.predictor.fit(job.annotator, job.model, job.votes)
        except ValueError:  # the model is gone: nothing is predicted any more
            log.info("%s is gone, so the preferences of %s cannot be predicted", job.model, job.annotator)
        except Exception:
            log.exception("earlier votes could not be described")
