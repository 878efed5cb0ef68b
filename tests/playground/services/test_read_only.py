"""A teacher's models beside one's own: shown, used and learned from, never written to."""

from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.atomic_files import write_json
from core.checkpoint import Card
from core.stages.pretrain import PretrainConfig
from core.training.run_directory import Run, Status
from playground.services.services import Services
from playground.tabs.models.cards import ModelCards
from playground.tabs.models.tasks import ModelTasks
from tests.core.test_roots import everything

CONFIG = PretrainConfig.from_dict({"device": "cpu"})


@pytest.fixture
def services(tmp_path: Path, model, tokenizer) -> Services:
    """A teacher's: a model with its finished run, a vocabulary, a training that may be going on."""
    teacher = tmp_path / "teacher"
    checkpoint.save(teacher / "lesson", model, tokenizer, Card("sft"))
    run = Run(teacher / "lesson")
    write_json(run.directory / "run.json", {"stage": "sft", "config": {"corpus": "plays"}})
    run.write_status(Status(state="finished", step=1))
    run.metrics.write_text('{"step": 1, "loss/train": 2.5}\n')
    Run.create(teacher / "going", "sft", {}).write_status(Status(state="running"))
    tokenizer.save(teacher / "words")
    checkpoint.save(tmp_path / "own" / "mine", model, tokenizer, Card("pretrain"))
    return Services.open(tmp_path / "own", torch.device("cpu"), [teacher])


def test_what_others_made_is_offered_and_nothing_is_written_there(services: Services, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    before = everything(teacher)
    checkpoints, jobs = services.checkpoints, services.jobs
    assert set(checkpoints.names()) == {"mine", "lesson"} and checkpoints.chat_names() == ["lesson"]
    assert checkpoints.load("lesson").card.stage == "sft" and checkpoints.path("lesson") == teacher / "lesson"
    assert str(teacher / "words") in services.vocabularies.paths() and services.vocabularies.load("words")
    assert jobs.names() == ["lesson"]  # of the other it cannot be known what it is doing
    assert jobs.follow("lesson")["columns"]["loss/train"] == [2.5] and jobs.status("lesson").state == "finished"
    cards = ModelCards(services.workspace, services.preferences)
    (lesson,) = (card for card in cards.overview()["cards"] if card["name"] == "lesson")
    assert lesson["read_only"] == str(teacher) and cards.details("lesson")["curve"]["loss/train"] == [2.5]
    assert everything(teacher) == before


def test_what_would_change_it_or_take_its_name_is_refused(services: Services, tmp_path: Path) -> None:
    before = everything(tmp_path / "teacher")
    tasks = ModelTasks(services.checkpoints, services.jobs)
    with pytest.raises(ValueError, match="lesson is read-only"):
        tasks.measure("lesson", anew=False)
    with pytest.raises(ValueError, match="lesson is finished"):
        services.jobs.resume("lesson")
    for take in (
        lambda: services.jobs.start("lesson", "pretrain", CONFIG),
        lambda: services.vocabularies.start("lesson", "shakespeare-1mb", 300),
        lambda: tasks.import_model(str(tmp_path / "own" / "mine"), "Lesson"),
    ):
        with pytest.raises(ValueError, match=r"already something called [Ll]esson, read-only in"):
            take()
    assert everything(tmp_path / "teacher") == before
    assert [path.name for path in services.workspace.directory.glob("*/")] == ["mine"]
