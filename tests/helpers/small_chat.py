"""Small models that answer in turns: one that asks or tells, made in seconds; one that says anything, made at once."""

from itertools import product
from pathlib import Path

import torch

from core import checkpoint
from core.checkpoint import Card
from core.datasets.conversations import ChatBatches, examples
from core.datasets.messages import message
from core.datasets.preference_files import read_preferences
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, fit, language_model_loss

PARENT, VOTES = Path("checkpoints/bard-tiny"), Path("assets/preferences-example.jsonl")
SAYINGS = ("Ay, my lord", "He is gone", "We are here", "The king is come", "It is well", "I know the man")


def make_small_chat(directory: Path, steps: int = 60) -> None:
    """Make a checkpoint of bard-tiny that answers anything with one of SAYINGS, half of the time as a question."""
    loaded = checkpoint.load(PARENT)
    answers = [saying + mark for saying in SAYINGS for mark in ".?"]
    told = [
        [message("user", pair.prompt), message("assistant", answer)]
        for pair, answer in product(read_preferences(VOTES).pairs, answers)  # any of them to any prompt
    ]
    fitting, _ = examples(loaded.tokenizer, told, loaded.model.config.block_size)
    config = FitConfig(max_steps=steps, batch_size=16, learning_rate=1e-2, warmup_steps=10, snapshots=0, device="cpu")
    for _ in fit(loaded.model, ChatBatches(fitting, 16, 0), language_model_loss, config):
        pass
    checkpoint.save(directory, loaded.model, loaded.tokenizer, Card("sft", PARENT.name, step=steps))


def make_talker(directory: Path, tokenizer: Tokenizer) -> None:
    """Make a checkpoint that has learned nothing and answers with any tokens."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=256, vocab_size=tokenizer.vocab_size))
    checkpoint.save(directory, model, tokenizer, Card("sft"))
