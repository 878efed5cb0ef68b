"""How long until a model knows tiny Shakespeare: nanoGPT's CPU size, characters, its whole validation text.

The bar is nanoGPT's own: 4 layers, 128 wide, block 64, 2,000 steps of 12 blocks end at a validation loss of 1.88.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from core.datasets.batch import Batch
from core.datasets.pretraining import TokenBlocks
from core.model import GPT, GPTConfig
from core.training.loop import FitConfig, fit, language_model_loss, mean_loss
from core.training.lr_schedule import learning_rate

TARGET = 1.88  # nats a character, as nanoGPT's README gives it
SHAPE: dict[str, Any] = dict(n_layer=4, n_head=4, n_embd=128, block_size=64, vocab_size=65)

# nanoGPT's recipe, and what each change to it brings; the last one is what our presets use.
NANOGPT: dict[str, Any] = dict(
    max_steps=2000, batch_size=12, optimizer="adamw", learning_rate=1e-3, final_learning_rate=1e-4
)
NANOGPT |= dict(warmup_steps=100)
ABLATION: dict[str, dict[str, Any]] = {
    "nanoGPT's recipe": NANOGPT,
    "AdamW at 6e-3 to 0": NANOGPT | dict(max_steps=1000, learning_rate=6e-3, final_learning_rate=0.0, warmup_steps=50),
    "Muon at 1.4e-2 to 0": dict(max_steps=500, batch_size=12, learning_rate=1.4e-2, warmup_steps=20),
}


def characters(path: Path) -> tuple[list[int], Batch]:
    """Training ids, and the validation text (the last tenth) cut into blocks."""
    text = path.read_text(encoding="utf-8")
    ids = {character: id for id, character in enumerate(sorted(set(text)))}
    cut, size = int(0.9 * len(text)), SHAPE["block_size"]
    held_out = torch.tensor([ids[character] for character in text[cut:]])
    whole = (len(held_out) - 1) // size * size
    blocks = Batch(held_out[:whole].view(-1, size), held_out[1 : whole + 1].view(-1, size))
    return [ids[character] for character in text[:cut]], blocks


def ours(path: Path, recipe: dict[str, Any], evaluations: int = 8) -> Iterator[tuple[int, float, float]]:
    """(step, seconds of training, validation loss) at each evaluation."""
    train, held_out = characters(path)
    config = FitConfig(**recipe, device="cpu")
    torch.manual_seed(config.seed)
    model = GPT(GPTConfig(**SHAPE, activation_function="gelu"))
    batches = TokenBlocks(train, SHAPE["block_size"], config.batch_size, config.seed)
    seconds = 0.0
    for log in fit(model, batches, language_model_loss, config):
        seconds += log.seconds
        if log.step % max(1, config.max_steps // evaluations) == 0:
            yield log.step, seconds, mean_loss(model, held_out.split(256))


def nanogpt(path: Path, theirs: Any) -> Iterator[tuple[int, float, float]]:
    """The same for nanoGPT's own model and optimiser; `theirs` is its model.py."""
    train, held_out = characters(path)
    ids, size = torch.tensor(train), SHAPE["block_size"]
    torch.manual_seed(1337)
    model = theirs.GPT(theirs.GPTConfig(**SHAPE, dropout=0.0, bias=False))
    config = FitConfig(**NANOGPT)
    optimizer = model.configure_optimizers(0.1, config.learning_rate, (0.9, 0.99), "cpu")
    seconds = 0.0
    for step in range(config.max_steps):
        began = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, 1e-3, 1e-4, config.warmup_steps, config.max_steps)
        starts = torch.randint(len(ids) - size, (config.batch_size,)).tolist()
        inputs = torch.stack([ids[start : start + size] for start in starts])
        targets = torch.stack([ids[start + 1 : start + 1 + size] for start in starts])
        _, loss = model(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        seconds += time.perf_counter() - began
        if (step + 1) % (config.max_steps // 8) == 0:
            yield step + 1, seconds, loss_of(model, held_out)


@torch.inference_mode()
def loss_of(model: Any, held_out: Batch) -> float:
    total = 0.0
    for part in held_out.split(256):
        logits, _ = model(part.inputs, part.targets)
        total += F.cross_entropy(logits.flatten(0, 1), part.targets.flatten(), reduction="sum").item()
    return total / held_out.n_targets
