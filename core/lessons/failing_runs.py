"""Six ways in which a training fails, each made on purpose: one small model, one text, and one thing that is wrong.

All are trained by core.training.loop.fit from the same random weights. What tells them apart is measured as it is for
any run: by the doctor (core.diagnostics), by how much the loss scatters, and by whether a position can see what comes
after it.

Shapes: B batch, T time (tokens), V vocabulary.
"""

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.datasets import shakespeare as corpora
from core.datasets.batch import Batch
from core.datasets.pretraining import HeldOut, TokenBlocks, unigram_entropy
from core.diagnostics.doctor import diagnose
from core.diagnostics.finding import Finding
from core.diagnostics.run_log import scatter
from core.linear_cross_entropy import linear_cross_entropy
from core.model import GPT
from core.roots import shipped
from core.stages import pretrain
from core.stages.pretrain import PretrainConfig, named_tokenizer
from core.training.failure import Failure
from core.training.loop import NotFinite, fit, mean_loss
from core.training.run_directory import Status

Hidden = Callable[[GPT, Tensor], Tensor]  # the residual stream (B, T, C) of tokens (B, T)
HELD_OUT_TEXT = 20_000  # characters to measure on
REPORT_EVERY = 20  # steps
HIGH_RATE = 0.1  # which this model learns at if a warm-up leads to it
RECIPE: dict[str, Any] = dict(n_layer=2, n_head=2, n_embd=64, block_size=32, batch_size=16, max_steps=240)
RECIPE |= dict(corpus="shakespeare-1mb", learning_rate=0.01, warmup_steps=20, eval_interval=100, snapshots=0)
RECIPE |= dict(device="cpu", optimizer="muon")


def shuffle_tokens(ids: list[int]) -> list[int]:
    """The text in a random order: nothing is left to learn but how frequent each token is."""
    return [ids[i] for i in np.random.default_rng(0).permutation(len(ids))]


def leaky_hidden(model: GPT, idx: Tensor) -> Tensor:
    """With a mask that is one diagonal too wide: each position sees the token that it should predict."""
    B, T = idx.shape
    sees = torch.ones(T, T, dtype=torch.bool).tril(1).expand(B, 1, T, T)
    return model.hidden(idx, layout=(torch.arange(T).expand(B, T), sees))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a training."""

    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)  # of its settings
    order: Callable[[list[int]], list[int]] = list  # of the text's tokens
    hidden: Hidden = GPT.hidden


HEALTHY = Fault("Nothing is wrong")
FAULTS = {
    "rate_too_high": Fault("The learning rate is too high", {"learning_rate": 1.0}),
    "rate_too_low": Fault("The learning rate is too low", {"learning_rate": 1e-4}),
    "no_warmup": Fault("There is no warm-up", {"learning_rate": HIGH_RATE, "warmup_steps": 0}),
    "tiny_batch": Fault("The batch is tiny", {"batch_size": 1}),
    "shuffled_text": Fault("The text is not in its order", order=shuffle_tokens),
    "leaky_mask": Fault("The mask lets a position see its target", hidden=leaky_hidden),
}


@dataclass(frozen=True)
class Material:
    """What all trainings share."""

    config: PretrainConfig
    vocab_size: int
    ids: list[int]
    held_out: HeldOut


@dataclass(frozen=True)
class FailingRun:
    """What was seen of a training. Losses are in nats a token."""

    losses: list[float]  # one a step, until the last step or the one at which it was no number any more
    held_out: float  # on text that it has not seen, and with a mask that hides what comes
    scatter: float  # standard deviation of the loss around its level, at the end
    leak: float  # largest change of a logit when a token *after* it is another one; 0 in a causal model
    finding: Finding | None  # the doctor's first one

    @property
    def last(self) -> float:
        """Mean loss of the last steps."""
        return float(np.mean(self.losses[-REPORT_EVERY:]))


def read_material(**changes: Any) -> Material:
    """The text and the settings of a training in which nothing is wrong."""
    config = PretrainConfig.from_dict(
        PretrainConfig.preset("tiny").to_dict() | RECIPE | {"tokenizer": shipped("bard-tiny")} | changes
    )
    corpus, tokenizer = corpora.load(config.corpus), named_tokenizer(config)
    held_out = HeldOut([corpus.val[0][:HELD_OUT_TEXT]], tokenizer, config.model.block_size, config.fit.batch_size)
    return Material(config, tokenizer.vocab_size, tokenizer.encode_documents(corpus.train), held_out)


def train(material: Material, fault: Fault, mend_at: int = 0) -> Generator[float, None, FailingRun]:
    """Train with this fault; yields the share of the steps that are taken, and returns what was seen.

    mend_at: the step after which nothing is wrong any more; 0: the fault stays.
    """
    last = material.config.fit.max_steps
    phases = [(fault, 0, mend_at or last)] + ([(HEALTHY, mend_at, last)] if mend_at else [])
    torch.manual_seed(material.config.fit.seed)
    model = GPT(replace(material.config.model, vocab_size=material.vocab_size))
    losses, lines = list[float](), list[dict[str, Any]]()
    status = Status("finished", "all steps taken", device="cpu")
    try:
        for phase, first, end in phases:
            settings, batches = settings_of(material, phase).fit, batches_of(material, phase)
            for step in fit(model, batches, partial(summed_loss, phase.hidden), settings, start_step=first):
                losses.append(step.loss)
                lines.append(line_of(step.step, step.loss, step.grad_norm))
                if step.step % REPORT_EVERY == 0:
                    yield step.step / last
                if step.step == end:
                    break
    except NotFinite as error:
        failure = Failure("not finite", error.step, str(error.value), error.metric)
        status = Status("failed", device="cpu", failure=failure)
    references = {"uniform": math.log(material.vocab_size), "unigram": unigram_entropy(material.ids)}
    config = settings_of(material, fault).to_dict()
    findings = diagnose(lines, config, references, status, pretrain.STAGE.doctor_rules)
    return FailingRun(
        losses=losses,
        held_out=mean_loss(model, material.held_out.batches),
        scatter=float(scatter(np.array(losses))[-1]),
        leak=future_leak(model, fault.hidden, batches_of(material, HEALTHY)(0).inputs[:1]),
        finding=findings[0] if findings else None,
    )


def settings_of(material: Material, fault: Fault) -> PretrainConfig:
    return PretrainConfig.from_dict(material.config.to_dict() | dict(fault.changes))


def batches_of(material: Material, fault: Fault) -> TokenBlocks:
    settings = settings_of(material, fault).fit
    return TokenBlocks(fault.order(material.ids), material.config.model.block_size, settings.batch_size, settings.seed)


def line_of(step: int, loss: float, grad_norm: float) -> dict[str, Any]:
    """As it stands in metrics.jsonl."""
    return {"step": step, "loss/train": loss, "grad_norm": grad_norm, "data_wait": 0.0}


def summed_loss(hidden: Hidden, model: GPT, batch: Batch) -> Tensor:
    """Cross-entropy in nats, summed, of a model that looks where `hidden` lets it look."""
    return linear_cross_entropy(
        hidden(model, batch.inputs), model.lm_head.weight, batch.targets, model.config.vocab_size
    )


@torch.inference_mode()
def future_leak(model: GPT, hidden: Hidden, idx: Tensor) -> float:
    """Largest change of any logit before the last token of idx (1, T) when that token is another one."""
    model.eval()
    other = idx.clone()
    other[0, -1] = (idx[0, -1] + 1) % model.config.vocab_size
    before, after = (model.lm_head(hidden(model, tokens))[0, :-1] for tokens in (idx, other))
    return float((before - after).abs().max())
