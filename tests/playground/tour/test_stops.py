"""What the tour says of a sentence."""

import re
from pathlib import Path

import pytest
import torch

from playground.services.services import Services
from playground.tour.stops import GUESSES, ONWARD, SENTENCE, STOPS, figures

SHIPPED = Path(__file__).parents[3] / "checkpoints"


@pytest.fixture(scope="module")
def services() -> Services:
    return Services.open(SHIPPED, torch.device("cpu"))


def test_every_figure_that_a_text_names_is_measured(services: Services) -> None:
    known = figures(services.checkpoints, "bard-tiny", SENTENCE)
    named = {name for stop in STOPS for name in re.findall(r"\{(\w+)\}", stop.text)}
    assert named <= set(known) and known["bytes"] == len(SENTENCE)


def test_the_guesses_are_the_likeliest_tokens_the_best_first(services: Services) -> None:
    shares = [
        int(share.removesuffix(" %")) for _, share in figures(services.checkpoints, "bard-tiny", SENTENCE)["next"]
    ]
    assert len(shares) == GUESSES and shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 100


def test_an_empty_text_is_the_tours_own_and_one_token_has_no_loss(services: Services) -> None:
    assert figures(services.checkpoints, "bard-tiny", "  ")["text"] == SENTENCE
    assert figures(services.checkpoints, "bard-tiny", "a")["loss"] == "not known"


def test_what_the_tour_leads_to_is_a_tab_of_the_tour() -> None:
    assert {place.tab for place in ONWARD} <= {stop.tab for stop in STOPS}
