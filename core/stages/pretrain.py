"""Pre-training: from random weights and a plain text to a model that predicts the next token."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch

from core import checkpoint
from core.checkpoint import Card
from core.config import Config, setting
from core.datasets import shakespeare as corpora
from core.datasets.pretraining import HeldOut, TokenBlocks, unigram_entropy
from core.datasets.shakespeare import CORPORA, Corpus
from core.generate import Sampling, stream_text
from core.model import GPT, GPTConfig, set_dropout
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, held_out_metrics, language_model_loss
from core.training.runner import Job, Progress

# What each size of model wants: big models take small steps on many tokens.
RECIPES: dict[str, dict[str, Any]] = {
    "tiny": dict(corpus="shakespeare-echo", max_steps=3000, batch_size=16, learning_rate=2e-2, eval_interval=250)
    | dict(save_interval=500, snapshots=7, save_dtype="float16"),  # the shipped time-lapse: an induction head forms
    "nano": dict(max_steps=600, batch_size=16, learning_rate=1e-2, eval_interval=50, save_interval=100),
    "micro": dict(max_steps=3000, batch_size=16, learning_rate=5e-3),
    "bard": dict(  # the shipped model
        corpus="shakespeare", max_steps=2000, batch_size=16, learning_rate=4e-3, warmup_steps=50, eval_interval=200
    )
    | dict(dropout=0.1, save_interval=200, keep_best=True, save_dtype="float16", snapshots=0),
    "mini": dict(max_steps=5000, batch_size=32, learning_rate=3e-3, dropout=0.1),
    "gpt2": dict(max_steps=2000, batch_size=32, micro_batch_size=4, learning_rate=6e-4, dropout=0.1, tokenizer="gpt2")
    | dict(snapshots=0),  # a quarter of a gigabyte each
}
RECIPES |= {
    name: RECIPES["gpt2"] | dict(micro_batch_size=1, learning_rate=rate)
    for name, rate in {"gpt2-medium": 3e-4, "gpt2-large": 2.5e-4, "gpt2-xl": 2e-4}.items()
}


@dataclass(frozen=True)
class PretrainConfig(Config):
    """Everything that decides what a pre-training makes."""

    corpus: str = setting("shakespeare-1mb", f"What to learn from: {', '.join(CORPORA)}, or the path of a text")
    tokenizer: str = setting(
        "train", "train = learn a vocabulary of vocab_size from the corpus; gpt2; or a checkpoint's path"
    )
    init_from: str = setting("", "Go on from this checkpoint's weights, shape and vocabulary; empty = random weights")
    sample_prompt: str = setting("ROMEO:\n", "Beginning of the text samples written during training")
    model: GPTConfig = field(default_factory=lambda: GPTConfig.preset("nano"))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPES["nano"]))

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A model shape with the recipe that suits it, from `tiny` to `gpt2-xl`, with `changes`."""
        shape = GPTConfig.preset(name).to_dict()
        return cls.from_dict(shape | RECIPES[name] | changes)


def prepare(config: PretrainConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The pre-training that `config` describes, from random weights or from a saved step."""
    say(f"reading the corpus {config.corpus}")
    corpus = corpora.load(config.corpus)
    begun = saved or config.init_from
    last = checkpoint.load(begun, device) if begun else None
    tokenizer = last.tokenizer if last else make_tokenizer(config, corpus, say)
    if last and config.tokenizer != "train" and named_tokenizer(config).digest != tokenizer.digest:
        raise ValueError(
            f"{begun} has another vocabulary than {config.tokenizer}: leave tokenizer at train to take the checkpoint's"
        )
    say("turning the corpus into tokens")
    train_ids = tokenizer.encode_documents(corpus.train)
    fit, block_size = config.fit, last.model.config.block_size if last else config.model.block_size
    batches = TokenBlocks(train_ids, block_size, fit.batch_size, fit.seed)
    held_out = HeldOut(corpus.val, tokenizer, block_size, fit.micro_batch_size or fit.batch_size)
    if last:
        model = last.model
        set_dropout(model, config.model.dropout)
    else:
        torch.manual_seed(fit.seed)
        model = GPT(replace(config.model, vocab_size=tokenizer.vocab_size)).to(device)

    def evaluate(model: GPT) -> dict[str, float]:
        return held_out_metrics(model, held_out, fit.dtype)

    def sample(model: GPT) -> dict[str, str]:
        ids = tokenizer.encode(config.sample_prompt)[-block_size:]
        steps = stream_text(model, tokenizer, ids, Sampling(max_new_tokens=100, seed=fit.seed))
        return {"prompt": config.sample_prompt, "text": "".join(step.text for step in steps)}

    data = {"corpus": corpus.name, "sha256": corpus.digest, "vocabulary_sha256": tokenizer.digest}
    parent = Path(config.init_from).name if config.init_from else None
    card = Card("pretrain", parent, config=config.to_dict(), data=data)
    references = {"uniform": math.log(tokenizer.vocab_size), "unigram": unigram_entropy(train_ids)}
    return Job(model, tokenizer, batches, language_model_loss, fit, card, evaluate, sample, references)


def make_tokenizer(config: PretrainConfig, corpus: Corpus, say: Progress) -> Tokenizer:
    """The vocabulary that the configuration names; one that exists already decides over vocab_size."""
    if config.tokenizer != "train":
        return named_tokenizer(config)
    wanted = config.model.vocab_size
    return Tokenizer.train(
        corpus.train, wanted, lambda done, all: say(f"learning the vocabulary: {done:,} of {all:,} merges")
    )


def named_tokenizer(config: PretrainConfig) -> Tokenizer:
    return Tokenizer.gpt2() if config.tokenizer == "gpt2" else Tokenizer.load(config.tokenizer)
