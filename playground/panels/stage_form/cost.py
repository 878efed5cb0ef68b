"""What a training that has not begun yet would be: its memory, its time, and what the model would see."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.datasets import classification
from core.datasets.shakespeare import CORPORA
from core.model import GPTConfig
from core.stages.pretrain import PretrainConfig
from core.stages.sft import PLAYS
from core.training.device import pick_device, total_memory
from core.training.loop import FitConfig
from core.training.planning import memory
from core.training.planning.throughput import step_seconds
from playground.panels.stage_form.data_preview import conversations, labelled_texts, preview_text, shape_at
from playground.panels.stage_form.preference_preview import pairs, rollouts

BUDGETS = {"8 GB": 8, "12 GB": 12, "16 GB (RTX 5070 Ti)": 16, "24 GB": 24, "80 GB": 80}  # of GPUs, in their makers' GB
HERE = "this machine"
SAMPLERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "sft": conversations,
    "classify": labelled_texts,
    "reward": pairs,
    "dpo": pairs,
    "ppo": rollouts,
}
DATA = {"pretrain": list(CORPORA), "sft": [PLAYS], "classify": [classification.GENRE]}  # what each stage offers itself
SIDE_BY_SIDE = {"reward": 2, "dpo": 2}  # sequences in one example: a pair has two answers
FROZEN = {"dpo": 1, "ppo": 2}  # models beside the one that learns: what it was before, and the reward model


# --- memory and time ------------------------------------------------------------------------------------------


def shape_of(config: Any) -> GPTConfig:
    """The shape of the model that would be trained. Raises ValueError if it is a parent's, and that cannot be read."""
    if isinstance(config, PretrainConfig):
        return shape_at(config.init_from) if config.init_from else config.model
    return shape_at(parent_of(config))


def parent_of(config: Any) -> str:
    return config.to_dict()["parent"]


def fit_to_hardware(stage: str, config: Any, hardware: str) -> FitConfig:
    """The micro-batch and recomputation with which the training fits into the hardware. ValueError if none do."""
    shape, fit = planned_for(stage, config)
    if hardware == HERE:
        device = pick_device(config.fit.device)
        room = total_memory(device)
        if room is None:
            raise ValueError(f"how much memory the {device.type} has is not known here: choose a size")
        found = memory.suggest(shape, fit, device.type, room / 1024)
    else:
        found = memory.suggest(shape, fit, "cuda", BUDGETS[hardware])
    several = SIDE_BY_SIDE.get(stage, 1)
    return replace(config.fit, micro_batch_size=max(1, found.micro_batch_size // several), recompute=found.recompute)


def planned_for(stage: str, config: Any) -> tuple[GPTConfig, FitConfig]:
    """Shape and fit as the planner of memory wants them: it counts sequences, all as long as the context.

    Pairs and answers are known beforehand, and shorter.
    """
    shape, fit = shape_of(config), config.fit
    if stage in ("reward", "dpo", "ppo"):
        shape = replace(shape, block_size=min(shape.block_size, sample(stage, config)["longest"]))
    several = SIDE_BY_SIDE.get(stage, 1)
    rows = several * memory.micro_batch_size(fit)
    return shape, replace(fit, batch_size=several * fit.batch_size, micro_batch_size=rows)


def plan(stage: str, config: Any) -> dict[str, Any]:
    """Memory by part, and time, as the page shows them under the form."""
    shape, fit = planned_for(stage, config)
    device = pick_device(fit.device)
    room = total_memory(device)
    parts, peak = memory_parts(stage, shape, fit, device.type)
    tokens = mean_tokens(stage, config) * fit.batch_size
    # In PPO an answer is written, about as dear as to learn from it, and read by three models, a third as dear each.
    passes = 1 + 2 / config.ppo_epochs if stage == "ppo" else 1
    seconds = step_seconds(shape, fit, passes * tokens) * fit.max_steps
    rows = memory.micro_batch_size(config.fit)
    return {
        "facts": [
            ["weights", f"{shape_of(config).n_params:,}"],
            ["tokens a step", f"{tokens:,.0f}"],
            ["tokens in all", f"{tokens * fit.max_steps:,.0f}"],
            ["micro-batches a step", f"{math.ceil(config.fit.batch_size / rows)} of {rows}"],
        ],
        "parts": [[name, size / memory.GIB] for name, size in parts.items()],
        "peak": peak / memory.GIB if parts else None,
        "room": room / 1024 if room else None,
        "fits": not (parts and room) or peak <= memory.usable_bytes(room / 1024, device.type),
        "device": device.type,
        "seconds": seconds,
    }


def memory_parts(stage: str, shape: GPTConfig, fit: FitConfig, device: str) -> tuple[dict[str, int], int]:
    """Bytes by part and at the fullest moment; no parts for a device for which memory is not planned."""
    if device not in ("cpu", "cuda"):
        return {}, 0
    planned = memory.plan(shape, fit, device)
    parts = {name: size for name, size in vars(planned).items() if name != "peak"}
    frozen = FROZEN.get(stage, 0) * planned.weights
    return parts | ({"frozen models": frozen} if frozen else {}), planned.peak + frozen


def mean_tokens(stage: str, config: Any) -> float:
    """Tokens of one sequence, about: the whole context in pre-training, far fewer where examples have an end."""
    if stage == "pretrain":
        return shape_of(config).block_size
    return sample(stage, config)["mean_length"]


# --- what the model will see ----------------------------------------------------------------------------------


def preview(stage: str, config: Any) -> dict[str, Any]:
    """A few examples as tokens with those that count, and how many there are; problems of the data by line."""
    if stage == "pretrain":
        return preview_text(config)
    found = sample(stage, config)
    return {name: found[name] for name in ("facts", "examples", "problems", "note")}


def sample(stage: str, config: Any) -> dict[str, Any]:
    """What is known of the examples of a fine-tuning, read anew when the data or the vocabulary changes."""
    return SAMPLERS[stage](config)
