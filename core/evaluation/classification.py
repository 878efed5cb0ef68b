"""How well a classifier does on held-out texts: loss, accuracy, F1, and what confuses it.

Shapes: L classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier, last_tokens
from core.datasets.batch import Batch
from core.datasets.classification import Encoded, Labelled
from core.training.device import autocast


@dataclass(frozen=True)
class Scores:
    """What came of a held-out text of each class. confusion: (L, L) counts, rows true classes, columns answers."""

    confusion: np.ndarray
    loss: float  # nats a text

    @property
    def accuracy(self) -> float:
        return float(self.confusion.trace() / self.confusion.sum())

    @property
    def recall(self) -> np.ndarray:
        """(L,): the share of each class's texts that were recognised; NaN for a class without a text."""
        with np.errstate(invalid="ignore"):
            shares: np.ndarray = self.confusion.diagonal() / self.confusion.sum(1)
        return shares

    @property
    def f1(self) -> float:
        """Macro F1: 2 right / (texts of the class + answers of it), the mean over all classes that occur in either."""
        either = self.confusion.sum(0) + self.confusion.sum(1)
        occurs = either > 0
        return float((2 * self.confusion.diagonal()[occurs] / either[occurs]).mean())


@torch.inference_mode()
def score(model: SequenceClassifier, batches: Iterable[Batch], dtype: str = "float32") -> Scores:
    """Measure `model` on all texts of `batches`, dropout off."""
    model.eval()
    true: list[int] = []
    answers: list[int] = []
    loss = 0.0
    for batch in batches:
        on_device = batch.to(model.device)
        last = last_tokens(on_device.targets)
        classes = on_device.targets.gather(1, last[:, None])[:, 0]
        with autocast(model.device, dtype):
            scores = model(on_device.inputs, last)
        loss += F.cross_entropy(scores, classes, reduction="sum").item()
        true += classes.tolist()
        answers += scores.argmax(1).tolist()
    return Scores(confusion(true, answers, len(model.labels)), loss / len(true))


def confusion(true: Sequence[int], answers: Sequence[int], n_classes: int) -> np.ndarray:
    table = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(table, (true, answers), 1)
    return table


def majority(train: Sequence[int], val: Sequence[int], n_classes: int) -> Scores:
    """What it scores to answer the commonest class of the training texts always, with the classes' shares for odds."""
    shares = np.bincount(train, minlength=n_classes) / len(train)
    loss = -float(np.log(shares[list(val)]).mean())
    return Scores(confusion(val, [int(shares.argmax())] * len(val), n_classes), loss)


def classification_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy in nats, summed over the texts."""
    loss: torch.Tensor = model.summed_loss(batch.inputs, batch.targets)
    return loss


def evaluate_classifier(
    checkpoint: Checkpoint[SequenceClassifier], labelled: Labelled, batch_size: int = 32
) -> dict[str, Any]:
    """How the classifier does on the held-out texts: {"accuracy", "f1" (macro), "recall" {label: share},
    "confusion" (rows true classes, columns answers)}.

    Raises ValueError if its labels are not those of the texts.
    """
    model = checkpoint.model
    if model.labels != labelled.labels:
        raise ValueError(
            f"the classifier knows {', '.join(model.labels)}, but the texts are labelled {', '.join(labelled.labels)}: "
            "measure it on texts with its own labels"
        )
    max_tokens = checkpoint.card.config.get("max_tokens") or model.config.block_size
    encoded = Encoded(labelled.val, checkpoint.tokenizer, min(max_tokens, model.config.block_size))
    return describe_scores(score(model, encoded.all(batch_size)), labelled)


def majority_class(labelled: Labelled) -> dict[str, Any]:
    """The same measures for who always answers the commonest class of the training texts."""
    train, val = ([example.label for example in part] for part in (labelled.train, labelled.val))
    return describe_scores(majority(train, val, len(labelled.labels)), labelled)


def describe_scores(scores: Scores, labelled: Labelled) -> dict[str, Any]:
    recall = {
        label: float(share)
        for label, share, count in zip(labelled.labels, scores.recall, scores.confusion.sum(1), strict=True)
        if count
    }
    return {"accuracy": scores.accuracy, "f1": scores.f1, "recall": recall, "confusion": scores.confusion.tolist()}
