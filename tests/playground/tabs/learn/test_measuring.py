"""What several lessons share: progress as a part of the whole, and which model or whose votes are measured on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.datasets.preference_files import Preference
from core.model import GPT
from core.preferences.rule_annotators import RULES, annotator_of
from playground.services.services import Services
from playground.tabs.learn.lesson import Context
from playground.tabs.learn.lessons.taste_as_reward import own_votes
from playground.tabs.learn.measuring import chat_model, reported, small_model
from tests.helpers.generators import returned


@pytest.fixture
def here(tmp_path: Path) -> Context:
    return Context(Services.open(tmp_path, torch.device("cpu")), "bard")


def test_progress_is_a_part_of_the_whole_and_what_is_stopped_ends() -> None:
    ended: list[str] = []

    def work() -> Any:
        try:
            yield 0.0
            yield 1.0
            return "made"
        finally:
            ended.append("ended")

    following = reported(work(), "training", 0.5, 0.9)
    assert [next(following).done, next(following).done] == [0.5, 0.9]
    assert returned(following) == "made"
    stopped = reported(kept := work(), "training")
    next(stopped)
    stopped.close()
    assert ended == ["ended", "ended"] and kept.gi_frame is None


def test_a_model_that_would_take_too_long_is_refused(
    here: Context, tmp_path: Path, make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = type("Loaded", (), {"model": make_model()})
    monkeypatch.setattr(here.services.checkpoints, "load", lambda name: loaded)
    assert small_model(here, "bard") == tmp_path / "bard"
    monkeypatch.setattr("playground.tabs.learn.measuring.LARGEST", 1000)
    with pytest.raises(ValueError, match="choose a model with at most 1,000"):
        small_model(here, "bard")


@pytest.mark.parametrize(("answering", "chosen"), [(["other", "bard"], "bard"), (["other", "third"], "other")])
def test_the_model_of_the_header_answers_if_it_can(
    here: Context, monkeypatch: pytest.MonkeyPatch, answering: list[str], chosen: str
) -> None:
    monkeypatch.setattr(here.services.checkpoints, "chat_names", lambda: answering)
    assert chat_model(here) == chosen
    answering.clear()
    with pytest.raises(ValueError, match="no model answers in turns yet"):
        chat_model(here)


def test_own_votes_are_those_of_people_between_answers_that_they_told_apart(here: Context) -> None:
    assert own_votes(here.services) == []
    vote, tie = Preference("Who's there?", "Nay.", "Ay."), Preference("To be?", "Ay.", "No.", tie=True)
    here.services.preferences.import_preferences([vote], annotator_of(next(iter(RULES))))
    assert own_votes(here.services) == []
    here.services.preferences.import_preferences([vote, tie], "Ann")
    assert [(own.prompt, own.chosen, own.rejected) for own in own_votes(here.services)] == [
        ("Who's there?", "Nay.", "Ay.")
    ]
