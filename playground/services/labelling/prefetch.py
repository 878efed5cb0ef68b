"""The thread that writes answers ahead, and gets to know old votes, while people vote. No gradio."""

import atexit
import logging
import threading
import time
from collections.abc import Callable

from core.config import describe_os_error
from core.preferences.vote_store import Vote, Votes
from playground.services.labelling.pair_pool import Supply, VotingSettings
from playground.services.labelling.preference_predictor import Models, PreferencePredictor, telling

AHEAD = 16  # pairs kept ready for a wish
BATCH, FIRST_BATCH = 8, 3  # prompts answered at once; the first pair should not wait for many
GENTLE = 4  # pairs kept ready, and prompts answered at once, while a training needs the processor
ASKED_SECONDS = 60.0  # so long after somebody last wanted a pair, more are written
CLOSE_SECONDS = 10.0
SUPPLIES = 6  # kept; what a forgotten one had ready is in the store

log = logging.getLogger(__name__)


class Prefetcher:
    """The supplies of all wishes. `lock` guards them, and what is `ready` in them."""

    def __init__(self, checkpoints: Models, votes: Votes, tastes: PreferencePredictor, busy: Callable[[], bool]):
        self.checkpoints, self.votes, self.tastes, self.busy = checkpoints, votes, tastes, busy
        self.supplies: dict[VotingSettings, Supply] = {}
        self.strangers: dict[tuple[str, str], list[Vote]] = {}  # (annotator, model): votes that are to be described
        self.lent: Callable[[], set[int]] = set  # pairs that are in a window
        self.lock = threading.RLock()
        self.wanted = threading.Condition(self.lock)
        self.thread: threading.Thread | None = None
        self.closing = False

    def supply(self, wish: VotingSettings) -> Supply:
        """The supply for a wish, which somebody wants now."""
        with self.lock:
            found = self.supplies.pop(wish.supply, None) or Supply(wish.supply)
            found.asked = time.monotonic()
            self.supplies[wish.supply] = found  # the latest last
            while len(self.supplies) > SUPPLIES:
                del self.supplies[next(iter(self.supplies))]
            self.wake()
            return found

    def get_to_know(self, annotator: str, model: str, votes: list[Vote]) -> None:
        """Describe the pairs of earlier votes, so that they count in the annotator's taste."""
        if self.tastes.unknown(model, [vote.pair for vote in telling(votes)]):
            with self.lock:
                self.strangers[annotator, model] = votes
                self.wake()

    def wake(self) -> None:
        if self.thread is None:
            self.thread = threading.Thread(target=self.work, daemon=True, name="labelling")
            self.thread.start()
            atexit.register(self.close)
        self.wanted.notify()

    def close(self) -> None:
        """End the thread: the interpreter must not end while it computes."""
        self.closing = True
        with self.lock:
            self.wanted.notify_all()
        if self.thread:
            self.thread.join(timeout=CLOSE_SECONDS)

    # --- the thread -------------------------------------------------------------------------------------------

    def work(self) -> None:
        while not self.closing:
            busy, began = self.busy(), time.monotonic()
            with self.lock:
                supply, stranger = self.neediest(GENTLE if busy else AHEAD), next(iter(self.strangers), None)
                if supply is None and stranger is None:
                    if not self.closing:
                        self.wanted.wait()
                    continue
                votes = self.strangers.pop(stranger) if stranger and (supply is None or supply.ready) else None
            if stranger and votes is not None:
                self.describe(*stranger, votes)
            elif supply:
                self.fill(supply, GENTLE if busy else BATCH)
            if busy:
                time.sleep(time.monotonic() - began)  # the training has at least half of the time to itself

    def neediest(self, ahead: int) -> Supply | None:
        """The supply to write for, if any is wanted and has fewer than `ahead` pairs."""
        now = time.monotonic()
        hungry = [
            supply
            for supply in self.supplies.values()
            if now - supply.asked < ASKED_SECONDS and len(supply.ready) < ahead and not supply.blocked
        ]
        return min(hungry, key=lambda supply: len(supply.ready), default=None)

    def fill(self, supply: Supply, count: int) -> None:
        """Add pairs to a supply; if there can be none, it says why."""
        try:
            supply.prepare(self.checkpoints, self.votes)
            count = count if supply.ready else FIRST_BATCH
            found = supply.take(count) or supply.write(count, self.checkpoints, self.votes)
            self.tastes.describe(supply.wish.judge, found)
        except ValueError as error:
            supply.fail(str(error))
        except OSError as error:
            supply.fail(describe_os_error(error))
        except Exception:
            log.exception("answers could not be written ahead")
            supply.fail("that went wrong; the terminal of the playground says more")
        else:
            with self.lock:
                lent = self.lent()
                supply.trouble = ""
                supply.ready += [pair for pair in found if pair.id not in lent]

    def describe(self, annotator: str, model: str, votes: list[Vote]) -> None:
        try:
            self.tastes.describe(model, [vote.pair for vote in telling(votes)])
            self.tastes.learn(annotator, model, votes)
        except ValueError:  # the model is gone: nothing is foretold any more
            log.info("%s is gone, so the taste of %s cannot be told", model, annotator)
        except Exception:
            log.exception("a taste could not be told")
