"""Learning while voting: whose pairs come next, what survives, and that votes are only read."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch

from core import checkpoint, child
from core.atomic_files import remove
from core.checkpoint import Card
from core.model import GPT
from core.online_dpo import Round, learn, version_directory
from core.preferences.vote_store import Pair, Votes
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.learner import Learner
from playground.services.labelling.voting_session import Labelling
from tests.playground.services.labelling.test_voting_session import SETTINGS, offered, vote


@pytest.fixture
def directory(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    checkpoint.save(tmp_path / "one", make_model(block_size=64, std=0.02), tokenizer, Card(stage="sft"))
    checkpoint.save(tmp_path / "base", make_model(block_size=64), tokenizer, Card(stage="pretrain"))
    return tmp_path


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[Round]:
    """Rounds without a process of their own; those that there were."""
    return learn_here(monkeypatch, learn)


def learn_here(monkeypatch: pytest.MonkeyPatch, make: Callable[[Round], object]) -> list[Round]:
    rounds: list[Round] = []

    def run(self: Learner, due: Round, stopping: Event) -> None:
        rounds.append(due)
        make(due)

    monkeypatch.setattr(Learner, "run", run)
    monkeypatch.setattr(Learner, "prepare", lambda *_: None)
    return rounds


@pytest.fixture
def opened(directory: Path) -> Iterator[Callable[..., Labelling]]:
    made: list[Labelling] = []

    def open_labelling(**options: Callable[[], bool]) -> Labelling:
        made.append(
            Labelling(Checkpoints(directory, torch.device("cpu")), Votes(directory / "preferences.db"), **options)
        )
        return made[-1]

    yield open_labelling
    for labelling in made:
        labelling.close()


def rested(labelling: Labelling) -> None:
    labelling.learning.task.join(60)
    assert not labelling.learning.task.running


def versions_of(pair: Pair | None) -> tuple[int, int]:
    assert pair is not None
    return pair.left.version, pair.right.version


def pairs_of(labelling: Labelling, version: int, count: int) -> list[tuple[int, int]]:
    """The versions of the next pairs, from the first one of `version` on; each is skipped."""
    found: list[tuple[int, int]] = []
    end = time.monotonic() + 60
    while len(found) < count and time.monotonic() < end:
        pair = offered(labelling).pair
        both = versions_of(pair)
        if found or version in both:
            found.append(both)
        labelling.cast("w", "me", SETTINGS, f"skip {pair.id}", pair.id, "skip", 900)  # type: ignore[union-attr]
    return found


def test_after_five_votes_half_of_the_pairs_are_the_new_versions_against_the_model_as_it_was(opened, in_this_process):
    labelling = opened()
    learning = labelling.learning
    learning.switch("me", SETTINGS, True)
    given = vote(labelling, 4)
    assert in_this_process == [] and learning.progress("me", SETTINGS).state.current == 0
    given += vote(labelling, 1)
    rested(labelling)
    (only,) = in_this_process
    assert (len(only.pairs), only.number, only.origin, only.device) == (5, 1, 0, "cpu")
    seen = pairs_of(labelling, 1, 12)
    assert all(set(both) == {0, 1} or both == (1, 1) for both in seen)
    assert 4 <= sum(set(both) == {0, 1} for both in seen) <= 8
    standing = labelling.votes.standing("me")
    assert [one.pair.id for one in standing[:5]] == given, "votes were touched"


def test_it_learns_on_from_the_version_of_the_moment_goes_back_and_forgets(opened, in_this_process):
    labelling = opened()
    learning = labelling.learning
    learning.set_every("me", SETTINGS, 2)
    learning.switch("me", SETTINGS, True)
    for _ in range(2):
        vote(labelling, 2)
        rested(labelling)
    assert [(due.number, due.origin, len(due.pairs)) for due in in_this_process] == [(1, 0, 2), (2, 1, 4)]
    learning.go_back("me", SETTINGS, 1)
    progress = learning.progress("me", SETTINGS)
    assert (progress.state.current, [one.number for one in progress.lineage]) == (1, [1])
    vote(labelling, 1)
    rested(labelling)
    assert len(in_this_process) == 2, "after going back, a round takes new votes"
    vote(labelling, 1)
    rested(labelling)
    assert (in_this_process[-1].number, in_this_process[-1].origin) == (3, 1)
    with pytest.raises(ValueError, match="version 9 is not there"):
        learning.go_back("me", SETTINGS, 9)
    learning.forget("me", SETTINGS)
    progress = learning.progress("me", SETTINGS)
    assert progress.versions == [] and not progress.state.on and len(labelling.votes.standing("me")) == 6
    learning.switch("me", SETTINGS, True)
    rested(labelling)
    assert in_this_process[-1].number == 4, "a number that was forgotten is not given again: votes name it"


def test_what_was_learned_is_there_after_a_restart_and_follows_a_model_that_is_renamed(
    opened, in_this_process, directory: Path
):
    first = opened()
    first.learning.switch("me", SETTINGS, True)
    vote(first, 5)
    rested(first)
    first.close()
    (directory / "one").rename(directory / "renamed")
    again = opened()
    again.votes.rename_model("one", "renamed")
    there = replace(SETTINGS, models=("renamed", "renamed"))
    progress = again.learning.progress("me", there)
    assert progress.state.on and [one.votes for one in progress.lineage] == [5] and progress.votes == 5
    with pytest.raises(ValueError, match="one is not there any more"):
        again.learning.progress("me", SETTINGS)
    assert "one is not there any more" in again.offer("w", "me", SETTINGS).trouble or offered(again).trouble


def test_a_learner_whose_page_was_killed_is_taken_up(opened, in_this_process):
    labelling = opened(busy=lambda: True)  # nothing is begun
    learning = labelling.learning
    learning.switch("me", SETTINGS, True)
    vote(labelling, 5)
    rested(labelling)
    assert in_this_process == [] and learning.progress("me", SETTINGS).waits
    learning.busy = lambda: False
    due = learning.next_round("me", SETTINGS)
    assert due is not None
    learn(replace(due, prompts=["To be?"]))  # as the process would that outlives its page
    assert learning.next_round("me", SETTINGS) is None
    assert learning.progress("me", SETTINGS).state.current == 1


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", 'print(\'{"error": "the disk is full"}\')'])
def test_a_learner_that_dies_or_fails_is_told_of_and_tries_again_after_the_next_vote(
    opened, monkeypatch: pytest.MonkeyPatch, program: str
):
    monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-c", program])
    labelling = opened()
    learning = labelling.learning
    learning.switch("me", SETTINGS, True)
    vote(labelling, 5)
    rested(labelling)
    progress = learning.progress("me", SETTINGS)
    expected = "the disk is full" if "disk" in program else "the learner has died"
    assert expected in progress.trouble and not progress.learning and progress.state.current == 0
    learning.tend("me", SETTINGS)
    assert not learning.task.running, "it tries again and again"
    learn_here(monkeypatch, learn)
    vote(labelling, 1)
    rested(labelling)
    progress = learning.progress("me", SETTINGS)
    assert (progress.state.current, progress.trouble) == (1, "")


def test_a_round_is_broken_off_by_whoever_switches_off(opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])
    labelling = opened()
    learning = labelling.learning
    learning.switch("me", SETTINGS, True)
    vote(labelling, 5)
    assert learning.progress("me", SETTINGS).learning
    learning.switch("me", SETTINGS, False)
    progress = learning.progress("me", SETTINGS)
    assert not progress.learning and not progress.state.on and progress.trouble == ""
    assert learning.learner.process is None


def test_a_base_model_ties_alone_and_two_models_are_refused_in_words(opened, in_this_process):
    labelling = opened()
    learning = labelling.learning
    with pytest.raises(ValueError, match="base does not answer in turns"):
        learning.switch("me", replace(SETTINGS, models=("base", "base")), True)
    with pytest.raises(ValueError, match="choose the answers of one model"):
        learning.switch("me", replace(SETTINGS, models=("one", "base")), True)
    learning.switch("me", SETTINGS, True)
    for number in range(6):
        pair = offered(labelling).pair
        assert pair is not None
        labelling.cast("w", "me", SETTINGS, f"tie {number}", pair.id, "tie", 900)
    assert in_this_process == [] and learning.progress("me", SETTINGS).votes == 6


def test_a_version_that_is_gone_is_said_and_the_model_answers_as_it_is(opened, in_this_process):
    labelling = opened()
    learning = labelling.learning
    learning.switch("me", SETTINGS, True)
    vote(labelling, 5)
    rested(labelling)
    remove(version_directory(learning.require_session("me", SETTINGS), 1))
    assert "version 1 cannot be read any more" in learning.progress("me", SETTINGS).trouble
    assert learning.sources("me", SETTINGS) == [SETTINGS]
    (learning.require_session("me", SETTINGS) / "state.json").write_text('{"on": true, "every": "often"}')
    assert not learning.progress("me", SETTINGS).state.on and len(vote(labelling, 1)) == 1
