"""Data cannot change under a run: it refuses to go on with another text, or to be measured on one."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from core import checkpoint
from core.__main__ import main
from core.atomic_files import write_json
from core.checkpoint import Card, read_card
from core.config import DATA, REWARD
from core.datasets import classification
from core.evaluation.report_card import held_out_texts
from core.preferences.reward_terms import TASTE
from core.stages.base import Stage
from core.stages.classify import ClassifyConfig
from core.stages.data_files import NOTED, data_digests
from core.stages.registry import STAGES, train
from core.training.run_directory import Run
from tests.conftest import SENTENCES
from tests.core.training.test_run_directory import new_run

TEXT = SENTENCES * 10


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "input.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_stage_notes_each_file_that_it_reads(stage: Stage, text: Path) -> None:
    named = stage.settings_that_name(*DATA)
    taught = dict.fromkeys(stage.settings_that_name(REWARD), TASTE)  # which is a reward that needs votes
    config = stage.config.from_dict(stage.config().to_dict() | taught | dict.fromkeys(named, str(text)))
    sha256 = hashlib.sha256(text.read_bytes()).hexdigest()
    assert named and data_digests(stage, config) == dict.fromkeys(named, sha256)
    assert data_digests(stage, stage.config()) == {}  # what has a name is no file


def test_a_directory_is_all_that_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "texts" / "b").mkdir(parents=True)
    stage = STAGES["pretrain"]
    config = stage.configure({"corpus": str(tmp_path / "texts")})
    seen = [data_digests(stage, config)]
    for name, content in (("a.txt", "one"), ("b/a.txt", "one"), ("a.txt", "two"), ("b/c.txt", "")):
        (tmp_path / "texts" / name).write_text(content, encoding="utf-8")
        seen.append(data_digests(stage, config))
    assert seen[0] == {} and len({found["corpus"] for found in seen[1:]}) == 4


@pytest.fixture
def stopped(tmp_path: Path, text: Path) -> Run:
    """A run that was stopped after its first step."""
    run = new_run(tmp_path / "run", text, max_steps=3, warmup_steps=1, snapshots=0)
    run.request("stop")
    assert train(run).state == "stopped" and run.status().step == 1
    run.clear_request()
    return run


@pytest.mark.fault(
    "a file that a run learns from is changed or replaced",
    "the run refuses to go on, and its model to be measured on it, and says which file; put the old one "
    "back, or begin a new run",
)
def test_a_run_does_not_go_on_with_another_text_and_says_which_file_has_changed(stopped: Run, text: Path) -> None:
    text.write_text(TEXT.upper(), encoding="utf-8")
    status = train(stopped)
    digests = [hashlib.sha256(content.encode()).hexdigest()[:8] for content in (TEXT, TEXT.upper())]
    assert status.state == "failed"
    assert status.message == (
        f"corpus: the training learned from {text}, which has changed since (sha256 {digests[0]} then, "
        f"{digests[1]} now): put the old file back, or begin a new run"
    )
    text.unlink()
    assert "input.txt, which is not there: put the old file back" in train(stopped).message
    text.write_text(TEXT, encoding="utf-8")
    assert train(stopped).state == "finished"


def test_a_run_that_is_older_than_the_notes_goes_on_and_that_is_said(stopped: Run, text: Path, caplog) -> None:
    card = stopped.saved_steps()[-1] / "card.json"
    content = json.loads(card.read_text(encoding="utf-8"))
    del content["data"][NOTED]
    write_json(card, content)
    text.write_text(TEXT.upper(), encoding="utf-8")
    with caplog.at_level("INFO"):
        assert train(stopped).state == "finished"
    assert "whether its data are still the same cannot be told" in caplog.text


def test_a_model_is_not_measured_on_the_end_of_a_text_that_has_changed_since(stopped: Run, text: Path, capsys) -> None:
    assert train(stopped).state == "finished"
    noted = checkpoint.load(stopped.directory).card.data[NOTED]
    assert noted == {"corpus": hashlib.sha256(text.read_bytes()).hexdigest()}
    command = ["evaluate", str(stopped.directory), "--corpus", str(text), "--device", "cpu"]
    assert main(command) == 0
    text.write_text(TEXT.upper(), encoding="utf-8")
    assert main(command) == 1
    assert "input.txt, which has changed since" in capsys.readouterr().err


def test_a_classifier_is_not_measured_on_texts_that_it_may_have_learned_from(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    rows = [f"{n} {word},{word}" for word in ("yes", "no") for n in range(20)]
    table.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    config = ClassifyConfig.from_dict({"data": str(table)})
    labelled = classification.load(str(table))
    noted = {"sha256": labelled.digest, NOTED: data_digests(STAGES["classify"], config)}
    card = Card("classify", config=config.to_dict(), data=noted)
    assert held_out_texts(card).val == labelled.val
    table.write_text("\n".join(["text,label", *reversed(rows)]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.csv, which has changed since .* or train a new model on the new one"):
        held_out_texts(card)
    write_json(tmp_path / "card.json", asdict(card) | {"data": {"sha256": labelled.digest}})
    with pytest.raises(ValueError, match=r"mine\.csv are no longer divided as they were"):  # older than the notes
        held_out_texts(read_card(tmp_path / "card.json"))
