"""What comparisons of methods and of reward models (core/method_comparison.py, core/goodhart.py) are tested with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import checkpoint
from core.checkpoint import Card
from core.datasets import prompts
from core.model import GPT
from core.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    """A model that answers, of random words, and one that does not."""
    directory = tmp_path_factory.mktemp("checkpoints")
    small = make_model(block_size=256, n_layer=1, n_embd=16)
    for name, stage in (("parent", "sft"), ("base", "pretrain")):
        checkpoint.save(directory / name, small, tokenizer, Card(stage))
    return directory


@pytest.fixture(scope="module")
def few_prompts() -> Iterator[None]:
    """Thousands to learn on are for trainings that are longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "LEARNED_PROMPTS", 200)
        yield
