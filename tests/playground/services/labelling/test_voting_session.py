"""Pairs and votes: nothing lost, nothing twice, whatever windows and servers do; predicted is what is not yet known."""

import itertools
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.generate import Sampling
from core.model import GPT
from core.preferences.pair_generation import Writer, answers
from core.preferences.vote_store import MUCH, Answer, NewPair, Votes
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.services.labelling import pair_pool
from playground.services.labelling import voting_session as module
from playground.services.labelling.voting_session import Labelling, Offer
from playground.services.labelling.voting_settings import ANY_TWO, LEAST_SURE, OTHERS, TYPED, VotingSettings

SAMPLING = Sampling(max_new_tokens=8, temperature=1.0)
PROMPTS = "To be?\nWho is it?\nWas ist der Morgen?"
NUMBERS = itertools.count()
SETTINGS = VotingSettings(("one", "one"), SAMPLING, TYPED, PROMPTS, repeats=False)


@pytest.fixture
def directory(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    """Two models that answer."""
    for name, width in (("one", 32), ("two", 16)):
        model = make_model(block_size=64, n_embd=width, std=0.02)
        checkpoint.save(tmp_path / name, model, tokenizer, Card(stage="sft"))
    return tmp_path


@pytest.fixture
def opened(directory: Path) -> Iterator[Callable[..., Labelling]]:
    """`opened()`: as a server finds it when it starts; they are closed at the end."""
    made: list[Labelling] = []

    def open_labelling(**options: Callable[[], bool]) -> Labelling:
        checkpoints = Checkpoints(directory, torch.device("cpu"))
        made.append(Labelling(checkpoints, Votes(directory / "preferences.db"), **options))
        return made[-1]

    yield open_labelling
    for labelling in made:
        labelling.close()


@pytest.fixture
def labelling(opened: Callable[..., Labelling]) -> Labelling:
    return opened()


def wait(ask: Callable[[], Offer], seconds: float = 30) -> Offer:
    """What is offered once something is, or once it is said why nothing is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        offer = ask()
        if offer.pair or offer.trouble:
            return offer
        time.sleep(0.01)
    raise TimeoutError("no pair was written")


def offered(
    labelling: Labelling, window: str = "w", annotator: str = "me", settings: VotingSettings = SETTINGS, **more: int
) -> Offer:
    return wait(lambda: labelling.offer(window, annotator, settings, **more))


def vote(
    labelling: Labelling, count: int, settings: VotingSettings = SETTINGS, window: str = "w", annotator: str = "me"
) -> list[int]:
    """Give `count` votes, left and right in turn; the pairs they were given on."""
    pairs = []
    for i in range(count):
        pair = offered(labelling, window, annotator, settings).pair
        assert pair is not None
        choice = ("left", "right")[i % 2]
        cast = labelling.cast(window, annotator, settings, f"vote {next(NUMBERS)}", pair.id, choice, 900)
        assert cast.vote is not None and cast.vote.choice == choice
        pairs.append(pair.id)
    return pairs


def keep_pairs(votes: Votes, count: int) -> list[int]:
    """As if earlier sessions had written pairs ahead."""
    prompts = PROMPTS.splitlines()
    return votes.add_pairs(
        [
            NewPair(
                prompts[i % len(prompts)],
                Answer(f"Ay, {i}.", "one", 2 * i),
                Answer(f"No, {i}!", "one", 2 * i + 1),
                asdict(SAMPLING),
                "label",
                None,
            )
            for i in range(count)
        ]
    )


# --- nothing lost, nothing twice ------------------------------------------------------------------------------


@pytest.mark.slow
def test_eight_windows_at_once_give_a_thousand_votes_and_each_is_kept_once(labelling: Labelling, directory: Path):
    keep_pairs(labelling.votes, 1000)
    chance = random.Random(0)

    def person(number: int) -> list[str]:
        window, annotator = f"window {number}", f"annotator {number % 4}"
        keys = []
        for i in range(125):
            pair = offered(labelling, window, annotator).pair
            assert pair is not None
            key = f"{number}-{i}"
            for _ in range(2 if chance.random() < 0.2 else 1):  # an answer got lost: sent again
                labelling.cast(window, annotator, SETTINGS, key, pair.id, chance.choice(["left", "right", "tie"]), 10)
            keys.append(key)
        return keys

    with ThreadPoolExecutor(8) as people:
        keys = [key for some in people.map(person, range(8)) for key in some]
    standing = labelling.votes.standing()
    assert len(keys) == len(set(keys)) == len(standing) == 1000
    assert len({vote.pair.id for vote in standing}) == 1000, "two windows were shown the same pair"
    with sqlite3.connect(directory / "preferences.db") as rows:
        assert rows.execute("select count(*) from votes").fetchone() == (1000,)


def test_a_window_keeps_its_pair_until_it_votes_and_no_other_window_gets_it(labelling: Labelling):
    first, other = offered(labelling, "a").pair, offered(labelling, "b").pair
    assert first and other and first.id != other.id
    assert labelling.offer("a", "me", SETTINGS).pair == first
    following = labelling.cast("a", "me", SETTINGS, "key", first.id, "left", 1200, "a note").offer
    assert following.pair != first
    (kept,) = labelling.votes.standing()
    assert (kept.pair.id, kept.choice, kept.milliseconds, kept.note) == (first.id, "left", 1200, "a note")


def test_after_a_kill_the_window_goes_on_with_its_pair_and_what_was_written_is_offered(
    opened: Callable[..., Labelling],
):
    before = opened()
    shown, other = offered(before, "a").pair, offered(before, "b").pair
    assert shown and other and ready(before, SETTINGS, at_least=3)
    before.close()
    after = opened()
    assert offered(after, "new").pair is not None  # another window comes first
    held = after.offer("a", "me", SETTINGS, holding=shown.id).pair
    assert held == shown or after.pool.leases["new"].pair == shown
    written = {pair.id for pair in before.votes.open_pairs("me", "label", SETTINGS.models, 1000)}
    seen = set(vote(after, 3, window="new"))
    assert seen <= written, "new pairs were written although old ones waited"


def test_the_same_vote_sent_twice_and_a_second_vote_on_a_pair_change_nothing(labelling: Labelling):
    pair = offered(labelling).pair
    assert pair is not None
    first = labelling.cast("w", "me", SETTINGS, "key", pair.id, "left", 100)
    again = labelling.cast("w", "me", SETTINGS, "key", pair.id, "left", 100)
    assert first.vote == again.vote and again.offer.pair == first.offer.pair
    second = labelling.cast("another window", "me", SETTINGS, "other key", pair.id, "right", 100)
    assert second.vote is None
    assert [vote.choice for vote in labelling.votes.standing()] == ["left"]


def test_undo_goes_back_vote_by_vote_and_brings_each_pair_back(labelling: Labelling):
    pairs = vote(labelling, 3)
    for step, expected in enumerate(reversed(pairs)):
        assert labelling.undo("w", "me", SETTINGS, f"undo {step}").pair.id == expected  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="there is no vote to undo"):
        labelling.undo("w", "me", SETTINGS, "undo once more")
    assert labelling.votes.standing() == []
    assert vote(labelling, 1) == pairs[:1]


def test_undo_in_one_kind_of_voting_leaves_the_votes_of_another_alone(labelling: Labelling):
    vote(labelling, 1)
    blind = replace(SETTINGS, models=("one", "two"), source="compare")
    vote(labelling, 1, blind)
    labelling.undo("w", "me", blind, "undo")
    with pytest.raises(ValueError, match="there is no vote to undo"):
        labelling.undo("w", "me", blind, "undo more")
    assert [vote.pair.source for vote in labelling.votes.standing()] == ["label"]


def test_a_pair_whose_window_is_gone_goes_to_another_one(labelling: Labelling, monkeypatch: pytest.MonkeyPatch):
    keep_pairs(labelling.votes, 1)
    first = offered(labelling, "a").pair
    monkeypatch.setattr(pair_pool, "LEASE_SECONDS", -1.0)
    labelling.offer("b", "me", SETTINGS)
    assert first in labelling.pool.queue(SETTINGS).ready or labelling.pool.leases["b"].pair == first


# --- which pair -----------------------------------------------------------------------------------------------


def test_some_pairs_come_back_later_with_their_sides_exchanged(labelling: Labelling):
    keep_pairs(labelling.votes, 200)
    labelling.random = random.Random(1)
    order = vote(labelling, 150, replace(SETTINGS, repeats=True))
    pairs = {vote.pair.id: vote.pair for vote in labelling.votes.standing()}
    back = [pair for pair in pairs.values() if pair.swaps is not None]
    assert 7 <= len(back) <= 25  # one in ten of 150
    for pair in back:
        original = pairs[pair.swaps]  # type: ignore[index]
        assert (pair.left, pair.right, pair.prompt) == (original.right, original.left, original.prompt)
        assert order.index(pair.id) - order.index(original.id) > module.REPEAT_AFTER
    assert len({pair.swaps for pair in back}) == len(back), "a pair came back twice"


def test_the_next_pair_can_be_the_one_about_which_the_prediction_is_least_sure(labelling: Labelling):
    ids = keep_pairs(labelling.votes, 3)
    pairs = [labelling.votes.pair(id) for id in ids]
    chances: dict[int, float | None] = dict(zip(ids, (0.93, 0.46, 0.2), strict=True))
    labelling.predictor.probabilities = lambda _who, _model, some, *_: [chances[pair.id] for pair in some]  # type: ignore[method-assign]
    unsure = replace(SETTINGS, order=LEAST_SURE)
    assert labelling.pick("me", unsure, pairs).id == ids[1]
    chances[ids[1]] = None
    assert labelling.pick("me", unsure, pairs).id == ids[2]
    assert {labelling.pick("me", SETTINGS, pairs).id for _ in range(50)} == set(ids), "at random means any of them"


def test_pairs_that_others_have_voted_on_are_offered_for_agreement(labelling: Labelling):
    theirs = vote(labelling, 3, annotator="Ann")
    own = vote(labelling, 3, replace(SETTINGS, order=OTHERS), window="x", annotator="Ben")
    assert own == theirs
    assert "no pair left" in labelling.offer("x", "Ben", replace(SETTINGS, order=OTHERS)).trouble


def test_two_models_are_compared_with_one_answer_from_each_on_either_side(labelling: Labelling):
    blind = replace(SETTINGS, models=("two", "one"), source="compare")
    vote(labelling, 12, blind)
    sides = [(vote.pair.left.model, vote.pair.right.model) for vote in labelling.votes.standing()]
    assert set(sides) == {("one", "two"), ("two", "one")}


def test_any_two_models_meet_and_nothing_is_predicted_of_them(labelling: Labelling, directory: Path):
    shutil.copytree(directory / "one", directory / "three")
    any_two = replace(SETTINGS, models=ANY_TWO, source="arena")
    met: set[frozenset[str]] = set()
    for _ in range(20):  # which two is drawn for each few pairs
        vote(labelling, 10, any_two)
        votes = labelling.votes.standing()
        met = {frozenset((vote.pair.left.model, vote.pair.right.model)) for vote in votes}
        if len(met) == 3:
            break
    assert {len(models) for models in met} == {2} and len(met) == 3
    assert all(vote.predicted is None and any_two.covers(vote) for vote in votes)


def test_any_two_of_one_model_are_refused_in_words(labelling: Labelling, directory: Path):
    shutil.rmtree(directory / "two")
    any_two = replace(SETTINGS, models=ANY_TWO, source="arena")
    assert "two models that answer are needed" in offered(labelling, settings=any_two).trouble
    long = replace(any_two, typed="To be? " * 80)
    shutil.copytree(directory / "one", directory / "three")
    assert "no prompt fits into the context" in offered(labelling, settings=long).trouble


def test_points_of_a_dial_meet_and_each_is_the_model_that_its_name_says(
    labelling: Labelling, directory: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer
):
    child = make_model(block_size=64, std=0.03)
    checkpoint.save(directory / "child", child, tokenizer, Card("dpo", "one"))
    dial = replace(SETTINGS, models=("child", "one"), source="arena", dial_of="child")
    as_they_are = replace(dial, dial_of="")
    points = {"one": 0.0, "child": 1.0} | {f"child (dial {a:g})": a for a in (0.25, 0.5, 0.75, 1.5)}
    given: list[Answer] = []
    for _ in range(20):  # which two meet is drawn for each few prompts
        vote(labelling, 10, dial)
        votes = labelling.votes.standing()
        given = [answer for vote in votes for answer in (vote.pair.left, vote.pair.right)]
        of_both = [vote for vote in votes if "one" in (vote.pair.left.writer, vote.pair.right.writer)]
        if {answer.writer for answer in given} == set(points) and not all(map(as_they_are.covers, of_both)):
            break
    assert {answer.writer for answer in given} == set(points)
    assert all(vote.pair.left.writer != vote.pair.right.writer and dial.covers(vote) for vote in votes)
    assert all(as_they_are.covers(vote) == (vote.pair.left.dial == vote.pair.right.dial == 1) for vote in votes)
    learned = labelling.learning.votes("me", replace(SETTINGS, models=("child", "child")))
    assert learned == [], "a model that learns while it is voted on learns from its own answers"

    parent = checkpoint.load(directory / "one").model
    for answer, prompt in ((vote.pair.left, vote.pair.prompt) for vote in votes[:8]):
        by_hand, a = make_model(block_size=64), points[answer.writer]
        with torch.no_grad():
            for mine, old, new in zip(by_hand.parameters(), parent.parameters(), child.parameters(), strict=True):
                mine.copy_(old + a * (new - old))
        writer = Writer(by_hand, tokenizer, "by hand")
        assert answers(writer, [prompt], SAMPLING, answer.seed)[0].text == answer.text, answer.writer


def test_a_dial_that_cannot_be_turned_is_told_in_words(labelling: Labelling, directory: Path):
    two = checkpoint.load(directory / "two")
    checkpoint.save(directory / "odd", two.model, two.tokenizer, Card("dpo", "one"))
    trouble = offered(labelling, settings=replace(SETTINGS, models=("odd", "one"), dial_of="odd")).trouble
    assert "odd cannot be mixed with its parent one" in trouble


def test_votes_by_another_criterion_are_counted_undone_and_predicted_apart(labelling: Labelling):
    vote(labelling, 8)
    character = replace(SETTINGS, criterion="character")
    pair = offered(labelling, settings=character).pair
    assert pair is not None and labelling.pool.leases["w"].predicted is None
    cast = labelling.cast("w", "me", character, "key", pair.id, "left", 900, margin=MUCH)
    assert cast.vote is not None and (cast.vote.criterion, cast.vote.margin) == ("character", MUCH)
    assert [sum(map(one.covers, labelling.standing_votes("me"))) for one in (SETTINGS, character)] == [8, 1]
    assert labelling.undo("w", "me", character, "undo").pair == pair
    with pytest.raises(ValueError, match="no vote to undo"):
        labelling.undo("w", "me", character, "undo again")


def test_a_vote_that_is_changed_is_learned_from_as_it_stands_then(labelling: Labelling):
    vote(labelling, 6)
    first, *_ = labelling.standing_votes("me")
    labelling.change("change", first, "tie", 0.0)
    assert [vote.choice for vote in labelling.standing_votes("me")][-1] == "tie"
    assert len(labelling.standing_votes("me")) == 6 and labelling.has_voted("me", first.pair)


# --- what is predicted -----------------------------------------------------------------------------------------


def test_a_vote_is_predicted_before_it_is_given_and_learned_from_after(labelling: Labelling):
    vote(labelling, 8)
    pair = offered(labelling).pair
    assert pair is not None
    before = labelling.predictor.probabilities("me", "one", [pair])[0]
    assert before is not None
    unlikely = "right" if before >= 0.5 else "left"
    stored = labelling.cast("w", "me", SETTINGS, "key", pair.id, unlikely, 100).vote
    assert stored is not None and stored.predicted == pytest.approx(before)
    after = labelling.predictor.probabilities("me", "one", [pair])[0]
    assert after is not None and (after < before if unlikely == "right" else after > before)


def test_nothing_is_predicted_of_a_stranger_nor_of_a_pair_that_comes_back(labelling: Labelling):
    keep_pairs(labelling.votes, 100)
    labelling.random = random.Random(1)
    vote(labelling, 60, replace(SETTINGS, repeats=True))
    votes = labelling.votes.standing()
    assert all(vote.predicted is None for vote in votes[:5])
    assert all((vote.predicted is None) == (vote.pair.swaps is not None) for vote in votes[10:])


def test_earlier_votes_count_after_a_restart(opened: Callable[..., Labelling]):
    vote(opened(), 12)
    after = opened()
    pair = offered(after).pair
    assert pair is not None
    end = time.monotonic() + 20
    while after.predictor.probabilities("me", "one", [pair])[0] is None and time.monotonic() < end:
        time.sleep(0.02)
    stored = after.cast("w", "me", SETTINGS, "key", pair.id, "left", 100).vote
    assert stored is not None and stored.predicted is not None


def test_a_deleted_vote_is_not_learned_from(labelling: Labelling):
    vote(labelling, 6)
    for given in labelling.votes.standing():
        labelling.delete(f"delete {given.id}", given)
    pair = offered(labelling).pair
    assert pair is not None
    labelling.fit("me", SETTINGS)
    assert labelling.predictor.probabilities("me", "one", [pair]) == [None]


# --- writing ahead --------------------------------------------------------------------------------------------


def ready(labelling: Labelling, settings: VotingSettings, at_least: int) -> int:
    """How many pairs are ready once there are so many and their number has not changed for half a second."""
    queue, deadline = labelling.pool.queues[settings.generation], time.monotonic() + 120
    found, since = -1, time.monotonic()
    while found < at_least or time.monotonic() - since < 0.5:
        assert time.monotonic() < deadline, f"{found} of {at_least} pairs"
        if len(queue.ready) != found:
            found, since = len(queue.ready), time.monotonic()
        time.sleep(0.01)
    return found


def test_pairs_are_written_ahead_but_fewer_while_a_training_needs_the_processor(opened: Callable[..., Labelling]):
    idle = opened()
    offered(idle)
    ready(idle, SETTINGS, at_least=16)
    busy = opened(busy=lambda: True)
    fresh = replace(SETTINGS, typed="Quite another prompt")
    offered(busy, settings=fresh)
    assert ready(busy, fresh, at_least=4) < 16


def test_what_was_written_for_other_prompts_or_settings_is_not_offered(labelling: Labelling):
    foreign = keep_pairs(labelling.votes, 6)
    for changes in ({"typed": "Another prompt"}, {"sampling": replace(SAMPLING, temperature=0.9)}):
        assert not set(vote(labelling, 3, replace(SETTINGS, **changes))) & set(foreign)  # type: ignore[arg-type]


def test_windows_that_ask_for_the_same_share_what_is_ready(labelling: Labelling):
    offered(labelling, "a", settings=replace(SETTINGS, models=("one", "two"), source="compare"))
    offered(labelling, "b", settings=replace(SETTINGS, models=("two", "one"), source="compare", order=LEAST_SURE))
    assert len(labelling.pool.queues) == 1


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"typed": " \n "}, "there is no prompt yet: type one a line"),
        ({"typed": "long " * 200}, "the prompt is longer than the model's context"),
        ({"models": ("gone", "gone")}, "the model gone is not there any more"),
        ({"sampling": replace(SAMPLING, temperature=0.0)}, "raise the temperature"),
    ],
)
def test_what_cannot_be_voted_on_is_said_in_a_sentence(labelling: Labelling, changes: dict, sentence: str):
    assert sentence in offered(labelling, settings=replace(SETTINGS, **changes)).trouble


def test_prompts_that_are_too_long_are_left_out_and_counted(labelling: Labelling):
    offer = offered(labelling, settings=replace(SETTINGS, typed=f"To be?\n{'long ' * 200}"))
    assert offer.pair is not None and offer.pair.prompt == "To be?"
    assert offer.note == "1 of 2 prompts are longer than the model's context and left out."


def test_a_model_deleted_meanwhile_is_said_and_the_votes_are_kept(labelling: Labelling, directory: Path):
    vote(labelling, 6)
    shutil.rmtree(directory / "one")
    for i in range(100):
        offer = offered(labelling)
        if offer.trouble:
            break
        assert offer.pair is not None
        labelling.cast("w", "me", SETTINGS, f"after {i}", offer.pair.id, "left", 100)
    assert "the model one is not there any more" in offer.trouble
    assert len(labelling.votes.standing()) == 6 + i


def test_a_vote_for_no_pair_or_no_choice_is_refused(labelling: Labelling):
    pair = offered(labelling).pair
    assert pair is not None
    with pytest.raises(ValueError):
        labelling.cast("w", "me", SETTINGS, "key", 10_000, "left", 100)
    with pytest.raises(ValueError):
        labelling.cast("w", "me", SETTINGS, "other", pair.id, "both", 100)
    assert labelling.votes.standing() == []
    assert labelling.offer("w", "me", SETTINGS).pair == pair


def test_after_the_store_was_removed_voting_begins_anew(labelling: Labelling, directory: Path):
    pair = offered(labelling).pair
    assert pair is not None and ready(labelling, SETTINGS, at_least=1)
    for path in directory.glob("preferences.db*"):
        path.unlink()
    with pytest.raises(ValueError, match="there is no pair number"):
        labelling.cast("w", "me", SETTINGS, "key", pair.id, "left", 100)
    vote(labelling, 3)
    assert len(labelling.votes.standing()) == 3


def test_the_thread_ends_when_it_is_told_to(labelling: Labelling):
    offered(labelling)
    labelling.close()
    assert labelling.prefetcher.thread is not None and not labelling.prefetcher.thread.is_alive()
