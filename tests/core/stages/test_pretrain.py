"""Pre-training: from random weights or from a checkpoint's; and the losses that its curve is compared with."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.datasets.pretraining import unigram_entropy
from core.presets import PRESETS
from core.stages.pretrain import STAGE, PretrainConfig, prepare
from core.stages.registry import train
from core.tokenizer import Tokenizer
from core.training.distillation import distillation_loss
from core.training.log_lines import read_lines
from core.training.loop import fit, mean_loss
from core.training.run_directory import Run

FIT = dict(max_steps=2, batch_size=4, warmup_steps=0, snapshots=0, device="cpu", sample_prompt="To be")
CPU = torch.device("cpu")


@pytest.fixture
def parent(tmp_path, make_model, tokenizer) -> Path:
    checkpoint.save(tmp_path / "parent", make_model(std=0.1, dropout=0.5), tokenizer, Card("pretrain", step=7))
    return tmp_path / "parent"


def settings(text_file: Path, **changes) -> PretrainConfig:
    return PretrainConfig.from_dict(FIT | {"corpus": str(text_file), "n_embd": 64, "vocab_size": 280} | changes)


def test_it_goes_on_from_a_checkpoints_weights_shape_and_vocabulary(parent, text_file, tmp_path, tokenizer):
    config = settings(text_file, init_from=str(parent), dropout=0.0)
    begun = checkpoint.load(parent).model
    job = prepare(config, None, CPU, lambda message: None)
    first = next(fit(job.model, job.batches, job.loss_fn, config.fit))
    assert first.loss == pytest.approx(mean_loss(begun, [job.batches(0)]), rel=1e-5)

    run = Run.create(tmp_path / "run", "pretrain", config.to_dict())
    assert train(run).state == "finished", run.status().message
    assert read_lines(run.metrics)[0][0]["loss/train"] == pytest.approx(first.loss)
    made = checkpoint.load(run.directory)
    assert made.tokenizer.digest == tokenizer.digest
    assert (made.model.config.n_embd, made.model.config.block_size, made.model.config.dropout) == (32, 16, 0.0)
    assert (made.card.stage, made.card.parent, made.card.step) == ("pretrain", "parent", 2)
    assert not torch.equal(made.model.lm_head.weight, begun.lm_head.weight)


def test_a_vocabulary_other_than_the_checkpoints_is_refused(parent, text_file, tmp_path, make_model):
    other = tmp_path / "other"
    checkpoint.save(other, make_model(vocab_size=270), Tokenizer.train("another text, another text", 270), Card())
    run = Run.create(
        tmp_path / "run", "pretrain", settings(text_file, init_from=str(parent), tokenizer=str(other)).to_dict()
    )
    assert train(run).state == "failed"
    assert run.status().message == (
        f"{parent} has another vocabulary than {other}: leave tokenizer at train to take the checkpoint's"
    )
    same = settings(text_file, init_from=str(parent), tokenizer=str(parent))
    assert prepare(same, None, CPU, lambda message: None).tokenizer.vocab_size == 300


def test_a_checkpoint_that_is_not_there_is_refused(text_file, tmp_path):
    run = Run.create(tmp_path / "run", "pretrain", settings(text_file, init_from=str(tmp_path / "none")).to_dict())
    assert train(run).message == f"there is no checkpoint directory {tmp_path / 'none'}"


def test_the_losses_to_compare_with_are_written(parent, text_file, tmp_path, tokenizer):
    run = Run.create(tmp_path / "run", "pretrain", settings(text_file, init_from=str(parent)).to_dict())
    train(run)
    text = text_file.read_text(encoding="utf-8")
    ids = tokenizer.encode_documents([text[: int(len(text) * 0.9)]])
    frequencies = [ids.count(id) / len(ids) for id in set(ids)]
    assert json.loads(run.references.read_text(encoding="utf-8")) == {
        "uniform": pytest.approx(math.log(300)),
        "unigram": pytest.approx(-sum(p * math.log(p) for p in frequencies)),
    }


def test_the_entropy_of_tokens_by_hand():
    """Half of them 7, a quarter each 8 and 9: 1/2 ln 2 + 2 * 1/4 ln 4 = 3/2 ln 2."""
    assert unigram_entropy([7, 8, 7, 9]) == pytest.approx(1.5 * math.log(2))
    assert unigram_entropy([5, 5]) == 0.0


def test_the_usual_rate_is_that_of_the_preset_with_the_shape() -> None:
    config = PretrainConfig.preset("micro", learning_rate=3.0)
    assert STAGE.usual_rate(config) == PRESETS["micro"].recipe["learning_rate"]
    assert STAGE.usual_rate(PretrainConfig.preset("micro", n_layer=3)) is None


def test_a_vocabulary_that_cannot_be_is_refused_before_a_run_is_made(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("To be, or not to be. " * 50, encoding="utf-8")
    config = PretrainConfig.preset("tiny", corpus=str(tmp_path / "text.txt"), vocab_size=10)
    with pytest.raises(ValueError, match="vocab_size must be at least 259"):
        STAGE.check(config)


def test_a_teacher_gives_its_vocabulary_and_is_on_the_card(parent, text_file, tmp_path, tokenizer):
    config = settings(text_file, teacher=str(parent), block_size=16)
    job = prepare(config, None, CPU, lambda message: None)
    expected = distillation_loss(checkpoint.load(parent).model, 0.5)(job.model.eval(), job.batches(0))
    assert job.loss_fn(job.model, job.batches(0)).item() == pytest.approx(expected.item())

    run = Run.create(tmp_path / "run", "pretrain", config.to_dict())
    assert train(run).state == "finished", run.status().message
    made = checkpoint.load(run.directory)
    assert (made.tokenizer.digest, made.model.config.n_embd, made.card.parent) == (tokenizer.digest, 64, None)
    assert made.card.data["teacher"] == "parent"
    assert made.card.data["teacher_sha256"] == checkpoint.weights_digest(parent)


def test_a_run_does_not_go_on_under_another_teacher(parent, text_file, tmp_path, make_model, tokenizer):
    config = settings(text_file, teacher=str(parent), block_size=16)
    saved = tmp_path / "saved"
    job = prepare(config, None, CPU, lambda message: None)
    checkpoint.save(saved, job.model, job.tokenizer, job.card)
    prepare(config, saved, CPU, lambda message: None)
    shutil.rmtree(parent)
    checkpoint.save(parent, make_model(std=0.2), tokenizer, Card("pretrain"))
    with pytest.raises(ValueError, match="has changed since this run began"):
        prepare(config, saved, CPU, lambda message: None)


def test_a_teacher_that_cannot_teach_is_refused(parent, text_file, tmp_path, make_model):
    with pytest.raises(ValueError, match="reads 16 tokens at once, and block_size is 32: choose 16"):
        prepare(settings(text_file, teacher=str(parent), block_size=32), None, CPU, lambda message: None)
    other = tmp_path / "other"
    checkpoint.save(other, make_model(vocab_size=270), Tokenizer.train("another text, another text", 270), Card())
    with pytest.raises(ValueError, match=f"other has another vocabulary than {parent}: choose one that has the same"):
        prepare(settings(text_file, teacher=str(other), init_from=str(parent)), None, CPU, lambda message: None)
    with pytest.raises(ValueError, match="leave tokenizer at train"):
        prepare(settings(text_file, teacher=str(other), tokenizer=str(parent)), None, CPU, lambda message: None)
    with pytest.raises(ValueError, match="shard must be off where a teacher is named"):
        settings(text_file, teacher=str(parent), shard=True, optimizer="adamw")


def test_a_teacher_is_counted_in_what_a_training_costs(parent, text_file):
    alone, taught = settings(text_file), settings(text_file, teacher=str(parent))
    assert [STAGE.frozen_models(config) for config in (alone, taught)] == [0, 1]
    assert STAGE.passes(taught) == pytest.approx(4 / 3) and STAGE.passes(alone) == 1
    assert STAGE.preview(taught).examples  # in the teacher's vocabulary, which is there already
