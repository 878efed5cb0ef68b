"""Voting sessions: a pair is in one window at a time, and its vote is predicted before it is given.

Everything that must not be lost is in the store (core/preferences/vote_store.py): a pair as soon as it is generated, a
vote before the next pair is shown. What is only here, who looks at which pair, a window says again when it comes back.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from core.preferences.vote_store import AlreadyVoted, NewPair, Pair, Vote, Votes
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.online_learning import OnlineLearning
from playground.services.labelling.pair_pool import Lease, PairPool, PairQueue
from playground.services.labelling.preference_predictor import PreferencePredictor, training_votes
from playground.services.labelling.prefetch import Prefetcher
from playground.services.labelling.voting_settings import LEAST_SURE, OTHERS, VotingSettings

REPEAT_SHARE, REPEAT_AFTER = 0.1, 5  # how often a pair comes back swapped, and after how many other votes


@dataclass(frozen=True)
class Offer:
    """The pair to vote on; without one, it is being generated, or `trouble` says why there is none."""

    pair: Pair | None = None
    note: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Cast:
    """A vote as it is stored, or None where its pair had one already; and what comes next."""

    vote: Vote | None
    offer: Offer


class Labelling:
    """Pairs for all windows. `busy` says whether a training needs the processor."""

    def __init__(self, checkpoints: Checkpoints, votes: Votes, busy: Callable[[], bool] = lambda: False):
        self.votes, self.pool, self.predictor = votes, PairPool(), PreferencePredictor(checkpoints)
        self.learning = OnlineLearning(checkpoints, votes.path.parent, self.pool, self.standing_votes, busy)
        learns = self.learning.is_learning
        self.prefetcher = Prefetcher(self.pool, checkpoints, votes, self.predictor, busy, learns)
        self.votes_by_annotator: dict[str, list[Vote]] = {}  # the standing ones
        self.random = random.Random()

    def close(self) -> None:
        """End what goes on in the background."""
        self.learning.close()
        self.prefetcher.close()

    # --- what windows ask for ---------------------------------------------------------------------------------

    def offer(self, window: str, annotator: str, settings: VotingSettings, holding: int | None = None) -> Offer:
        """The pair that `window` should show: its own until it is voted on; `holding` is the one it says it shows."""
        with self.pool.lock:
            self.expire()
            lease = self.pool.leases.get(window)
            same = lease and (lease.annotator, lease.settings.of_itself) == (annotator, settings)
            if lease and same and not self.has_voted(annotator, lease.pair):
                lease.renewed = time.monotonic()
                return Offer(lease.pair, self.queue(lease.settings).note)
            self.release(window)
            try:
                return self.next_offer(window, annotator, settings, holding)
            except ValueError as error:
                return Offer(trouble=str(error))

    def cast(
        self,
        window: str,
        annotator: str,
        settings: VotingSettings,
        key: str,
        pair: int,
        choice: str,
        milliseconds: int,
        note: str = "",
        margin: float = 0.0,
    ) -> Cast:
        """Store a vote, then offer the next pair. The same key again changes nothing.

        margin: how much better the chosen answer is, if that is said. Raises ValueError if the choice or the pair is
        none.
        """
        with self.pool.lock:
            lease = self.pool.leases.get(window)
            lease = lease if lease and lease.pair.id == pair else None
            predicted = self.predict(lease) if lease else None
        try:
            id = self.votes.cast(
                key, pair, annotator, choice, milliseconds, note, predicted, margin, settings.criterion
            )
        except AlreadyVoted:
            id = None
        except ValueError:
            if lease:
                self.forget_if_gone(pair)
            raise
        with self.pool.lock:
            if lease and self.pool.leases.get(window) is lease:
                self.pool.end_lease(window, voted=True)
            stored = None if id is None else self.standing_vote(annotator, id)
            self.fit(annotator, settings)
            cast = Cast(stored, self.offer(window, annotator, settings))
        self.learning.tend(annotator, settings)
        return cast

    def undo(self, window: str, annotator: str, settings: VotingSettings, key: str) -> Offer:
        """Withdraw the latest vote of the kind that the settings cover, and show its pair again.

        Raises ValueError if there is none.
        """
        with self.pool.lock:
            given = [vote for vote in self.standing_votes(annotator) if settings.covers(vote)]
            if not given:
                raise ValueError("there is no vote to undo")
            self.votes.withdraw(key, given[-1].id, "undo")
            self.votes_by_annotator.pop(annotator, None)
            self.fit(annotator, settings)
            self.release(window)
            return self.lease(window, annotator, settings, given[-1].pair)

    def delete(self, key: str, vote: Vote) -> None:
        """Withdraw a vote for good."""
        with self.pool.lock:
            self.votes.withdraw(key, vote.id, "delete")
            self.votes_by_annotator.pop(vote.annotator, None)

    def change(self, key: str, vote: Vote, choice: str, margin: float) -> None:
        """Put another choice in the place of a vote's."""
        with self.pool.lock:
            self.votes.change(key, vote.id, choice, margin)
            self.votes_by_annotator.pop(vote.annotator, None)

    def standing_votes(self, annotator: str) -> list[Vote]:
        """The standing votes of `annotator`, oldest first; what has come or gone since the last look is noticed."""
        with self.pool.lock:
            count, known = self.votes.annotators().get(annotator, 0), self.votes_by_annotator.get(annotator, [])
            if len(known) < count:
                known = known + self.votes.standing(annotator, after=known[-1].id if known else 0)
            if len(known) != count:
                known = self.votes.standing(annotator)
            self.votes_by_annotator[annotator] = known
            return known

    def standing_vote(self, annotator: str, id: int) -> Vote | None:
        """The vote number `id`, if it stands."""
        for _ in range(2):
            if found := [vote for vote in self.standing_votes(annotator) if vote.id == id]:
                return found[0]
            self.votes_by_annotator.pop(annotator, None)  # another process took one back at the same time
        return None

    # --- which pair -------------------------------------------------------------------------------------------

    def next_offer(self, window: str, annotator: str, settings: VotingSettings, holding: int | None) -> Offer:
        settings, queue = self.best_queue(annotator, settings)
        votes = self.standing_votes(annotator)
        model = settings.feature_model
        if model and self.predictor.undescribed(model, [vote.pair for vote in training_votes(votes)]):
            self.pool.request_description(annotator, model, votes)
        if settings.order == OTHERS:
            return self.lease(window, annotator, settings, self.pair_of_others(annotator, settings, holding))
        if queue.trouble and not queue.ready:
            raise ValueError(queue.trouble)
        pair = self.held_pair(annotator, settings, holding) or self.repeated_pair(annotator, settings)
        if pair or queue.ready:
            return self.lease(window, annotator, settings, pair or self.pick(annotator, settings, queue.ready))
        return Offer(note=queue.note)

    def best_queue(self, annotator: str, settings: VotingSettings) -> tuple[VotingSettings, PairQueue]:
        """What is ready by the version of the moment; until something is, by an earlier one. All ask for the first."""
        sources = self.learning.sources(annotator, settings)
        newest = self.queue(sources[0])
        if newest.ready:
            self.pool.supersede(sources[0])
            return sources[0], newest
        ready = ((one, self.pool.queues.get(one.generation)) for one in sources[1:])
        return next(((one, queue) for one, queue in ready if queue and queue.ready), (sources[0], newest))

    def queue(self, settings: VotingSettings) -> PairQueue:
        """What is ready, of which somebody wants a pair now: from then on, it is filled."""
        self.prefetcher.start()
        return self.pool.queue(settings)

    def lease(self, window: str, annotator: str, settings: VotingSettings, pair: Pair) -> Offer:
        lease = Lease(annotator, settings, pair)
        lease.predicted = self.predict(lease)
        self.pool.lease(window, lease)
        return Offer(pair, self.queue(settings).note)

    def pick(self, annotator: str, settings: VotingSettings, ready: list[Pair]) -> Pair:
        """Any of them, or the one of which the prediction is least sure."""
        chances = self.predictor.probabilities(annotator, settings.feature_model, ready, settings.criterion)
        known = [(abs(p - 0.5), place) for place, p in enumerate(chances) if p is not None]
        if settings.order == LEAST_SURE and known:
            return ready[min(known)[1]]
        return self.random.choice(ready)

    def held_pair(self, annotator: str, settings: VotingSettings, id: int | None) -> Pair | None:
        """The pair that a window shows, if it may go on showing it: after the server was killed, say."""
        if id is None or id in self.pool.leased_ids():
            return None
        try:
            pair = self.votes.pair(id)
        except ValueError:
            return None
        wanted = settings.source, asdict(settings.generation.sampling)
        fits = (pair.source, pair.sampling) == wanted and settings.by_its_models(pair)
        return pair if fits and not self.has_voted(annotator, pair) else None

    def repeated_pair(self, annotator: str, settings: VotingSettings) -> Pair | None:
        """Now and then, a pair that was decided some time ago, with its sides exchanged."""
        if not settings.repeats or self.random.random() >= REPEAT_SHARE:
            return None
        given = [
            vote
            for vote in self.standing_votes(annotator)
            if settings.covers(vote) and settings.by_its_models(vote.pair)
        ]
        repeated = {vote.pair.swaps for vote in given} | {lease.pair.swaps for lease in self.pool.leases.values()}
        old = [
            vote.pair
            for vote in given[:-REPEAT_AFTER]
            if vote.choice in ("left", "right") and vote.pair.swaps is None and vote.pair.id not in repeated
        ]
        if not old:
            return None
        pair = self.random.choice(old)
        swapped = NewPair(pair.prompt, pair.right, pair.left, pair.sampling, pair.source, pair.id, history=pair.history)
        return self.votes.pair(self.votes.add_pairs([swapped])[0])

    def pair_of_others(self, annotator: str, settings: VotingSettings, holding: int | None) -> Pair:
        """A pair that others have judged by the criterion, but not `annotator`: the one in the window, or the oldest.

        Raises ValueError if none is left.
        """
        away = {vote.pair.id for vote in self.standing_votes(annotator)} | self.pool.leased_ids()
        others = [
            vote.pair
            for vote in self.votes.standing()
            if vote.annotator != annotator and vote.criterion == settings.criterion
        ]
        left = [pair for pair in others if pair.swaps is None and pair.id not in away]
        if not left:
            raise ValueError("there is no pair left on which others have voted and you have not")
        return next((pair for pair in left if pair.id == holding), left[0])

    # --- what is in which window ------------------------------------------------------------------------------

    def has_voted(self, annotator: str, pair: Pair) -> bool:
        return any(vote.pair.id == pair.id for vote in self.standing_votes(annotator))

    def forget_if_gone(self, pair: int) -> None:
        """A store that was removed meanwhile took everything that was ready with it."""
        try:
            self.votes.pair(pair)
        except ValueError:
            self.pool.clear()

    def release(self, window: str) -> None:
        """Take a pair back; if it was not voted on, another window may have it."""
        if lease := self.pool.leases.get(window):
            self.pool.end_lease(window, voted=self.has_voted(lease.annotator, lease.pair))

    def expire(self) -> None:
        for window in self.pool.expired_windows():
            self.release(window)

    # --- predictions -----------------------------------------------------------------------------------------------

    def predict(self, lease: Lease) -> float | None:
        """The probability that left will be chosen. None for a pair that was seen before, swapped."""
        if lease.predicted is not None or lease.pair.swaps is not None:
            return lease.predicted
        settings = lease.settings
        return self.predictor.probabilities(lease.annotator, settings.feature_model, [lease.pair], settings.criterion)[
            0
        ]

    def fit(self, annotator: str, settings: VotingSettings) -> None:
        """Fit the annotator's preferences to their votes as they stand now."""
        self.predictor.fit(annotator, settings.feature_model, self.standing_votes(annotator))
