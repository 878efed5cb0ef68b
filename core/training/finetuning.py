"""Fine-tuning begins at a parent: all of its weights learn, or a small change of them (core/lora.py)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core import checkpoint, lora
from core.chat_template import AUTO, describe_added, with_padding, with_template
from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.config import Config, setting
from core.model import GPT, set_dropout
from core.roots import shipped

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneConfig(Config):
    """What of the parent learns."""

    parent: str = setting(shipped("bard-base"), "The checkpoint to start from", refers="checkpoint", fixed=True)
    method: str = setting(
        "full",
        "full: all weights learn; lora: a small change of each matrix learns, which takes less memory",
        choices=("full", "lora"),
        fixed=True,
    )
    lora_rank: int = setting(16, "LoRA: rank of the change; more can say more", low=1, high=1024, fixed=True)
    lora_alpha: float = setting(32.0, "LoRA: weight of the change is alpha / rank", low=0.0, high=10_000.0, fixed=True)
    dropout: float = setting(0.0, "Share of activations zeroed in training against overfitting", low=0.0, high=0.9)


def load_with_turns(directory: Path, device: torch.device, template: str = AUTO) -> Checkpoint[GPT]:
    """A language model whose vocabulary has a chat template, and the special tokens that it needs: new ones start at
    the mean of the others. Raises ValueError if it cannot be read."""
    loaded = checkpoint.load(directory, device)
    tokenizer = with_template(loaded.tokenizer, template)
    if tokenizer.vocab_size > loaded.tokenizer.vocab_size:
        log.info("%s", describe_added(loaded.tokenizer, tokenizer))
        loaded.model.grow_vocabulary(tokenizer.vocab_size)
    return replace(loaded, tokenizer=tokenizer)


def language_model(
    config: FinetuneConfig, saved: Path | None, device: torch.device, seed: int, template: str = AUTO
) -> Checkpoint[GPT]:
    """The model to train: the parent, or the saved step of a run that goes on; the card is the parent's.

    It has a chat template, see `load_with_turns`. Raises ValueError if the parent cannot be read, or has changed since
    the run began while its weights are needed.
    """
    parent = Path(config.parent)
    use_lora = config.method == "lora"
    start = load_with_turns(parent if use_lora or saved is None else saved, device, template)
    set_dropout(start.model, config.dropout)
    if use_lora:
        torch.manual_seed(seed)
        lora.add(start.model, config.lora_rank, config.lora_alpha)
        if saved:
            check_unchanged(parent, parent_digest(config, saved))
            lora.load(saved, start.model)
    return start


def classifier(
    config: FinetuneConfig,
    labels: Sequence[str],
    saved: Path | None,
    device: torch.device,
    seed: int,
    rates_answers: bool = False,
) -> Checkpoint[SequenceClassifier]:
    """The same for a classifier that begins with the transformer of a language model, and a score that is new.

    rates_answers: it reads conversations, so that its vocabulary has a chat template, and a token to pad with that no
    answer ends with. Others read plain texts, and have no template.
    """
    use_lora = config.method == "lora"
    if saved and not use_lora:
        start = checkpoint.load_classifier(saved, device)
        set_dropout(start.model, config.dropout)
        return start
    parent = Path(config.parent)
    if rates_answers:
        language = load_with_turns(parent, device)
        tokenizer = with_padding(language.tokenizer)
        language.model.grow_vocabulary(tokenizer.vocab_size)
    else:
        language = checkpoint.load(parent, device)
        tokenizer = language.tokenizer.extended([], None)
    model = SequenceClassifier.from_language_model(language.model, labels, seed)
    set_dropout(model, config.dropout)
    if use_lora:
        torch.manual_seed(seed)
        lora.add(model, config.lora_rank, config.lora_alpha)
        model.score.requires_grad_(True)
    if saved:
        check_unchanged(parent, parent_digest(config, saved))
        lora.load(saved, model)
        model.score.load_state_dict(checkpoint.load_classifier(saved, device).model.score.state_dict())
    return Checkpoint(model, tokenizer, language.card)


def reference_model(config: FinetuneConfig, saved: Path | None, device: torch.device) -> tuple[GPT, str | None]:
    """The parent as it was when the run began, frozen, and its digest: what a policy must not move far away from.

    Raises ValueError if it has changed since.
    """
    parent, digest = Path(config.parent), parent_digest(config, saved)
    if saved:
        check_unchanged(parent, digest)
    return load_with_turns(parent, device).model.requires_grad_(False), digest


def parent_digest(config: FinetuneConfig, saved: Path | None) -> str | None:
    """sha256 of the parent's weights as they were when the run began."""
    if saved:
        return checkpoint.read_card(saved / "card.json").data.get("parent_sha256")
    return checkpoint.weights_digest(Path(config.parent))


def check_unchanged(parent: Path, digest: str | None) -> None:
    if checkpoint.weights_digest(parent) != digest:
        raise ValueError(
            f"{parent} has changed since this run began, and its weights are needed to go on: "
            "put the old ones back, or begin a new run"
        )
