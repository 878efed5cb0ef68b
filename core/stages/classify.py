"""Classification fine-tuning: a model that has learned a language learns to name the class of a text."""

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch

from core import checkpoint
from core.checkpoint import Card, Checkpoint
from core.classifier import SequenceClassifier
from core.config import Config, setting
from core.datasets import classification
from core.datasets.classification import Encoded, Example, Labelled, TextBatches, one_of_each
from core.datasets.labelled_files import Columns
from core.datasets.look import look_at_labelled
from core.datasets.pretraining import unigram_entropy
from core.datasets.preview import Preview, read_facts, show_read_at_end
from core.datasets.records import ENDINGS
from core.diagnostics.verdict import classify_verdict
from core.evaluation.classification import classification_loss, majority, score
from core.roots import shipped
from core.stages.base import HELD_OUT, Metric, Presets, Stage
from core.stages.metrics import HELD_OUT_CASES
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig, classifier, parent_digest
from core.training.loop import FitConfig
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
SHOWN = 5  # held-out texts of different classes in a sample
EVALUATED_AT_ONCE = 32  # texts

# For the shipped bard-base and speeches: a few minutes on two CPU cores. It has read the plays that it learns from and
# knows them again, so that after some 150 steps it does no better on others. The less is trained, the larger the steps.
COMMON: dict[str, Any] = dict(optimizer="adamw", max_steps=150, batch_size=16, warmup_steps=15, eval_interval=50)
COMMON |= dict(save_interval=50, keep_steps=1, snapshots=0, keep_best=True)
RECIPES: dict[str, dict[str, Any]] = {
    "head": COMMON | dict(learning_rate=1e-2),
    "last-block": COMMON | dict(learning_rate=1e-3),
    "all": COMMON | dict(learning_rate=3e-4),
    "lora": COMMON | dict(learning_rate=2e-3),
}


@dataclass(frozen=True)
class ClassifyConfig(Config):
    """Everything that decides what a classification fine-tuning makes."""

    parent: str = setting(
        shipped("bard-base"), "Path of the language model to start from", refers="checkpoint", fixed=True
    )
    data: str = setting(
        "genre",
        "genre = speeches of Shakespeare's plays; or a file of texts with labels: a table, JSON or parquet",
        refers="corpus",
        fixed=True,
    )
    text_column: str = setting(
        "",
        "Column of the texts, or several with + between; empty = the one with a usual name",
        refers="column",
        fixed=True,
    )
    label_column: str = setting(
        "", "Column of the labels; empty = the one with a usual name", refers="column", fixed=True
    )
    val_data: str = setting(
        "", "File of texts to measure on while it learns; empty = a share of data", refers="corpus", fixed=True
    )
    test_data: str = setting(
        "", "File of texts to measure on once, at the end; empty = none", refers="corpus", fixed=True
    )
    train_what: str = setting(
        "all",
        "head: the new scores alone; last-block: also the last block and norm; all: everything; "
        "lora: the scores, and a small change of every matrix",
        choices=tuple(RECIPES),
        fixed=True,
        title="What learns",
    )
    lora_rank: int = setting(8, "LoRA: rank of the change of a matrix", low=1, high=1024, fixed=True)
    lora_alpha: float = setting(16.0, "LoRA: the change counts alpha / rank times", low=0.0, high=10_000, fixed=True)
    dropout: float = setting(0.1, "Share of activations zeroed in training against overfitting", low=0.0, high=0.9)
    val_share: float = setting(0.1, "Share of a file's texts held out to measure on", low=0.01, high=0.9, fixed=True)
    skip_bad_lines: bool = setting(
        False, "Leave out lines that cannot be used instead of refusing the file", fixed=True
    )
    max_tokens: int = setting(
        128, "Longest text; of a longer one the end is cut off. 0 = the whole context", low=0, fixed=True
    )
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPES["all"]))

    @property
    def adapt(self) -> FinetuneConfig:
        method = "lora" if self.train_what == "lora" else "full"
        return FinetuneConfig(
            str(Path(self.parent).expanduser()), method, self.lora_rank, self.lora_alpha, self.dropout
        )

    @classmethod
    def preset(cls, train_what: str, **changes: Any) -> Self:
        """The recipe that suits what is trained, with `changes`."""
        if train_what not in RECIPES:
            raise ValueError(f"train_what must be one of {', '.join(RECIPES)}, got {train_what!r}")
        return cls.from_dict({"train_what": train_what} | RECIPES[train_what] | changes)


