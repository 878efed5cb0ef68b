"""Measure a checkpoint on held-out data."""

from core.checkpoint import Checkpoint
from core.data.corpus import Corpus
from core.data.pretraining import HeldOut
from core.train.loop import held_out_metrics


def bits_per_byte(checkpoint: Checkpoint, corpus: Corpus, batch_size: int = 16) -> float:
    """Bits that the model needs for a byte of the corpus's validation text; lower is better."""
    model = checkpoint.model
    held_out = HeldOut(corpus.val, checkpoint.tokenizer, model.config.block_size, batch_size)
    return held_out_metrics(model, held_out)["bpb/val"]
