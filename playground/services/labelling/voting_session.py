"""Who votes on what: pairs are lent to one window at a time, and foretold before they are voted on. No gradio.

Everything that must not be lost is in the store (core/preferences/vote_store.py): a pair as soon as it is written, a
vote before the next pair is handed out. What is only here, who looks at which pair, a window tells again when it comes
back.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from core.preferences.vote_store import AlreadyVoted, NewPair, Pair, Vote, Votes
from playground.services.labelling.pair_pool import LEAST_SURE, OTHERS, VotingSettings
from playground.services.labelling.preference_predictor import Models, PreferencePredictor
from playground.services.labelling.prefetch import Prefetcher

LEASE_SECONDS = 600.0  # without a word from its window, a pair goes to another one
REPEAT_SHARE, REPEAT_AFTER = 0.1, 5  # how often a pair comes back swapped, and after how many other votes


@dataclass
class Lease:
    """A pair in a window, and the probability with which its left answer will be chosen, as foretold."""

    annotator: str
    wish: VotingSettings
    pair: Pair
    predicted: float | None
    renewed: float


@dataclass(frozen=True)
class Offer:
    """The pair to vote on; without one, it is being written, or `trouble` says why there is none."""

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

    def __init__(self, checkpoints: Models, votes: Votes, busy: Callable[[], bool] = lambda: False):
        self.votes, self.tastes = votes, PreferencePredictor(checkpoints)
        self.ahead = Prefetcher(checkpoints, votes, self.tastes, busy)
        self.ahead.lent = self.lent
        self.lock = self.ahead.lock
        self.leases: dict[str, Lease] = {}  # by window
        self.ballots: dict[str, list[Vote]] = {}  # the standing votes of an annotator
        self.chance = random.Random()

    # --- what windows ask for ---------------------------------------------------------------------------------

    def offer(self, window: str, annotator: str, wish: VotingSettings, holding: int | None = None) -> Offer:
        """The pair that `window` should show: its own until it is voted on; `holding` is the one it says it shows."""
        with self.lock:
            self.expire()
            lease = self.leases.get(window)
            same = lease and (lease.annotator, lease.wish) == (annotator, wish)
            if lease and same and not self.has_voted(annotator, lease.pair):
                lease.renewed = time.monotonic()
                return Offer(lease.pair, self.ahead.supply(wish).note)
            self.release(window)
            try:
                return self.hand_out(window, annotator, wish, holding)
            except ValueError as error:
                return Offer(trouble=str(error))

    def cast(
        self,
        window: str,
        annotator: str,
        wish: VotingSettings,
        key: str,
        pair: int,
        choice: str,
        milliseconds: int,
        note: str = "",
    ) -> Cast:
        """Store a vote, then hand out the next pair. The same key again changes nothing.

        Raises ValueError if the choice or the pair is none.
        """
        with self.lock:
            lease = self.leases.get(window)
            lease = lease if lease and lease.pair.id == pair else None
            predicted = self.foretold(lease) if lease else None
        try:
            id = self.votes.cast(key, pair, annotator, choice, milliseconds, note, predicted)
        except AlreadyVoted:
            id = None
        except ValueError:
            if lease:
                self.forget_if_gone(pair)
            raise
        with self.lock:
            if lease and self.leases.get(window) is lease:
                del self.leases[window]
            stored = None if id is None else self.standing(annotator, id)
            self.learn(annotator, wish)
            return Cast(stored, self.offer(window, annotator, wish))

    def undo(self, window: str, annotator: str, wish: VotingSettings, key: str) -> Offer:
        """Withdraw the latest vote of the kind that is wished for, and hand out its pair again.

        Raises ValueError if there is none.
        """
        with self.lock:
            given = [vote for vote in self.ballot(annotator) if wish.covers(vote)]
            if not given:
                raise ValueError("there is no vote to undo")
            self.votes.withdraw(key, given[-1].id, "undo")
            self.ballots.pop(annotator, None)
            self.learn(annotator, wish)
            self.release(window)
            return self.lend(window, annotator, wish, given[-1].pair)

    def delete(self, key: str, vote: Vote) -> None:
        """Withdraw a vote for good."""
        with self.lock:
            self.votes.withdraw(key, vote.id, "delete")
            self.ballots.pop(vote.annotator, None)

    def ballot(self, annotator: str) -> list[Vote]:
        """The standing votes of `annotator`, oldest first; what has come or gone since the last look is noticed."""
        with self.lock:
            count, known = self.votes.annotators().get(annotator, 0), self.ballots.get(annotator, [])
            if len(known) < count:
                known = known + self.votes.standing(annotator, after=known[-1].id if known else 0)
            if len(known) != count:
                known = self.votes.standing(annotator)
            self.ballots[annotator] = known
            return known

    def standing(self, annotator: str, id: int) -> Vote | None:
        """The vote number `id`, if it stands."""
        for _ in range(2):
            if found := [vote for vote in self.ballot(annotator) if vote.id == id]:
                return found[0]
            self.ballots.pop(annotator, None)  # another process took one back at the same time
        return None

    # --- which pair -------------------------------------------------------------------------------------------

    def hand_out(self, window: str, annotator: str, wish: VotingSettings, holding: int | None) -> Offer:
        supply = self.ahead.supply(wish)
        self.ahead.get_to_know(annotator, wish.judge, self.ballot(annotator))
        if wish.order == OTHERS:
            return self.lend(window, annotator, wish, self.unknown_to(annotator, holding))
        if supply.trouble and not supply.ready:
            raise ValueError(supply.trouble)
        pair = self.held(annotator, wish, holding) or self.repeat(annotator, wish)
        if pair or supply.ready:
            return self.lend(window, annotator, wish, pair or self.pick(annotator, wish, supply.ready))
        return Offer(note=supply.note)

    def lend(self, window: str, annotator: str, wish: VotingSettings, pair: Pair) -> Offer:
        supply = self.ahead.supply(wish)
        supply.ready = [other for other in supply.ready if other.id != pair.id]
        self.leases[window] = lease = Lease(annotator, wish, pair, None, time.monotonic())
        lease.predicted = self.foretold(lease)
        return Offer(pair, supply.note)

    def pick(self, annotator: str, wish: VotingSettings, ready: list[Pair]) -> Pair:
        """Any of them, or the one about which the taste is least sure."""
        chances = self.tastes.probabilities(annotator, wish.judge, ready)
        known = [(abs(p - 0.5), place) for place, p in enumerate(chances) if p is not None]
        if wish.order == LEAST_SURE and known:
            return ready[min(known)[1]]
        return self.chance.choice(ready)

    def held(self, annotator: str, wish: VotingSettings, id: int | None) -> Pair | None:
        """The pair that a window shows, if it may go on showing it: after the server was killed, say."""
        if id is None or id in self.lent():
            return None
        try:
            pair = self.votes.pair(id)
        except ValueError:
            return None
        wished = wish.source, set(wish.models), asdict(wish.supply.sampling)
        fits = (pair.source, models(pair), pair.sampling) == wished
        return pair if fits and not self.has_voted(annotator, pair) else None

    def repeat(self, annotator: str, wish: VotingSettings) -> Pair | None:
        """Now and then, a pair that was decided some time ago, with its sides exchanged."""
        if not wish.repeats or self.chance.random() >= REPEAT_SHARE:
            return None
        given = [vote for vote in self.ballot(annotator) if wish.covers(vote) and models(vote.pair) == set(wish.models)]
        repeated = {vote.pair.swaps for vote in given} | {lease.pair.swaps for lease in self.leases.values()}
        old = [
            vote.pair
            for vote in given[:-REPEAT_AFTER]
            if vote.choice in ("left", "right") and vote.pair.swaps is None and vote.pair.id not in repeated
        ]
        if not old:
            return None
        pair = self.chance.choice(old)
        swapped = NewPair(pair.prompt, pair.right, pair.left, pair.sampling, pair.source, pair.id)
        return self.votes.pair(self.votes.add_pairs([swapped])[0])

    def unknown_to(self, annotator: str, holding: int | None) -> Pair:
        """A pair on which others have voted, but not `annotator`: the one in the window, or else the oldest.

        Raises ValueError if none is left.
        """
        away = {vote.pair.id for vote in self.ballot(annotator)} | self.lent()
        others = [vote.pair for vote in self.votes.standing() if vote.annotator != annotator]
        left = [pair for pair in others if pair.swaps is None and pair.id not in away]
        if not left:
            raise ValueError("there is no pair left on which others have voted and you have not")
        return next((pair for pair in left if pair.id == holding), left[0])

    # --- what is in which window ------------------------------------------------------------------------------

    def lent(self) -> set[int]:
        return {lease.pair.id for lease in self.leases.values()}

    def has_voted(self, annotator: str, pair: Pair) -> bool:
        return any(vote.pair.id == pair.id for vote in self.ballot(annotator))

    def forget_if_gone(self, pair: int) -> None:
        """A store that was removed meanwhile took everything that was ready with it."""
        try:
            self.votes.pair(pair)
        except ValueError:
            with self.lock:
                self.leases.clear()
                self.ahead.supplies.clear()

    def release(self, window: str) -> None:
        """Take a pair back; if it was not voted on, another window may have it."""
        lease = self.leases.pop(window, None)
        if lease is None or lease.pair.swaps is not None or lease.wish.order == OTHERS:
            return
        supply = self.ahead.supplies.get(lease.wish.supply)
        if supply and not self.has_voted(lease.annotator, lease.pair):
            supply.ready.append(lease.pair)

    def expire(self) -> None:
        now = time.monotonic()
        for window in [w for w, lease in self.leases.items() if now - lease.renewed > LEASE_SECONDS]:
            self.release(window)

    # --- tastes -----------------------------------------------------------------------------------------------

    def foretold(self, lease: Lease) -> float | None:
        """The probability that left will be chosen. Of a pair that was seen before, swapped, nothing is foretold."""
        if lease.predicted is not None or lease.pair.swaps is not None:
            return lease.predicted
        return self.tastes.probabilities(lease.annotator, lease.wish.judge, [lease.pair])[0]

    def learn(self, annotator: str, wish: VotingSettings) -> None:
        """Fit the annotator's taste to their votes as they stand now."""
        self.tastes.learn(annotator, wish.judge, self.ballot(annotator))


def models(pair: Pair) -> set[str]:
    return {pair.left.model, pair.right.model}
