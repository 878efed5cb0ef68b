"""Measure a checkpoint on held-out data."""

from typing import Any

from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.data.classification import Encoded, Labelled
from core.data.corpus import Corpus
from core.data.pretraining import HeldOut
from core.model import GPT
from core.train.loop import held_out_metrics
from core.train.scores import Scores, majority, score


def bits_per_byte(checkpoint: Checkpoint[GPT], corpus: Corpus, batch_size: int = 16) -> float:
    """Bits that the model needs for a byte of the corpus's validation text; lower is better."""
    model = checkpoint.model
    held_out = HeldOut(corpus.val, checkpoint.tokenizer, model.config.block_size, batch_size)
    return held_out_metrics(model, held_out)["bpb/val"]


def classification(
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
    return described(score(model, encoded.all(batch_size)), labelled)


def majority_class(labelled: Labelled) -> dict[str, Any]:
    """The same measures for who always answers the commonest class of the training texts."""
    train, val = ([example.label for example in part] for part in (labelled.train, labelled.val))
    return described(majority(train, val, len(labelled.labels)), labelled)


def described(scores: Scores, labelled: Labelled) -> dict[str, Any]:
    recall = {
        label: float(share)
        for label, share, count in zip(labelled.labels, scores.recall, scores.confusion.sum(1), strict=True)
        if count
    }
    return {"accuracy": scores.accuracy, "f1": scores.f1, "recall": recall, "confusion": scores.confusion.tolist()}
