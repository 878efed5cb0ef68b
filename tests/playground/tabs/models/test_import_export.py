"""What the page says of a model that was written as a file."""

from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from playground.services.services import Services
from playground.tabs.models.import_export import PAGE, write_file


def test_a_page_finds_the_parent_in_any_root_and_says_whether_there_is_a_dial(
    tmp_path: Path, make_model, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    checkpoint.save(tmp_path / "shared" / "parent", make_model(), tokenizer, Card("sft"))
    for name, parent in (("mine", "parent"), ("orphan", "gone")):
        checkpoint.save(tmp_path / "own" / name, make_model(std=0.31), tokenizer, Card("dpo", parent))
    services = Services.open(tmp_path / "own", torch.device("cpu"), [tmp_path / "shared"])
    (path,), sentences = write_file(services, "mine", PAGE)
    assert Path(path).name == "mine.html" and sentences == ["it has a dial: 1 is mine, 0 nearly parent"]
    (sentence,) = write_file(services, "orphan", PAGE)[1]
    assert sentence.startswith("it has no dial: the parent of orphan, gone, is not there any more")
