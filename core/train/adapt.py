"""Fine-tuning begins at a parent: all of its weights learn, or a small change of them (core/lora.py)."""

from dataclasses import dataclass
from pathlib import Path

import torch

from core import checkpoint, lora
from core.checkpoint import Checkpoint
from core.config import Config, setting
from core.model import GPT, set_dropout


@dataclass(frozen=True)
class AdaptConfig(Config):
    """What of the parent learns."""

    parent: str = setting("checkpoints/bard-base", "The checkpoint to start from")
    method: str = setting(
        "full",
        "full: all weights learn; lora: a small change of each matrix learns, which takes less memory",
        choices=("full", "lora"),
    )
    lora_rank: int = setting(16, "LoRA: rank of the change; more can say more", low=1, high=1024)
    lora_alpha: float = setting(32.0, "LoRA: weight of the change is alpha / rank", low=0.0, high=10_000.0)
    dropout: float = setting(0.0, "Share of activations zeroed in training against overfitting", low=0.0, high=0.9)


def language_model(config: AdaptConfig, saved: Path | None, device: torch.device, seed: int) -> Checkpoint[GPT]:
    """The model to train: the parent, or the saved step of a run that goes on; the card is the parent's.

    Raises ValueError if the parent cannot be read, or has changed since the run began while its weights are needed.
    """
    parent = Path(config.parent)
    use_lora = config.method == "lora"
    start = checkpoint.load(parent if use_lora or saved is None else saved, device)
    set_dropout(start.model, config.dropout)
    if use_lora:
        torch.manual_seed(seed)
        lora.add(start.model, config.lora_rank, config.lora_alpha)
        if saved:
            check_unchanged(parent, parent_digest(config, saved))
            lora.load(saved, start.model)
    return start


def parent_digest(config: AdaptConfig, saved: Path | None) -> str | None:
    """sha256 of the parent's weights as they were when the run began."""
    if saved:
        return checkpoint.read_card(saved / "card.json").data.get("parent_sha256")
    return checkpoint.weights_digest(Path(config.parent))


def check_unchanged(parent: Path, digest: str | None) -> None:
    if checkpoint.weights_digest(parent) != digest:
        raise ValueError(
            f"{parent} has changed since this run began, and a LoRA run goes on from its parent's weights: "
            "put the old ones back, or begin a new run"
        )
