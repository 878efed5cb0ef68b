"""Ours beside its peers on a GPU: training through `fit` as a run has it, and generation. One row a contender.

All runs in this process, one after the other, each from an empty memory. A peer that fails is a row that says so.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from core import generate
from core.datasets.batch import Batch
from core.generate import Sampling
from core.model import GPT, GPTConfig
from core.presets import PRESETS
from core.training.device import describe_gpu, peak_flops
from core.training.loop import FitConfig, fit, language_model_loss
from tests.benchmarks import work

DEVICE = torch.device("cuda")
FULL = GPTConfig.preset("gpt2")
ROWS = 32  # sequences a step, of 1,024 tokens
STEPS, WARM_UP = 9, 4
PROMPT, NEW = 64, 128

Row = dict[str, Any]


def training(nanogpt: Path | None) -> Iterator[Row]:
    """124M: all of our ways, and the peers'."""
    for name, changes in (
        ("ours, eager", dict(compile="off")),
        ("ours, compiled", dict(compile="on")),
        ("ours, compiled, Muon", dict(compile="on", optimizer="muon")),
        ("ours, compiled, micro-batches of 4", dict(compile="on", micro_batch_size=4)),
    ):
        yield attempt(name, partial(our_training, FULL, ROWS, **changes))
    for compiled in (False, True) if nanogpt else ():
        build = partial(work.nanogpt_training, FULL, ROWS, DEVICE.type, nanogpt, compiled)
        yield attempt(f"nanoGPT, {'compiled' if compiled else 'eager'}", partial(timed_training, build, FULL, ROWS))
    for compiled in (False, True):
        build = partial(work.transformers_training, FULL, ROWS, DEVICE.type, compiled)
        yield attempt(
            f"transformers, {'compiled' if compiled else 'eager'}", partial(timed_training, build, FULL, ROWS)
        )


def small(nanogpt: Path | None) -> Iterator[Row]:
    """Models that are bound by launches, with their own recipes."""
    for name in ("nano", "bard"):
        recipe = PRESETS[name].recipe
        config = GPTConfig.preset(name, dropout=recipe.get("dropout", 0.0))
        yield attempt(f"ours, {name}", partial(our_training, config, recipe["batch_size"], steps=60, optimizer="muon"))


def generation(nanogpt: Path | None) -> Iterator[Row]:
    """124M, NEW tokens after PROMPT."""
    greedy, sampled = Sampling(NEW, temperature=0), Sampling(NEW)
    for B, name, sampling in (
        (1, "greedy", greedy),
        (1, "temperature 0.8, top-p 0.95", sampled),
        (1, "the same, four times as long", replace(sampled, max_new_tokens=4 * NEW)),
        (16, "greedy", greedy),
        (16, "temperature 0.8, top-p 0.95", sampled),
        (64, "temperature 1, as in rollouts", Sampling(NEW, temperature=1.0, top_p=1.0)),
    ):
        yield attempt(f"ours, {B} texts, {name}", partial(our_generation, B, sampling))
    for B in (1, 16):
        for name, dtype, compiled in (
            ("float32", torch.float32, False),
            ("bfloat16", torch.bfloat16, False),
            ("bfloat16, compiled with a static cache", torch.bfloat16, True),
        ):
            build = partial(work.transformers_generation, FULL, B, DEVICE.type, dtype, compiled)
            yield attempt(f"transformers, {B} texts, greedy, {name}", partial(timed_generation, build, B))


def ppo(nanogpt: Path | None) -> Iterator[Row]:
    """An iteration: 64 answers of the shipped chat model, rated, and two passes over them."""
    yield attempt("ours, an iteration", partial(timed_step, partial(work.ppo_iteration, DEVICE.type)))


def libraries(nanogpt: Path | None) -> Iterator[Row]:
    """What torch has of its own, for 124M: the cross-entropy of 8 x 1,024 tokens and a step of Muon."""
    for name, options in (("ours", None), ("torch's", "whole"), ("torch's, in pieces", "in pieces")):
        build = partial(work.cross_entropy, FULL, 8 * FULL.block_size, DEVICE.type, options)
        yield attempt(f"cross-entropy, {name}", partial(timed_step, build))
    for ours in (True, False):
        build = partial(work.muon, FULL, DEVICE.type, ours)
        yield attempt(f"Muon, {'ours' if ours else 'torch'}", partial(timed_step, build))


