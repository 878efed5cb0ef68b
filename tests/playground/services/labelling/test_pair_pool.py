"""The pool's part: a pair is in one window or in one queue, and the worker gets what is needed most."""

import threading

import pytest

from core.generate import Sampling
from core.preferences.vote_store import Answer, Pair
from playground.services.labelling.pair_pool import DescribeVotes, Lease, PairPool
from playground.services.labelling.voting_settings import OTHERS, VotingSettings

SETTINGS = VotingSettings(("one", "one"), Sampling())
BLIND = VotingSettings(("one", "two"), Sampling(), source="compare")


def pair(id: int, swaps: int | None = None) -> Pair:
    return Pair("Who?", Answer("I.", "one", 1), Answer("Thou.", "one", 2), {}, "label", swaps, id)


@pytest.fixture
def pool() -> PairPool:
    return PairPool()


def test_a_pair_leaves_its_queue_with_a_lease_and_comes_back_unless_it_was_voted_on(pool: PairPool) -> None:
    queue = pool.queue(SETTINGS)
    pool.put(queue, [pair(1), pair(2)])
    pool.lease("a", Lease("me", SETTINGS, pair(1)))
    pool.lease("b", Lease("me", SETTINGS, pair(2)))
    assert queue.ready == [] and pool.leased_ids() == {1, 2}
    pool.put(queue, [pair(2), pair(3)])
    assert queue.ready == [pair(3)], "what is in a window is not offered to another"
    pool.end_lease("a", voted=True)
    pool.end_lease("b", voted=False)
    assert queue.ready == [pair(3), pair(2)] and pool.leased_ids() == set()


def test_a_pair_that_came_from_elsewhere_does_not_go_into_a_queue(pool: PairPool) -> None:
    pool.lease("a", Lease("me", SETTINGS, pair(5, swaps=1)))
    pool.lease("b", Lease("me", VotingSettings(("one", "one"), Sampling(), order=OTHERS), pair(6)))
    pool.end_lease("a", voted=False)
    pool.end_lease("b", voted=False)
    assert pool.queue(SETTINGS).ready == []


def test_the_shortest_queue_comes_first_and_descriptions_wait_for_a_window_that_shows_nothing(pool: PairPool) -> None:
    first, second = pool.queue(SETTINGS), pool.queue(BLIND)
    pool.put(first, [pair(1)])
    pool.request_description("me", "one", [])
    assert pool.next_job(4) is second
    pool.put(second, [pair(2), pair(3)])
    assert pool.next_job(4) == DescribeVotes("me", "one", [])
    assert pool.next_job(4) is first
    pool.fail(first, "the model is gone")
    assert pool.next_job(4) is second, "what has just failed is not tried again at once"


def test_the_worker_waits_until_a_pair_is_wanted_or_the_pool_closes(pool: PairPool) -> None:
    for wake in (lambda: pool.queue(SETTINGS), pool.close):
        found: list = []
        worker = threading.Thread(target=lambda found=found: found.append(pool.next_job(0)))
        worker.start()
        worker.join(0.2)
        assert worker.is_alive()
        wake()
        worker.join(30)
        assert found == [None]
