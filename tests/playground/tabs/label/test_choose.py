"""What is voted on: what the controls hold becomes settings, or a sentence that says what to choose."""

from typing import Any

import pytest
import torch

from core.datasets.preference_files import OVERALL
from core.generate import Sampling
from playground.services.labelling.voting_settings import PLAYS, RANDOM
from playground.services.services import Services
from playground.tabs.label.choose import ONE, SAMPLING, TWO, Chosen

HELD = {
    "mode": ONE,
    "model": "bard-chat",
    "other": None,
    "prompts": PLAYS,
    "typed": "",
    "order": RANDOM,
    "criterion": OVERALL,
}
DRAWN = {"max_new_tokens": 64, "temperature": 0.8, "top_p": 1.0}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Chosen:
    return Chosen(Services.open(tmp_path_factory.mktemp("checkpoints"), torch.device("cpu")), {})


def test_one_model_is_sampled_twice_and_two_are_compared(chosen: Chosen) -> None:
    settings = chosen.read(HELD | DRAWN)
    assert (settings.models, settings.source) == (("bard-chat", "bard-chat"), "label")
    assert settings.sampling == Sampling(**DRAWN) == SAMPLING
    compared = chosen.read(HELD | DRAWN | {"mode": TWO, "other": "twin"})
    assert (compared.models, compared.source) == (("bard-chat", "twin"), "compare")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": None}, "no model here answers yet: fine-tune one on instructions in the Train tab"),
        ({"mode": TWO, "other": "bard-chat"}, "choose two different models to compare"),
        ({"temperature": None}, "temperature is empty: type a number"),
        ({"prompts": "gone.txt"}, "this list of prompts is not there any more"),
    ],
)
def test_what_cannot_be_voted_on_is_refused(chosen: Chosen, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        chosen.read(HELD | DRAWN | changes)
