"""What is written with an edited head, as the page gets it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.generate import Sampling, batch
from core.interpretability import activations
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.attention.activation_cache import ActivationCache
from playground.tabs.attention.edit import write_on

KEY = {"model": "one", "text": "To be, or"}
PLAIN = {"key": KEY, "layer": 1, "head": 0, "scale": 1, "token": None, "temperature": 0.8, "seed": 2, "length": 5}


@pytest.fixture
def looks(tmp_path: Path, model: GPT, tokenizer: Tokenizer) -> ActivationCache:
    checkpoint.save(tmp_path / "one", model, tokenizer, Card())
    return ActivationCache(Checkpoints(tmp_path, torch.device("cpu")))


def words(found: dict[str, Any]) -> list[str]:
    return [token for token, _ in found["tokens"]]


def test_the_untouched_text_is_the_models_own_and_a_silent_head_that_of_the_ablation(looks: ActivationCache) -> None:
    look, sampling = looks.at(KEY), Sampling(max_new_tokens=5, temperature=0.8, seed=2)

    def own() -> tuple[list[str], float]:
        loss = float(activations.losses(look.model, activations.trace(look.model, look.ids)).mean())
        return [look.token(id) for id in batch(look.model, [look.ids], sampling, {look.tokenizer.eot})[0]], loss

    untouched = write_on(looks, PLAIN)
    assert (words(untouched), untouched["loss"]) == own()
    with activations.ablate_heads(look.model, [(1, 0)]):
        expected, loss = own()
    silent = write_on(looks, PLAIN | {"scale": 0})
    assert words(silent) == expected != words(untouched)
    assert silent["loss"] == pytest.approx(loss)
    assert write_on(looks, PLAIN | {"token": 0})["loss"] != pytest.approx(untouched["loss"])


def test_it_ends_where_the_context_does_and_says_so(looks: ActivationCache) -> None:
    room = 16 - len(looks.at(KEY).ids)
    short = write_on(looks, PLAIN | {"length": room})
    assert short["cut"] == "" and not short["ended"] and len(short["tokens"]) == room
    long = write_on(looks, PLAIN | {"length": room + 1})
    assert words(long) == words(short) and long["cut"] == "The model's context of 16 tokens has no room for more."
    with pytest.raises(ValueError, match="fills the model's context of 16 tokens: shorten it"):
        write_on(looks, PLAIN | {"key": KEY | {"text": "to be or not " * 9}})
