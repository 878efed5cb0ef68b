"""How well a classifier does on held-out texts: loss, accuracy, F1, and what confuses it.

Shapes: L classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.classifier import SequenceClassifier, last_tokens
from core.data.batch import Batch
from core.train.device import autocast


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
            return self.confusion.diagonal() / self.confusion.sum(1)

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
    return model.summed_loss(batch.inputs, batch.targets)
