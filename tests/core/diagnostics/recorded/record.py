"""Record the logs on which the doctor is tested: short trainings, healthy ones and ones broken on purpose.

    python -m tests.core.diagnostics.recorded.record            all of them, some minutes on a laptop
    python -m tests.core.diagnostics.recorded.record spike ...  only these

Each becomes `<name>.jsonl.gz` beside this file: first a line with the configuration, the status at the end and the
references, then one line a step, as the session wrote it, numbers rounded.
"""

import gzip
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from core import checkpoint
from core.datasets import shakespeare as corpora
from core.datasets.batch import Batch
from core.datasets.pretraining import TokenBlocks
from core.model import GPT
from core.stages.pretrain import PretrainConfig, prepare
from core.training.batches import Batches
from core.training.device import total_memory
from core.training.log_lines import read_lines
from core.training.loop import LossFn, language_model_loss
from core.training.run_directory import Run
from core.training.runner import Job, execute

HERE = Path(__file__).parent
CHECKPOINTS = HERE.parents[2] / "checkpoints"
KEPT = ("step", "loss/train", "loss/val", "lr", "grad_norm", "micro_batch_size", "data_wait", "tokens_per_second")
KEPT += ("memory/peak",)

NANO = dict(PretrainConfig.preset("nano").to_dict(), tokenizer=str(CHECKPOINTS / "bard-tiny"), snapshots=0)
SMALL = NANO | dict(n_layer=2, n_head=2, n_embd=64, block_size=32, max_steps=300, warmup_steps=20, eval_interval=100)
SMALL |= dict(save_interval=10_000, device="cpu")
BARD = dict(PretrainConfig.preset("bard").to_dict(), tokenizer=str(CHECKPOINTS / "bard-base"), eval_interval=1000)
ADAMW = SMALL | dict(optimizer="adamw", learning_rate=3e-3)


@dataclass(frozen=True)
class Recipe:
    """A training and what is broken in it."""

    config: dict[str, Any]
    batches: Callable[[Batches], Batches] = lambda batches: batches
    loss_fn: LossFn = language_model_loss
    start_from: str = ""  # a shipped model, for a fine-tuning
    stops: tuple[int, ...] = field(default=())  # steps at which it is stopped, to be resumed


def shuffled(batches: Batches) -> Batches:
    """The text in a random order: nothing is left to learn but how frequent each token is."""
    assert isinstance(batches, TokenBlocks)
    order = torch.randperm(len(batches.ids), generator=torch.Generator().manual_seed(0))
    return TokenBlocks(batches.ids[order].tolist(), batches.block_size, batches.batch_size, batches.seed)


def beginning(count: int) -> Callable[[Batches], Batches]:
    """Only the first `count` tokens of the text."""

    def cut(batches: Batches) -> Batches:
        assert isinstance(batches, TokenBlocks)
        return TokenBlocks(batches.ids[:count].tolist(), batches.block_size, batches.batch_size, batches.seed)

    return cut


def garbage(*steps: int) -> Callable[[Batches], Batches]:
    """Random targets in the batches of these steps."""

    def spoil(batches: Batches) -> Batches:
        def make(step: int) -> Batch:
            batch = batches(step)
            if step not in steps:
                return batch
            noise = torch.randint(512, batch.targets.shape, generator=torch.Generator().manual_seed(step))
            return Batch(batch.inputs, noise)

        return make

    return spoil


def slow(seconds: float) -> Callable[[Batches], Batches]:
    """A disk, or a preparation, that takes its time."""

    def delay(batches: Batches) -> Batches:
        def make(step: int) -> Batch:
            time.sleep(seconds)
            return batches(step)

        return make

    return delay


def room_for_four(model: GPT, batch: Batch) -> torch.Tensor:
    if len(batch.inputs) > 4:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return language_model_loss(model, batch)


