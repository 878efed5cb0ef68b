"""The model that comes with the project: small enough for git, good enough to be shown, open to Hugging Face."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import checkpoint
from core.data import corpus as corpora
from core.evaluate import bits_per_byte

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "bard-base"
TEXT = "ROMEO:\nBut soft, what light through yonder window breaks? 🙂\n\nJULIET:\n"


@pytest.fixture(scope="module")
def bard() -> checkpoint.Checkpoint:
    return checkpoint.load(SHIPPED)


def test_hugging_face_opens_it_with_the_same_ids_and_logits(bard):
    ids = bard.tokenizer.encode(TEXT)
    assert AutoTokenizer.from_pretrained(SHIPPED)(TEXT)["input_ids"] == ids
    theirs = AutoModelForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32).eval()
    idx = torch.tensor([ids])
    with torch.inference_mode():
        assert (bard.model(idx)[0] - theirs(idx).logits).abs().max() < 1e-4


def test_it_fits_into_git():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) <= 16e6


@pytest.mark.slow
def test_it_predicts_plays_that_it_has_never_seen_as_well_as_its_card_says(bard):
    measured = bits_per_byte(bard, corpora.load("shakespeare"))
    assert measured <= 2.05
    assert math.isclose(measured, bard.card.report["bpb/val"], abs_tol=1e-3)
