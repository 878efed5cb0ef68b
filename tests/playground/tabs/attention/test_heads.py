"""What stands beside the text: what would come next, and which models can be compared on it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.services.vocabularies import Vocabularies
from playground.tabs.attention.activation_cache import ActivationCache
from playground.tabs.attention.compare import obstacle
from playground.tabs.attention.heads import GUESSES, next_tokens

KEY = {"model": "one", "text": "To be, or"}


@pytest.fixture
def looks(tmp_path: Path, model: GPT, tokenizer: Tokenizer) -> ActivationCache:
    checkpoint.save(tmp_path / "one", model, tokenizer, Card())
    return ActivationCache(Checkpoints(tmp_path, torch.device("cpu")))


def test_the_next_tokens_are_the_models_own_and_cost_no_second_pass(
    looks: ActivationCache, model: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = tokenizer.encode(KEY["text"])
    logits, _ = model(torch.tensor([ids]))
    likely = logits[0, -1].float().softmax(-1).topk(GUESSES)
    look = looks.at(KEY)
    monkeypatch.setattr(GPT, "hidden", lambda *_: pytest.fail("a second forward pass"))
    found = next_tokens(look)
    assert [token for token, _ in found] == [look.token(id) for id in likely.indices.tolist()]
    assert [share for _, share in found] == pytest.approx(likely.values.tolist(), abs=1e-4)


def test_a_model_that_cannot_be_laid_over_says_why(
    tmp_path: Path, looks: ActivationCache, make_model: Any, tokenizer: Tokenizer
) -> None:
    vocabularies = Vocabularies(tmp_path)
    checkpoint.save(tmp_path / "child", make_model(), tokenizer, Card())
    checkpoint.save(tmp_path / "short", make_model(block_size=4), tokenizer, Card())
    plain = Tokenizer.plain_bytes()
    checkpoint.save(tmp_path / "bytes", make_model(vocab_size=plain.vocab_size), plain, Card())
    (tmp_path / "bytes" / "model.safetensors").rename(tmp_path / "kept")
    (tmp_path / "bytes" / "model.safetensors").write_bytes(b"")  # nobody looks into it
    reasons = {name: obstacle(looks, vocabularies, KEY, name) for name in ("child", "short", "bytes", "gone")}
    assert reasons == {
        "child": "",
        "short": "reads another part of this long text",
        "bytes": "has another vocabulary",
        "gone": "cannot be read",
    }