RECIPES = {
    "healthy-nano": Recipe(NANO),
    "healthy-adamw": Recipe(ADAMW),
    "healthy-small-batch": Recipe(SMALL | dict(batch_size=2, max_steps=500, learning_rate=3e-3)),
    "healthy-batch-of-one": Recipe(SMALL | dict(batch_size=1, max_steps=500, learning_rate=3e-3)),
    "healthy-bard": Recipe(
        BARD | dict(corpus="shakespeare-1mb", max_steps=60, batch_size=4, block_size=128, warmup_steps=10)
    ),
    "healthy-fine-tune": Recipe(
        BARD | dict(corpus="shakespeare-echo", max_steps=60, batch_size=4, warmup_steps=5, learning_rate=1e-4),
        start_from="bard-base",
    ),
    "healthy-resumed": Recipe(SMALL, stops=(60, 150)),
    "healthy-high-rate": Recipe(SMALL | dict(learning_rate=0.1)),
    "healthy-no-warmup": Recipe(ADAMW | dict(learning_rate=2e-2, warmup_steps=0)),
    "not-finite": Recipe(ADAMW | dict(learning_rate=10.0, weight_decay=1.0, warmup_steps=0)),
    "not-finite-late": Recipe(SMALL | dict(final_learning_rate=10.0, weight_decay=1.0)),
    "spike": Recipe(SMALL, garbage(180, 181)),
    "divergence": Recipe(SMALL | dict(max_steps=400, final_learning_rate=1.0, weight_decay=0.0)),
    "uniform": Recipe(SMALL | dict(learning_rate=1e-7)),
    "unigram": Recipe(SMALL, shuffled),
    "unigram-by-rate": Recipe(ADAMW | dict(learning_rate=0.1)),
    "rate-100x": Recipe(SMALL | dict(learning_rate=1.0)),
    "rate-40x": Recipe(SMALL | dict(learning_rate=0.4, warmup_steps=60)),
    "rate-adamw-300x": Recipe(ADAMW | dict(learning_rate=1.0, warmup_steps=10)),
    "rate-too-low": Recipe(SMALL | dict(learning_rate=1e-4)),
    "rate-adamw-too-low": Recipe(ADAMW | dict(learning_rate=3e-5)),
    "no-warmup": Recipe(SMALL | dict(learning_rate=0.1, warmup_steps=0)),
    "clipping": Recipe(SMALL | dict(grad_clip=0.02)),
    "overfitting": Recipe(SMALL | dict(max_steps=400, eval_interval=40), beginning(4000)),
    "starving": Recipe(SMALL | dict(max_steps=100), slow(0.05)),
    "memory": Recipe(SMALL | dict(max_steps=200, micro_batch_size=16), loss_fn=room_for_four),
}


def references_of(vocab_size: int, ids: torch.Tensor) -> dict[str, float]:
    frequencies = torch.bincount(ids).double() / len(ids)
    return {"uniform": math.log(vocab_size), "unigram": torch.special.entr(frequencies).sum().item()}


@cache
def load_corpus(name: str) -> corpora.Corpus:
    """The corpus with a short validation text, so that evaluations take no longer than the steps."""
    whole = corpora_load(name)
    return replace(whole, val=(whole.val[0][:30_000],))


corpora_load = corpora.load


def record(name: str, recipe: Recipe, directory: Path) -> None:
    run = Run.create(directory / name, "pretrain", recipe.config)
    config = PretrainConfig.from_dict(recipe.config)
    references: dict[str, float] = {}
    stops = list(recipe.stops)

    def prepare_broken(saved: checkpoint.Checkpoint | None, device: torch.device, say: Callable[[str], None]) -> Job:
        if recipe.start_from and saved is None:
            job = prepare(config, checkpoint.load(CHECKPOINTS / recipe.start_from, device), device, say)
        else:
            job = prepare(config, saved, device, say)
        batches = recipe.batches(job.batches)
        ids = getattr(batches, "ids", getattr(job.batches, "ids", None))
        references.update(references_of(job.tokenizer.vocab_size, ids))

        def stopping(step: int) -> Batch:
            if stops and step == stops[0]:
                run.request("stop")
                del stops[0]
            return batches(step)

        return replace(job, batches=stopping, loss_fn=recipe.loss_fn, sample=lambda model: {"prompt": "", "text": ""})

    corpora.load = load_corpus
    for _ in range(1 + len(recipe.stops)):
        status = execute(run, config.fit, prepare_broken)
        run.clear_request()
    lines, _ = read_lines(run.metrics)
    told = dict(state=status.state, step=status.step, device=status.device)
    told |= {"failure": asdict(status.failure)} if status.failure else {"message": status.message}
    facts = {
        "status": told,
        "references": references,
        "memory_total": total_memory(torch.device("cpu")),
    }
    write(HERE / f"{name}.jsonl.gz", [{"config": kept_config(recipe.config)} | facts, *map(rounded, lines)])


def kept_config(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"tokenizer": Path(config["tokenizer"]).name}


def rounded(line: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers stay what they are."""
    there = {key: line[key] for key in KEPT if key in line}
    return {key: value if isinstance(value, int) else float(f"{value:.4g}") for key, value in there.items()}


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.write_bytes(gzip.compress(content.encode(), mtime=0))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for wanted in sys.argv[1:] or RECIPES:
            began = time.perf_counter()
            record(wanted, RECIPES[wanted], Path(temporary))
            sys.stdout.write(f"{wanted} {time.perf_counter() - began:.1f} s\n")
            sys.stdout.flush()
