"""The range test and the batch proof as the page runs them: in the background, one at a time, stoppable."""

from pathlib import Path

import pytest

from core.stages.pretrain import PretrainConfig
from core.training.run_directory import Run
from playground.services.training_jobs import Jobs
from playground.tabs.train.experiments import Experiments
from tests.conftest import SENTENCES


@pytest.fixture
def config(tmp_path) -> PretrainConfig:
    (tmp_path / "text.txt").write_text(SENTENCES * 20, encoding="utf-8")
    shape = dict(n_layer=1, n_head=2, n_embd=32, block_size=16, vocab_size=300, corpus=str(tmp_path / "text.txt"))
    return PretrainConfig.from_dict(shape | dict(batch_size=8, device="cpu", dropout=0.1))


def finished(experiments: Experiments) -> dict:
    experiments.task.join(60)
    return experiments.status()


def test_the_range_test_reports_its_trials_and_the_proof_its_layers(tmp_path, config):
    experiments = Experiments(Jobs(tmp_path))
    experiments.start("range", "pretrain", config)
    status = finished(experiments)
    assert not status["error"] and not status["running"]
    assert [trial["step"] for trial in status["trials"]] == list(range(1, len(status["trials"]) + 1))
    experiments.start("proof", "pretrain", config)
    status = finished(experiments)
    assert [layer["name"] for layer in status["layers"]] == ["embedding", "block 1", "final norm"]
    assert all(layer["difference"] < 1e-3 for layer in status["layers"])
    assert status["trials"], "the curve of before is still there"


def test_one_at_a_time_stopped_when_asked_and_not_beside_a_training(tmp_path, config):
    experiments = Experiments(Jobs(tmp_path))
    experiments.start("range", "pretrain", config)
    with pytest.raises(ValueError, match="another experiment is going on: stop it first"):
        experiments.start("proof", "pretrain", config)
    experiments.stop()
    assert finished(experiments)["message"] == "stopped"

    run = Run.create(tmp_path / "busy", "pretrain", config.to_dict())
    with run.hold("cpu"):
        run.write_status(run.read_status().__class__("running", step=1, max_steps=9, device="cpu"))
        with pytest.raises(ValueError, match=r"another training \(busy\) has the cpu"):
            experiments.start("range", "pretrain", config)


def test_what_cannot_be_tried_is_said_in_words(tmp_path, config):
    experiments = Experiments(Jobs(tmp_path))
    (tmp_path / "text.txt").unlink()
    experiments.start("range", "pretrain", config)
    assert "No such file" in finished(experiments)["error"]


def test_nothing_is_left_behind(tmp_path, config):
    before = {path.name for path in Path(tmp_path).iterdir()}
    experiments = Experiments(Jobs(tmp_path))
    experiments.start("proof", "pretrain", config)
    finished(experiments)
    assert {path.name for path in Path(tmp_path).iterdir()} == before
