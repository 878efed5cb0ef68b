"""What a training will cost: its memory and its time, and what the model will see, before it begins."""

import math
from dataclasses import asdict
from typing import Any

from core.config import plural
from core.datasets.preview import Preview
from core.stages.base import Stage
from core.stages.memory_fit import fitted, fitted_here, memory_parts, planned_for, sample
from core.stages.registry import STAGES
from core.training.device import pick_device, total_memory
from core.training.loop import FitConfig
from core.training.planning import memory
from core.training.planning.throughput import step_seconds

BUDGETS = {"8 GB": 8, "12 GB": 12, "16 GB (RTX 5070 Ti)": 16, "24 GB": 24, "80 GB": 80}  # of GPUs, in their makers' GB
HERE = "this machine"


# --- memory and time ------------------------------------------------------------------------------------------


def fit_to_hardware(stage: str, config: Any, hardware: str) -> FitConfig:
    """The micro-batch and recomputation with which the training fits into the hardware. ValueError if none do."""
    if hardware == HERE:
        return fitted_here(STAGES[stage], config)
    return fitted(STAGES[stage], config, "cuda", BUDGETS[hardware])


def plan(stage: str, config: Any) -> dict[str, Any]:
    """Memory by part, and time, as the page shows them under the form."""
    known = STAGES[stage]
    shape, fit = planned_for(known, config)
    device = pick_device(fit.device)
    room = total_memory(device)
    processes = known.processes(config)
    parts, peak = memory_parts(known.frozen_models(config), shape, fit, device.type, processes)
    tokens = mean_tokens(known, config) * fit.batch_size
    each = tokens / processes if device.type == "cuda" else tokens  # those on a CPU share its cores
    seconds = step_seconds(shape, fit, known.passes(config) * each) * fit.max_steps
    rows = memory.micro_batch_size(config.fit, processes)
    parts_of_batch = math.ceil(math.ceil(config.fit.batch_size / processes) / rows)
    return {
        "facts": [
            ["weights", f"{known.shape(config).n_params:,}"],
            ["tokens per step", f"{tokens:,.0f}"],
            ["tokens in all", f"{tokens * fit.max_steps:,.0f}"],
            ["per step", f"{plural(parts_of_batch, 'micro-batch', 'micro-batches')} of {rows}"],
            *([["processes", f"{processes:,}"]] if processes > 1 else []),
        ],
        "parts": [[name, size / memory.GIB] for name, size in parts.items()],
        "peak": peak / memory.GIB if parts else None,
        "room": room / 1024 if room else None,
        "fits": not (parts and room) or peak <= memory.usable_bytes(room / 1024, device.type),
        "device": device.type,
        "seconds": seconds,
    }


def mean_tokens(stage: Stage, config: Any) -> float:
    """Tokens of one sequence, about: far fewer than the context where examples have an end."""
    seen = None if stage.fills_context else sample(stage, config)
    return seen.mean_length if seen and seen.mean_length else stage.shape(config).block_size


# --- what the model will see ----------------------------------------------------------------------------------


def preview(stage: str, config: Any) -> dict[str, Any]:
    """A few examples as tokens with those that count, and how many there are; problems of the data by line."""
    found = sample(STAGES[stage], config) or Preview((), (), "What this stage will see is not shown before it begins.")
    facts = [[what, f"{value:,}" if isinstance(value, int) else value] for what, value in found.facts]
    return {
        "facts": facts,
        "examples": [asdict(example) | {"text": example.whole} for example in found.examples],
        "problems": list(found.problems),
        "note": found.note,
        "text": found.text,
    }
