"""Our losses and gradients against TRL's own trainers, on the same small model and the same pairs.

    pip install -e ".[test,oracle]" && pytest tests/oracles

What lies in this folder needs the packages of the extra `oracle`, which the rest of the suite does without.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from core import checkpoint, huggingface
from core.chat_template import with_template
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import encode_pairs, likelihood_batch, score_batch
from core.stages import dpo, reward_model
from core.stages.dpo import DPOConfig
from tests.helpers.trl import trl_trainer

PAIRS = [
    Preference("Who is it?", "Music!", "He said, he said."),
    Preference("To be?", "Or not to be: that is it.", "Tomorrow."),
    Preference("And tomorrow, and tomorrow?", "Creeps in this pace.", "Play on."),
]
SHORT = [Preference("Who is it?", "XYZ", "ZYX"), Preference("To be?", "YYX", "ZXZ")]
LENGTH = 4  # of the short answers in tokens, with their <|endoftext|>


def check(ours: Tensor, model: huggingface.Model, theirs: Tensor, their_model: Any) -> None:
    """The losses agree, and their gradients with respect to every weight."""
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
    ours.backward()
    theirs.backward()
    found = {
        name: huggingface.huggingface_view(name, p.grad, model.config.vocab_size)
        for name, p in model.named_parameters()
    }
    expected = {name: p.grad for name, p in their_model.named_parameters()}
    assert found.keys() == expected.keys()
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    assert largest > 1e-3
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4 * largest, msg=name)


def batch_of(trainer: Any) -> dict[str, Tensor]:
    return trainer.data_collator([trainer.train_dataset[i] for i in range(len(trainer.train_dataset))])


@pytest.mark.parametrize(
    ("pairs", "ours", "theirs", "factor"),
    [
        (PAIRS, {}, {}, 1),
        (PAIRS, dict(beta=0.7), dict(beta=0.7), 1),
        # TRL's "sigmoid" knows no smoothing; its "aot" does, and is the same loss where a batch is a single pair.
        *(
            (PAIRS[i : i + 1], dict(label_smoothing=0.2), dict(loss_type=["aot"], label_smoothing=0.2), 1)
            for i in (0, 1)
        ),
        # TRL's IPO divides log-probabilities by the answer's length, ours, as the paper's, does not. Where all answers
        # have one length L, beta / L is the same loss L^2 times as large.
        (SHORT, dict(loss_type="ipo", beta=0.3 / LENGTH), dict(loss_type=["ipo"], beta=0.3), LENGTH**2),
    ],
)
def test_dpo_is_trls(pairs, ours, theirs, factor, tmp_path, make_model, tokenizer):
    model, parent = make_model(std=0.1, block_size=64), make_model(std=0.07, block_size=64)
    checkpoint.save(tmp_path / "parent", parent, with_template(tokenizer), Card("sft"))
    trainer = trl_trainer("dpo", tmp_path / "parent", pairs, tmp_path / "trl", **theirs)
    trainer.model.load_state_dict(huggingface.huggingface_tensors(model), strict=False)  # the head is the embedding
    encoded, _ = encode_pairs(tokenizer, pairs, 64)
    if pairs is SHORT:
        assert {sum(example.mask) for pair in encoded for example in pair.examples} == {LENGTH}
    batch = likelihood_batch(dpo.with_reference(parent, encoded, "float32"))
    loss = dpo.pair_loss(model, batch, DPOConfig(**ours)).loss / len(pairs)
    check(loss, model, factor * trainer.compute_loss(trainer.model, batch_of(trainer)), trainer.model)


@pytest.mark.parametrize("center", [0.0, 0.05])
def test_the_reward_models_loss_is_trls(center, tmp_path, make_model, tokenizer):
    model = SequenceClassifier.from_language_model(make_model(std=0.1, block_size=64), ["reward"], seed=0)
    checkpoint.save(tmp_path / "parent", model, with_template(tokenizer), Card("reward"))
    trainer = trl_trainer("reward", tmp_path / "parent", PAIRS, tmp_path / "trl", center_rewards_coefficient=center)
    loss = reward_model.pair_loss(model, score_batch(encode_pairs(tokenizer, PAIRS, 64)[0]), center).loss / len(PAIRS)
    check(loss, model, trainer.compute_loss(trainer.model, batch_of(trainer)), trainer.model)
