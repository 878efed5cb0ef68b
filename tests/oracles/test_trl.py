"""Our losses and gradients against TRL's own trainers, on the same small model and the same pairs.

    pip install -e ".[test,oracle]" && pytest tests/oracles

What lies in this folder needs the packages of the extra `oracle`, which the rest of the suite does without.
"""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from core import checkpoint, huggingface
from core.chat_template import with_template
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.conversations import Example, collate
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import EncodedPair, encode_pairs, likelihood_batch, score_batch
from core.datasets.thumb_pairs import encode_thumbs
from core.datasets.thumbs import Thumb, thumb_example
from core.rlhf.group_rollouts import GroupRollouts
from core.rlhf.grpo import GroupConfig, group_loss, loss_weights
from core.rlhf.logprobs import token_logprobs
from core.stages import dpo, reward_model
from core.stages.dpo import DPOConfig
from tests.helpers.trl import trainer_of, trl_trainer

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
        (PAIRS, dict(beta=5.0, loss_type="sigmoid_norm"), dict(beta=5.0, loss_type=["sigmoid_norm"]), 1),
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


THUMBS = [
    Thumb(pair.prompt, answer, up) for pair in PAIRS for answer, up in ((pair.chosen, True), (pair.rejected, False))
]


@pytest.mark.parametrize("up_weight", [1.0, 3.0])
def test_kto_is_trls(up_weight, tmp_path, make_model, tokenizer):
    """The answers of other prompts, the point that is measured from, both kinds of losses and their weights."""
    model, parent = make_model(std=0.1, block_size=64), make_model(std=0.07, block_size=64)
    checkpoint.save(tmp_path / "parent", parent, with_template(tokenizer), Card("sft"))
    options = dict(beta=0.7, desirable_weight=up_weight, per_device_train_batch_size=len(THUMBS))
    rows = list(map(thumb_example, THUMBS))
    trainer = trainer_of("kto", tmp_path / "parent", rows, tmp_path / "trl", **options)
    trainer.model.load_state_dict(huggingface.huggingface_tensors(model), strict=False)
    pairs = dpo.with_reference(parent, encode_thumbs(tokenizer, THUMBS, 64, up_weight), "float32")
    loss = dpo.pair_loss(model, likelihood_batch(pairs), DPOConfig(beta=0.7, loss_type="kto")).loss / len(THUMBS)
    check(loss, model, trainer.compute_loss(trainer.model, batch_of(trainer)), trainer.model)
    assert trainer._metrics["train"]["kl"] != [0.0]  # else the other answers would not matter


def concatenated(pairs: list[EncodedPair]) -> dict[str, Tensor]:
    """The batch of TRL's CPO and ORPO trainers, of our tokens: theirs begin with <|endoftext|>."""
    made: dict[str, Tensor] = {}
    for name, rows in zip(("chosen", "rejected"), zip(*(pair.examples for pair in pairs), strict=True), strict=True):
        T = max(len(example.ids) for example in rows)

        def column(filler: int, values: Any, T: int = T, rows: Any = rows) -> Tensor:
            return torch.tensor([[*values(row), *[filler] * (T - len(row.ids))] for row in rows])

        made[f"{name}_input_ids"] = column(0, lambda row: row.ids)
        made[f"{name}_attention_mask"] = column(0, lambda row: [1] * len(row.ids))
        made[f"{name}_labels"] = column(
            -100, lambda row: [id if on else -100 for id, on in zip(row.ids, row.mask, strict=True)]
        )
    return made


@pytest.mark.parametrize(
    ("loss_type", "ours"),
    [
        ("simpo", dict(beta=2.0, simpo_gamma=0.7)),
        ("simpo", dict(beta=0.5, label_smoothing=0.2)),
        ("orpo", dict(beta=0.4)),
    ],
)
def test_the_losses_without_a_reference_are_trls(loss_type, ours, tmp_path, make_model, tokenizer):
    """TRL's ORPO imitates the prompt as well; what it makes of the odds is held against ours, with the answer alone."""
    model = make_model(std=0.1, block_size=64)
    checkpoint.save(tmp_path / "parent", model, with_template(tokenizer), Card("sft"))
    options = ours | (dict(loss_type="simpo", cpo_alpha=0.0) if loss_type == "simpo" else {})
    stage = "cpo" if loss_type == "simpo" else "orpo"
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in PAIRS]
    trainer = trainer_of(stage, tmp_path / "parent", rows, tmp_path / "trl", **options)
    pairs, _ = encode_pairs(tokenizer, PAIRS, 64)
    loss = dpo.pair_loss(model, likelihood_batch(pairs), DPOConfig(loss_type=loss_type, **ours)).loss / len(PAIRS)
    chosen, rejected, *_ = trainer.concatenated_forward(trainer.model.train(), concatenated(pairs))
    theirs = (
        trainer.cpo_loss(chosen, rejected)[0].mean()
        if stage == "cpo"
        else (-chosen - trainer.odds_ratio_loss(chosen, rejected)[0]).mean()
    )
    check(loss, model, theirs, trainer.model)