def prepare(config: ClassifyConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The fine-tuning that `config` describes, from its parent or from a saved step."""
    say(f"reading the labelled texts {config.data}")
    fit = config.fit
    labelled = read(config)
    start = starting_model(config, saved, labelled, device)
    model, tokenizer = start.model, start.tokenizer
    choose_trained(model, config.train_what)
    say("turning the texts into tokens")
    max_tokens = min(config.max_tokens or model.config.block_size, model.config.block_size)
    train, val = (Encoded(part, tokenizer, max_tokens) for part in (labelled.train, labelled.val))
    for problem in labelled.problems:
        log.info("%s: %s", labelled.name, problem)
    if n_cut := train.n_cut + val.n_cut:
        log.info("%s: %d texts have more than %d tokens, their end is cut off", labelled.name, n_cut, max_tokens)
    held_out = val.all(fit.micro_batch_size or EVALUATED_AT_ONCE)
    n_classes = len(labelled.labels)
    base = majority(train.labels, val.labels, n_classes)

    def evaluate(model: SequenceClassifier) -> dict[str, float]:
        scores = score(model, held_out, fit.dtype)
        metrics = {"loss/val": scores.loss, "accuracy/val": scores.accuracy, "f1/val": scores.f1}
        return metrics | {"accuracy/majority": base.accuracy} | labelled.cases

    def sample(model: SequenceClassifier) -> dict[str, str]:
        return {
            "prompt": "",
            "text": describe(model, tokenizer, labelled, one_of_each(labelled.val)[:SHOWN], max_tokens),
        }

    def report(model: SequenceClassifier) -> dict[str, float]:
        measured = evaluate(model)
        if labelled.test:
            last = score(model, Encoded(labelled.test, tokenizer, max_tokens).all(EVALUATED_AT_ONCE), fit.dtype)
            measured |= {"accuracy/test": last.accuracy, "f1/test": last.f1, "n/texts/test": len(labelled.test)}
        return measured

    references = {"uniform": math.log(n_classes), "majority": unigram_entropy(train.labels)}
    batches = TextBatches(train, fit.batch_size, fit.seed)
    return Job(
        model=model,
        tokenizer=tokenizer,
        batches=batches,
        loss_fn=classification_loss,
        config=fit,
        card=start.card,
        evaluate=evaluate,
        sample=sample,
        references=references,
        report=report if labelled.test else None,
    )


def read(config: ClassifyConfig) -> Labelled:
    return classification.load(
        config.data,
        config.val_share,
        config.fit.seed,
        config.skip_bad_lines,
        Columns(config.text_column, config.label_column),
        config.val_data,
        config.test_data,
    )


def starting_model(
    config: ClassifyConfig, saved: Path | None, labelled: Labelled, device: torch.device
) -> Checkpoint[SequenceClassifier]:
    """The parent with a new score in place of its head, or the saved step."""
    if saved:
        last = checkpoint.read_card(saved / "card.json")
        if checkpoint.labels(saved) != list(labelled.labels):
            raise ValueError(f"the labels of {config.data} are no longer those that were learned: begin a new run")
        if (before := last.config["train_what"]) != config.train_what:
            raise ValueError(f"train_what cannot change in a run: it was {before}, got {config.train_what}")
    parent, adapt = Path(config.parent).expanduser(), config.adapt
    start = classifier(adapt, labelled.labels, saved, device, config.fit.seed)
    data: dict[str, Any] = {
        "data": labelled.name,
        "sha256": labelled.digest,
        "vocabulary_sha256": start.tokenizer.digest,
    }
    data |= {"parent_sha256": parent_digest(adapt, saved)}
    return replace(start, card=Card("classify", parent.name, config=config.to_dict(), data=data))


def choose_trained(model: SequenceClassifier, train_what: str) -> None:
    """Freeze what is not to learn: it needs no gradient and no optimiser state."""
    if train_what in ("head", "last-block"):
        model.requires_grad_(False)
    if train_what == "last-block":
        model.blocks[-1].requires_grad_(True)
        model.transformer.ln_f.requires_grad_(True)
    model.score.requires_grad_(True)


def describe(
    model: SequenceClassifier, tokenizer: Tokenizer, labelled: Labelled, examples: Sequence[Example], max_tokens: int
) -> str:
    """For each text, how it begins, its class, and what the model says: `[right] comedy: ... comedy 71 %, ...`.

    The model reads as far as it does in training.
    """
    lines = []
    for text, label in examples:
        likely = model.predict(tokenizer.encode(text)[:max_tokens])
        ranked = sorted(likely, key=lambda name: -likely[name])[:3]
        verdict = "right" if ranked[0] == labelled.labels[label] else "wrong"
        beginning = " ".join(text.split())
        beginning = beginning[:80] + ("…" if len(beginning) > 80 else "")
        answers = ", ".join(f"{name} {likely[name]:.0%}" for name in ranked)
        lines.append(f"{beginning}\n{labelled.labels[label]}; the model: {answers} ({verdict})")
    return "\n\n".join(lines)


def preview(config: ClassifyConfig) -> Preview:
    files = (Path(name).expanduser() for name in (config.data, config.val_data, config.test_data))
    changed = tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in files)
    return cached_preview(replace(config, fit=STAGE.config().fit), changed)


@functools.lru_cache(maxsize=8)
def cached_preview(config: ClassifyConfig, changed: tuple[int, ...]) -> Preview:
    labelled, parent = read(config), config.parent
    tokenizer, block_size = Tokenizer.load(parent), checkpoint.read_config(Path(parent) / "config.json").block_size
    found = classification.preview(labelled, tokenizer, min(ClassifyConfig.max_tokens, block_size))
    return Preview(
        [
            *read_facts(labelled.recognised),
            *((label, f"{learned:,} + {held_out:,}") for label, (learned, held_out) in found.counts.items()),
            ("too long, their end cut off", found.n_too_long),
        ],
        [show_read_at_end(tokenizer, e.ids, "class", f"Class: {e.label}", e.n_cut) for e in found.examples],
        "Texts of each class: to learn from + held out. The class is read at the last token, which saw all.",
        labelled.problems,
        mean_length=found.mean_length,
    )


STAGE = Stage(
    "classify",
    "Classify",
    "Teach a language model to name the class of a text.",
    ClassifyConfig,
    prepare,
    lesson="From a language model to one that sorts texts: a new head reads the state at a text's last token.",
    stem="classes",
    held_out=read,
    loss_unit="nats per text",
    metrics=(
        Metric(
            "accuracy/val",
            "accuracy",
            "share",
            HELD_OUT,
            "held-out accuracy",
            panel="accuracy",
            late=True,
            counted=HELD_OUT_CASES,
        ),
        Metric(
            "accuracy/majority", "accuracy", "share", HELD_OUT, "", "always the commonest class", "accuracy", late=True
        ),
        # from 0 to 1, but no share of anything
        Metric("f1/val", "macro F1 (share)", "", HELD_OUT, "macro F1", "macro F1", late=True),
        Metric(
            "accuracy/test",
            "accuracy",
            "share",
            HELD_OUT,
            "accuracy on the test file",
            "test file",
            late=True,
            counted=("n/texts/test",),
        ),
        Metric("f1/test", "macro F1 (share)", "", HELD_OUT, "macro F1 on the test file", "test file", late=True),
    ),
    verdict=classify_verdict,
    main_settings=("parent", "data", "text_column", "label_column", "train_what", "max_steps", "learning_rate"),
    offers=(classification.GENRE,),
    files=ENDINGS,
    presets=Presets("train_what", RECIPES, ClassifyConfig.train_what),
    look=look_at_labelled,
    preview=preview,
)
