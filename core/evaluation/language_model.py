"""How well a model knows a language: bits per byte of text that it has not seen.

Perplexity, the exponential of the loss per token, depends on the vocabulary; bits per byte can be compared across them.
"""

from core.checkpoint import Checkpoint
from core.datasets.pretraining import HeldOut
from core.datasets.shakespeare import Corpus
from core.model import GPT
from core.training.loop import held_out_metrics


def bits_per_byte(checkpoint: Checkpoint[GPT], corpus: Corpus, batch_size: int = 16) -> float:
    """Bits that the model needs for a byte of the corpus's validation text; lower is better."""
    model = checkpoint.model
    held_out = HeldOut(corpus.val, checkpoint.tokenizer, model.config.block_size, batch_size)
    return held_out_metrics(model, held_out)["bpb/val"]
