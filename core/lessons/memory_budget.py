"""What fits on a card: configurations of GPT-2 whose memory can be guessed, and the plan of each, part by part.

The numbers are those of core/training/planning/memory.py, which every training is planned with.
"""

from dataclasses import dataclass
from typing import Any

from core.model import GPTConfig
from core.training.loop import FitConfig
from core.training.planning.memory import FLOAT, GIB, MemoryPlan, n_weights, plan, usable_bytes

CARD_GB = 16.0
PARTS = ("weights", "gradients", "optimizer", "activations", "copies", "logits")
BLOCK = 2048  # numbers that share a scale, of an average in 8 bits: Dettmers et al. 2022, arXiv:2110.02861, section 2
ADAMW: dict[str, Any] = dict(optimizer="adamw", batch_size=16)
ONE_AT_A_TIME: dict[str, Any] = dict(micro_batch_size=1, recompute=True)


@dataclass(frozen=True)
class Configuration:
    """A training whose memory is asked for."""

    title: str
    short: str  # the same in a word or two
    model: GPTConfig
    fit: FitConfig

    @property
    def plan(self) -> MemoryPlan:
        return plan(self.model, self.fit, "cuda")

    @property
    def fits(self) -> bool:
        return self.plan.peak <= usable_bytes(CARD_GB, "cuda")


def gpt2(size: str, title: str, short: str, **changes: Any) -> Configuration:
    return Configuration(title, short, GPTConfig.preset(size), FitConfig(**ADAMW | changes))


CONFIGURATIONS = {
    "whole": gpt2("gpt2", "GPT-2 (124M), 16 texts of 1,024 tokens at once", "at once"),
    "micro": gpt2("gpt2", "The same 16 texts, in micro-batches of 4", "by fours", micro_batch_size=4),
    "recompute": gpt2("gpt2", "The same 16 texts at once, blocks computed again", "recomputed", recompute=True),
    "large": gpt2("gpt2-large", "GPT-2 large (774M), one text at a time, computed again", "large", **ONE_AT_A_TIME),
    "xl": gpt2("gpt2-xl", "GPT-2 XL (1.6B), one text at a time, computed again", "XL", **ONE_AT_A_TIME),
}
# Small enough to be trained for two steps while one waits, with activations as the largest part.
SMALL = Configuration(
    "4 layers of width 128, 8 texts of 512 tokens, on the CPU",
    "small",
    GPTConfig(n_layer=4, n_head=2, n_embd=128, block_size=512, vocab_size=500),
    FitConfig(optimizer="adamw", batch_size=8, device="cpu"),
)


def gib(size: float) -> float:
    return size / GIB


def parts(planned: MemoryPlan) -> dict[str, float]:
    """GiB of each part. They are not all there at once, so their sum is more than the peak."""
    return {name: gib(getattr(planned, name)) for name in PARTS}


def eight_bit_optimizer(model: GPTConfig) -> int:
    """Bytes of AdamW's two averages if each number took 8 bits, and each BLOCK of them a float32 as its scale."""
    numbers = 2 * n_weights(model)
    return numbers + FLOAT * -(-numbers // BLOCK)
