"""Who meets whom in the ranking: two models, any two, or points of one's dial; what cannot meet is told in words."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.voting_settings import ANY_TWO
from playground.tabs.models.arena import ANY, ITSELF, opponents, wish


@pytest.fixture
def checkpoints(tmp_path: Path, model, tokenizer) -> Checkpoints:
    family = {"base": ("pretrain", None), "chat": ("sft", "base"), "child": ("dpo", "chat"), "orphan": ("dpo", "gone")}
    for name, (stage, parent) in family.items():
        checkpoint.save(tmp_path / name, model, tokenizer, Card(stage, parent))
    return Checkpoints(tmp_path, torch.device("cpu"))


def wanted(one: str | None, other: str | None = None) -> dict[str, Any]:
    return {"one": one, "other": other, "prompt": ""}


def test_a_models_dial_begins_at_its_parent(checkpoints: Checkpoints) -> None:
    asked = [wanted(ANY, "chat"), wanted("chat", "child"), wanted("child", ITSELF)]
    found = [(settings.models, settings.dial_of) for settings in (wish(checkpoints, one) for one in asked)]
    assert found == [(ANY_TWO, ""), (("chat", "child"), ""), (("child", "chat"), "child")]
    assert len({wish(checkpoints, one).generation for one in asked}) == 3


def test_a_dial_is_offered_where_there_is_one(checkpoints: Checkpoints) -> None:
    dials = {one: dict(opponents(checkpoints, one)) for one in ("chat", "child", "orphan", ANY)}
    assert {one: ITSELF in offered.values() for one, offered in dials.items()} == {
        **dict.fromkeys(dials, False),
        "child": True,
    }
    assert dials["child"]["Its own dial"] == ITSELF
    assert set(dials["orphan"]) == {"chat", "child", "orphan"}


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ("chat", None, "choose two models that answer"),
        (None, "chat", "choose two models that answer"),
        ("chat", "chat", "choose two different models"),
        ("chat", ITSELF, "base, from which chat was made, does not answer: choose a child of a model that does"),
        ("orphan", ITSELF, "the model gone is not there any more"),
        ("base", ITSELF, "base was not made from another model here"),
    ],
)
def test_what_cannot_meet_is_told_in_words(one, other, sentence: str, checkpoints: Checkpoints) -> None:
    with pytest.raises(ValueError, match=sentence):
        wish(checkpoints, wanted(one, other))
