"""What the live view is told of a run: its verdict with what can be done now, and how long its answers are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.datasets.instructions import words
from core.model import GPT
from core.tokenizer import Tokenizer
from core.training.run_directory import Run, Status
from playground.panels.live_run.server import live_functions
from playground.services.services import Services
from tests.core.test_shipped import TINY
from tests.helpers.small_pretraining import pretrain
from tests.ui.runs import answers, write_aligned

REPORT = {"loss/val": 0.66, "accuracy/val": 0.5, "margin/val": 0.1, "kl/val": 4.0, "n/votes": 9, "n/prompts": 9}


@pytest.fixture
def run(tmp_path: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Run:
    """A finished one, with its checkpoint, beside its parent."""
    made = write_aligned(tmp_path, "bent", "dpo", parent=str(tmp_path / "parent"))
    checkpoint.save(tmp_path / "parent", make_model(), tokenizer, Card("sft"))
    checkpoint.save(made.directory, make_model(), tokenizer, Card("dpo", "parent", step=40, report=REPORT))
    return made


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    functions = live_functions(Services.open(tmp_path, torch.device("cpu")), ["dpo"], dict)
    return lambda name, request: next(one for one in functions if one.__name__ == name)(request)


def test_a_verdict_leads_to_what_can_be_done_with_the_models_that_are_there(run, ask, tmp_path) -> None:
    found = ask("outcome", {"name": "bent"})
    assert found["before"] == "parent"
    assert {"compare", "chat", "vote", "keep_or_delete"} == set(found["verdict"]["actions"])
    assert all(found["verdict"][part].endswith(".") for part in ("changed", "certainty", "next"))
    shutil.move(tmp_path / "parent", tmp_path / "renamed")
    found = ask("outcome", {"name": "bent"})
    assert found["before"] is None and not {"compare", "vote"} & set(found["verdict"]["actions"])


def test_there_is_no_verdict_before_the_end(run, ask) -> None:
    run.write_status(Status("queued", step=40, max_steps=80))
    assert ask("outcome", {"name": "bent"}) == {"verdict": None}


def test_the_length_of_answers_is_the_words_that_the_verdict_counts(run, ask) -> None:
    lines = ask("follow_details", {"name": "bent", "offset": 0})["lines"]
    told = [len(words(answer["text"])) for answer in answers(40)]
    assert lines[-1]["step"] == 40 and lines[-1]["words"] == pytest.approx(sum(told) / len(told))


@pytest.mark.parametrize("file", ["run.json", "status.json"])
def test_a_damaged_run_is_looked_at_only_if_there_is_no_other(run, ask, tmp_path, file) -> None:
    shutil.copytree(run.directory, tmp_path / "damaged")
    (tmp_path / "damaged" / file).write_text("[]")
    assert ask("first_run", {"wanted": ""}) == {"run": "bent"}
    assert ask("first_run", {"wanted": "damaged"}) == {"run": "damaged"}
    shutil.rmtree(run.directory)
    assert ask("first_run", {"wanted": ""}) == {"run": "damaged"}


# --- what a run has learned --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ask_learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """The same of bard-tiny, and of a small run whose log says nothing of skills, as those of before."""
    place = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(TINY, place / "bard-tiny")
    pretrain(place, "old").details.unlink()
    functions = live_functions(Services.open(place, torch.device("cpu")), ["pretrain"], dict)
    return lambda name, request: next(one for one in functions if one.__name__ == name)(request)


def test_the_skills_of_a_run_come_by_step_with_what_was_seen(ask_learned) -> None:
    found = ask_learned("skills", {"name": "bard-tiny"})
    first = [(one["step"], one["title"]) for one in found["skills"]][:2]
    assert first == [(94, "first real words"), (375, "line breaks")]
    assert found["skills"][-1]["head"] == (1, 3) and "random tokens said twice" in found["skills"][-1]["evidence"]
    assert (found["last"], found["unmeasured"]) == (3000, 0)


def test_a_head_is_cut_out_and_one_that_is_not_there_is_refused_in_words(ask_learned) -> None:
    said = ask_learned("cut_out", {"name": "old", "head": [0, 1]})["said"]
    assert said.startswith("The loss on held-out text goes from ") and "weights of step 4" in said
    assert "no head 5 in layer 1" in ask_learned("cut_out", {"name": "old", "head": [0, 4]})["error"]


def test_a_run_of_before_says_what_can_be_measured_and_then_has_it(ask_learned) -> None:
    before = ask_learned("skills", {"name": "old"})
    assert (before["skills"], before["last"], before["unmeasured"]) == ([], None, 3)
    assert before["told"][-1] == "It can be measured now, from 3 snapshots."
    after = ask_learned("measure_skills", {"name": "old"})
    assert (after["last"], after["unmeasured"]) == (4, 0) and after == ask_learned("skills", {"name": "old"})


def test_a_stage_that_declares_no_skills_shows_none(run, ask) -> None:
    assert ask("skills", {"name": "bent"}) == {"skills": None}
