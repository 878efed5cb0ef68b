"""A rename is finished or undone: cut off at any moment, the next start completes it for children, runs and votes."""

import os
from pathlib import Path

import pytest

from core import checkpoint
from core.atomic_files import write_json
from core.checkpoint import Card
from core.preferences.arena import results
from core.preferences.vote_store import Answer, NewPair, Votes
from core.renaming import JOURNAL
from core.training.run_directory import Run, Status
from core.workspace import Workspace


class Killed(BaseException):
    """Ends the process, as far as the code under test can tell."""


@pytest.fixture
def library(tmp_path: Path, model, tokenizer) -> Workspace:
    """base, its child, a run that goes on from it, and a vote on its answer."""
    checkpoint.save(tmp_path / "base", model, tokenizer, Card("pretrain"))
    child = Card("sft", "base", config={"parent": str(tmp_path / "base")})
    checkpoint.save(tmp_path / "child", model, tokenizer, child)
    run = Run.create(tmp_path / "run", "pretrain", {"init_from": str(tmp_path / "base")})
    run.write_status(Status("stopped"))
    votes = Votes(tmp_path / "preferences.db")
    votes.add_voted([NewPair("p", Answer("x", "base"), Answer("y", "child"), {}, "arena")], ["left"], "me")
    return Workspace(tmp_path)


def names_told(library: Workspace) -> set[str]:
    """How the checkpoint is called by itself, by its child (twice), by the run and by the vote."""
    place = library.directory
    card = checkpoint.read_card(place / "child" / "card.json")
    config = Run(place / "run").read()[1]
    own = {name for name in ("base", "bard") if (place / name).exists()}
    paths = {Path(card.config["parent"]).name, Path(config["init_from"]).name}
    return own | paths | {str(card.parent), results(Votes(place / "preferences.db").standing())[0][0]}


@pytest.mark.fault(
    "a rename is cut off",
    "the next start completes it: models made from it, runs and votes follow",
)
def test_a_rename_that_is_cut_off_at_any_moment_is_completed_by_the_next_start(library: Workspace, monkeypatch) -> None:
    replace, at = os.replace, 0
    while True:
        left = at

        def until_killed(source: object, target: object) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            replace(source, target)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", until_killed)
            try:
                library.rename("base", "bard")
                break
            except Killed:
                pass
        said = Workspace(library.directory).tidy()
        told = names_told(library)
        assert told == {"bard"} if said else told == {"base"}
        assert not (library.directory / JOURNAL).exists() and Workspace(library.directory).tidy() == []
        if said:
            library.rename("bard", "base")
        at += 1
    assert at >= 4, "journal, directory, child's card, run"
    assert names_told(library) == {"bard"}


def test_votes_follow_even_if_it_was_cut_off_before_them(library: Workspace, monkeypatch) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Votes, "rename_model", killed)
        with pytest.raises(Killed):
            library.rename("base", "bard")
    assert Workspace(library.directory).tidy() == ["the rename to bard, which was cut off, is completed"]
    assert names_told(library) == {"bard"}


@pytest.mark.parametrize("journal", ["", "[]", {"old": 5}, {"old": "../x", "new": "base"}, {"old": "base", "new": "b"}])
def test_a_journal_that_says_nothing_of_use_is_forgotten(library: Workspace, journal) -> None:
    path = library.directory / JOURNAL
    path.write_text(journal) if isinstance(journal, str) else write_json(path, journal)
    assert library.tidy() == [] and not path.exists()
    assert names_told(library) == {"base"}


def test_a_child_that_cannot_be_changed_does_not_stop_the_others(library: Workspace) -> None:
    (library.directory / "child" / "card.json").unlink()
    (library.directory / "child" / "card.json").mkdir()
    (library.directory / "odd").symlink_to("odd")
    library.rename("base", "bard")
    assert Path(Run(library.directory / "run").read()[1]["init_from"]).name == "bard"


def test_of_two_renames_to_one_name_at_once_one_is_refused(library: Workspace, model, tokenizer, monkeypatch) -> None:
    checkpoint.save(library.directory / "other", model, tokenizer, Card("pretrain"))
    refuse_in_use = library.refuse_in_use

    def meanwhile(name: str) -> None:  # after it was looked whether the name is free
        refuse_in_use(name)
        os.replace(library.directory / "other", library.directory / "bard")

    monkeypatch.setattr(library, "refuse_in_use", meanwhile)
    with pytest.raises(ValueError, match="there is already something called bard"):
        library.rename("base", "bard")
    assert names_told(Workspace(library.directory)) == {"base", "bard"} and not (library.directory / JOURNAL).exists()
