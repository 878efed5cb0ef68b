"""What a conversation may begin with: the model's own figures, and lines in the form that it has learned."""

from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from playground.services.checkpoints import Checkpoints
from playground.tabs.chat.starters import TO_ANSWER, TO_CONTINUE, about_model

SHIPPED = Path(__file__).parents[4] / "checkpoints"


@pytest.mark.parametrize(("name", "lines"), [("bard-chat", TO_ANSWER), ("bard-base", TO_CONTINUE)])
def test_a_shipped_model_says_how_small_it_is_and_offers_four_lines(name: str, lines: tuple[str, ...]) -> None:
    checkpoints = Checkpoints(SHIPPED, torch.device("cpu"))
    about = about_model(checkpoints, name)
    assert about == {"weights": 6_658_560, "plays": True, "starters": list(lines)} and len(lines) == 4
    assert about_model(checkpoints, "bard-aligned")["starters"] == list(TO_ANSWER), "its parent has read the plays"


def test_a_model_that_has_not_read_the_plays_is_not_asked_to_speak_like_them(tmp_path, model, tokenizer) -> None:
    checkpoint.save(tmp_path / "own", model, tokenizer, Card("sft", "gone", config={"data": "mine.jsonl"}))
    about = about_model(Checkpoints(tmp_path, torch.device("cpu")), "own")
    assert (about["plays"], about["starters"]) == (False, [])
    assert about["weights"] == sum(weights.numel() for weights in model.parameters()) - 20 * 32  # padding
