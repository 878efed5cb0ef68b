"""Whether a stage's training fits into the memory here, and with which micro-batches it does.

core/training/planning/memory.py counts sequences of one shape; here is what a stage makes of that: pairs are two
sequences, examples are shorter than the context, and a reference stands beside the model that learns.
"""

import logging
from dataclasses import dataclass, replace
from typing import Any

from core.datasets.preview import Preview
from core.model import GPTConfig
from core.stages.base import Stage
from core.training.device import pick_device, total_memory
from core.training.loop import FitConfig
from core.training.planning import memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a training takes at its fullest moment, and that its device has."""

    needs: float
    room: float
    device: str

    @property
    def fits(self) -> bool:
        return self.needs <= memory.usable_bytes(self.room / memory.GIB, self.device)

    def sentence(self) -> str:
        return f"it needs {gigabytes(self.needs)} GB of {gigabytes(self.room)} GB on the {self.device}"


def gigabytes(size: float) -> str:
    return f"{size / memory.GIB:,.{0 if size >= 10 * memory.GIB else 1}f}"


def memory_need(stage: Stage, config: Any) -> MemoryNeed | None:
    """None where memory cannot be planned. Raises ValueError if the model or the data cannot be read."""
    shape, fit = planned_for(stage, config)
    device = pick_device(fit.device)
    room = total_memory(device)
    parts, peak = memory_parts(stage.frozen_models(config), shape, fit, device.type, stage.processes(config))
    return MemoryNeed(peak, room * 2**20, device.type) if parts and room else None


def known_need(stage: Stage, config: Any) -> MemoryNeed | None:
    """The same, and None if it cannot be counted: no training waits for that, and it will say itself what is wrong."""
    try:
        return memory_need(stage, config)
    except ValueError:
        return None
    except Exception:
        log.exception("the memory that a training needs could not be counted")
        return None


def fitted(stage: Stage, config: Any, device: str, budget_gb: float) -> FitConfig:
    """Its fit with the micro-batch and recomputation that fit into so many GiB. ValueError if none do."""
    shape, fit = planned_for(stage, config)
    frozen = stage.frozen_models(config) * memory.FLOAT * memory.n_weights(shape)
    beside = frozen / memory.GIB / memory.USABLE[device] if device in memory.USABLE else 0
    if beside >= budget_gb:
        raise ValueError(
            f"the models beside the one that learns leave no room in {budget_gb:.1f} GB: choose smaller ones"
        )
    processes = stage.processes(config)
    room = budget_gb / processes if device == "cpu" else budget_gb  # GPUs have their own
    found = memory.suggest(shape, fit, device, room - beside, processes)
    wanted: FitConfig = config.fit
    rows = max(1, found.micro_batch_size // stage.sequences_per_example)
    return replace(wanted, micro_batch_size=rows, recompute=found.recompute)


def fitted_here(stage: Stage, config: Any) -> FitConfig:
    """The same for the device on which it is to be trained."""
    device = pick_device(config.fit.device)
    room = total_memory(device)
    if room is None:
        raise ValueError(f"how much memory the {device.type} has is not known here: choose a size")
    return fitted(stage, config, device.type, room / 1024)


def planned_for(stage: Stage, config: Any) -> tuple[GPTConfig, FitConfig]:
    """Shape and fit as the planner of memory wants them: it counts sequences, all as long as the context.

    Some are known beforehand, and shorter: pairs, and answers to prompts.
    """
    shape, fit = stage.shape(config), config.fit
    seen = None if stage.fills_context else sample(stage, config)
    if seen and seen.longest:
        shape = replace(shape, block_size=min(shape.block_size, seen.longest))
    several = stage.sequences_per_example
    rows = several * memory.micro_batch_size(fit, stage.processes(config))
    return shape, replace(fit, batch_size=several * fit.batch_size, micro_batch_size=rows)


def memory_parts(
    frozen_models: int, shape: GPTConfig, fit: FitConfig, device: str, processes: int = 1
) -> tuple[dict[str, int], int]:
    """Bytes by part and at the fullest moment, on each GPU, or on the CPU for all processes together.

    No parts for a device for which memory is not planned.
    """
    if device not in ("cpu", "cuda"):
        return {}, 0
    planned = memory.plan(shape, fit, device, processes)
    here = processes if device == "cpu" else 1
    parts = {name: here * size for name, size in vars(planned).items() if name != "peak"}
    if not planned.gathered:
        del parts["gathered"]
    frozen = here * frozen_models * planned.weights
    return parts | ({"frozen models": frozen} if frozen else {}), here * planned.peak + frozen


def sample(stage: Stage, config: Any) -> Preview | None:
    return stage.preview(config) if stage.preview else None