@pytest.mark.parametrize("center", [0.0, 0.05])
def test_the_reward_models_loss_is_trls(center, tmp_path, make_model, tokenizer):
    model = SequenceClassifier.from_language_model(make_model(std=0.1, block_size=64), ["reward"], seed=0)
    checkpoint.save(tmp_path / "parent", model, with_template(tokenizer), Card("reward"))
    trainer = trl_trainer("reward", tmp_path / "parent", PAIRS, tmp_path / "trl", center_rewards_coefficient=center)
    loss = reward_model.pair_loss(model, score_batch(encode_pairs(tokenizer, PAIRS, 64)[0]), center).loss / len(PAIRS)
    check(loss, model, trainer.compute_loss(trainer.model, batch_of(trainer)), trainer.model)


# Of one length, as TRL pads prompts at their beginning and GPT-2 counts positions from there; answers differ in theirs.
PROMPTS = [[3, 4, 5], [3, 4, 5], [6, 7, 8], [6, 7, 8]]
ANSWERS = [[9, 10, 11, 12], [13, 14], [15, 16, 17], [18]]
ADVANTAGES = torch.tensor([0.7, -0.7, 0.3, -1.4])


@pytest.mark.parametrize(
    ("stage", "ours"),
    [
        *(("grpo", dict(loss_type=kind, kl_coef=kl)) for kind in ("grpo", "dapo", "dr_grpo") for kl in (0.0, 0.1)),
        ("rloo", dict(estimator="rloo")),
    ],
)
def test_the_loss_of_groups_is_trls(stage, ours, tmp_path, make_model, tokenizer):
    """After a step, so that probabilities have changed, and some are clipped."""
    model, old, parent = (make_model(std=std, block_size=64) for std in (0.3, 0.28, 0.25))
    checkpoint.save(tmp_path / "model", model, with_template(tokenizer), Card("sft"))
    config = GroupConfig(max_new_tokens=6, temperature=0.9, **ours)
    both = collate([Example(p + a, [False] * 3 + [True] * len(a)) for p, a in zip(PROMPTS, ANSWERS, strict=True)])
    with torch.no_grad():
        before, reference = (token_logprobs(m, both.inputs, both.targets, 0.9) for m in (old, parent))
    rows = GroupRollouts(both.inputs, both.targets, before, reference, ADVANTAGES, *[torch.zeros(4)] * 4)
    rows = dataclasses.replace(rows, weights=loss_weights(rows.mask, config))

    options = dict(per_device_train_batch_size=4, num_generations=2, max_completion_length=6, temperature=0.9)
    options |= dict(epsilon=0.2, epsilon_high=0.28, beta=config.kl_coef)
    options |= dict(loss_type=config.loss_type) if stage == "grpo" else {}
    trainer = trainer_of(stage, tmp_path / "model", [{"prompt": "a"}] * 8, tmp_path / "trl", **options)
    trainer.current_gradient_accumulation_steps = 1
    longest = max(map(len, ANSWERS))
    ids = torch.tensor([a + [0] * (longest - len(a)) for a in ANSWERS])
    mask = torch.tensor([[1] * len(a) + [0] * (longest - len(a)) for a in ANSWERS])
    inputs = {"prompt_ids": torch.tensor(PROMPTS), "prompt_mask": torch.ones(4, 3, dtype=torch.long)}
    inputs |= {"completion_ids": ids, "completion_mask": mask, "advantages": ADVANTAGES}
    inputs |= {"old_per_token_logps": before[:, 2:], "ref_per_token_logps": reference[:, 2:]}
    inputs |= {"old_logps": before.sum(1), "num_items_in_batch": mask.sum()}
    found = group_loss(model, rows, config)
    theirs = trainer._compute_loss(trainer.model.train(), inputs)
    check(found.loss / rows.n_targets, model, theirs, trainer.model)
    means = {name: value.item() / rows.n_targets for name, value in found.metrics.items()}
    for name, (value,) in trainer._metrics["train"].items():
        if name in means:
            assert means[name] == pytest.approx(value, abs=1e-5), name
    assert means["clip_ratio/region_mean"] > 0 and "entropy" in trainer._metrics["train"]