PARTS: dict[str, Callable[[Path | None], Iterator[Row]]] = {
    "training": training,
    "small": small,
    "generation": generation,
    "ppo": ppo,
    "libraries": libraries,
}


def main(parts: list[str], nanogpt: Path | None, json_file: Path | None) -> None:
    """Print every row as it comes, as a line of a table, and write them all to `json_file`."""
    torch.backends.cuda.matmul.allow_tf32 = True  # as a run has it
    product = work.matrix_product(DEVICE.type)() / 1e12
    rows: list[Row] = [
        {
            "part": "machine",
            "name": f"{describe_gpu(DEVICE)}, torch {torch.__version__}",
            "TFLOP/s": round(product),
        }
    ]
    show(rows[0])
    for part in parts:
        for row in PARTS[part](nanogpt):
            rows.append({"part": part, **row})
            show(rows[-1])
            if json_file:
                json_file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def show(row: Row) -> None:
    cells = [f"{value:,}" if isinstance(value, int | float) else str(value) for value in row.values()]
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def attempt(name: str, measure: Callable[[], Row]) -> Row:
    """The row of a contender: what was measured, or why nothing was."""
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        return {"name": name, **measure()}
    except torch.OutOfMemoryError:
        return {"name": name, "failed": "out of memory"}
    except Exception as error:
        return {"name": name, "failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"}


def our_training(config: GPTConfig, rows: int, steps: int = STEPS, **changes: Any) -> Row:
    torch.manual_seed(0)
    model = GPT(config).to(DEVICE.type)
    settings = FitConfig(**{"max_steps": steps, "warmup_steps": 0, "batch_size": rows, "optimizer": "adamw", **changes})
    ids = work.batch_of(config, rows, "cpu")
    batch = Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())
    logs = list(fit(model, lambda step: batch, language_model_loss, settings))
    return training_row(config, rows, logs[0].seconds, [log.seconds for log in logs[max(WARM_UP, steps // 4) :]])


def timed_step(build: Callable[[], work.Work]) -> Row:
    step = build()
    seconds = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()  # ends with a look at a number
        seconds.append(time.perf_counter() - began)
    return {
        "ms": round(1000 * median(seconds[WARM_UP:]), 2),
        "GiB": round(torch.cuda.max_memory_allocated() / 2**30, 1),
        "first step, s": round(seconds[0], 1),
    }


def timed_training(build: Callable[[], work.Work], config: GPTConfig, rows: int) -> Row:
    began = time.perf_counter()
    step = build()
    step()
    first, seconds = time.perf_counter() - began, []
    for _ in range(STEPS - 1):
        began = time.perf_counter()
        step()  # ends with a look at the loss
        seconds.append(time.perf_counter() - began)
    return training_row(config, rows, first, seconds[WARM_UP - 1 :])


def training_row(config: GPTConfig, rows: int, first: float, seconds: list[float]) -> Row:
    speed = rows * config.block_size / median(seconds)
    peak = peak_flops(DEVICE)
    return {
        "tokens/s": round(speed),
        "MFU %": round(100 * speed * config.flops_per_token / peak, 1) if peak else None,
        "GiB": round(torch.cuda.max_memory_allocated() / 2**30, 1),
        "ms": round(1000 * median(seconds), 2),
        "first step, s": round(first, 1),
    }


def our_generation(B: int, sampling: Sampling) -> Row:
    torch.manual_seed(0)
    model = GPT(FULL).to(DEVICE.type).eval()
    prompts = work.prompts_for(FULL, B)
    return timed_generation(lambda: lambda: generate.batch(model, prompts, sampling), B, sampling.max_new_tokens)


def timed_generation(build: Callable[[], work.Work], B: int, new: int = NEW) -> Row:
    write = build()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        write()
        seconds.append(time.perf_counter() - began)
    return {
        "tokens/s": round(B * new / median(seconds[1:])),
        "ms a token": round(1000 * median(seconds[1:]) / new, 3),
        "first, s": round(seconds[0], 2),
    }
