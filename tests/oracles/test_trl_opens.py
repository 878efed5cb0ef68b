"""What was made here is chatted with and trained on elsewhere as it lies: pipelines, and TRL's trainers."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, pipeline

from core import checkpoint
from core.chat_template import encode_chat, encode_prompt, with_padding, with_template
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.preference_files import Preference
from core.evaluation.instructions import replies
from core.generate import Sampling
from tests.helpers.trl import trainer_of, trl_trainer

QUESTIONS = [[{"role": "user", "content": text}] for text in ("Who is it?", "And tomorrow, and tomorrow?")]
TURNS = [[*asked, {"role": "assistant", "content": "Music!"}] for asked in QUESTIONS]
PAIRS = [Preference("Who is it?", "Music!", "He said."), Preference("To be?", "Play on.", "Tomorrow.")] * 2
STEPS = dict(max_steps=2, per_device_train_batch_size=2, logging_steps=1)


@pytest.fixture(scope="module", params=["chat", "alpaca"])
def taught(request, tmp_path_factory, make_model, tokenizer) -> Path:
    """A model that answers, in either template."""
    directory = tmp_path_factory.mktemp(request.param) / "taught"
    made = with_template(tokenizer, request.param)
    checkpoint.save(directory, make_model(std=0.1, block_size=160), made, Card("sft"))
    return directory


def test_a_pipeline_answers_two_at_once_as_we_do(taught):
    ours = checkpoint.load(taught)
    answer = pipeline("text-generation", str(taught), dtype=torch.float32)
    answer.tokenizer.padding_side = "left"
    found = answer(QUESTIONS, batch_size=2, do_sample=False, max_new_tokens=8)
    expected = replies(
        ours.model, ours.tokenizer, [asked[0]["content"] for asked in QUESTIONS], Sampling(8, temperature=0)
    )
    assert [one[0]["generated_text"][-1] for one in found] == [
        {"role": "assistant", "content": text} for text in expected
    ]


def test_trl_learns_the_text_that_our_chat_uses(taught, tmp_path):
    trainer = trainer_of("sft", taught, [{"messages": turn} for turn in TURNS], tmp_path / "sft", **STEPS)
    tokenizer = checkpoint.load(taught).tokenizer
    read = [row["input_ids"] for row in trainer.train_dataset]
    assert read == [encode_chat(tokenizer, turn)[0] for turn in TURNS]
    trainer.train()
    assert trainer.state.global_step == 2


@pytest.mark.parametrize("stage", ["dpo", "reward"])
def test_trl_learns_exported_votes(stage, taught, tmp_path):
    trainer = trl_trainer(stage, taught, PAIRS, tmp_path / "trl", **STEPS)
    tokenizer = checkpoint.load(taught).tokenizer
    row, asked = trainer.train_dataset[0], [{"role": "user", "content": "Who is it?"}]
    whole = encode_chat(tokenizer, [*asked, {"role": "assistant", "content": "Music!"}])[0]
    if stage == "dpo":
        assert row["prompt_ids"] == encode_prompt(tokenizer, asked) and row["prompt_ids"] + row["chosen_ids"] == whole
    else:
        assert row["chosen_ids"] == whole
    trainer.train()
    assert trainer.state.global_step == 2


@pytest.mark.parametrize("template", ["chat", "alpaca"])
def test_a_reward_model_is_trained_on_as_it_is(template, tmp_path, make_model, tokenizer):
    made = with_padding(with_template(tokenizer, template))
    gpt = make_model(std=0.1, block_size=160, vocab_size=made.vocab_size)
    checkpoint.save(
        tmp_path / "parent", SequenceClassifier.from_language_model(gpt, ["reward"], 0), made, Card("reward")
    )
    opened = AutoTokenizer.from_pretrained(tmp_path / "parent")
    assert opened.pad_token_id not in (None, made.eot), "the end of an answer is no padding"
    trainer = trl_trainer("reward", tmp_path / "parent", PAIRS, tmp_path / "trl", **STEPS)
    trainer.train()
    assert trainer.state.global_step == 2
