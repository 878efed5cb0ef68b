"""A model in shards (FSDP2): each process keeps a part of every weight, of its gradient and of what AdamW remembers.

A block's weights are gathered when it computes, and only then; embeddings, head and last layer norm while the loss and
its gradient are computed. Gradients are summed over the processes into the part that each keeps. What is measured,
sampled or written comes from a copy of the whole model, which the first process gathers for that.

Saved steps do not depend on it: torch.distributed.checkpoint writes and reads the optimisers' file that a single
process does, so that a run goes on in any number of processes, in shards or not.

FSDP: Zhao et al. 2023, arXiv:2304.11277. Its modules take four seconds to import, so only who needs them does.
"""

import copy
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from core import checkpoint
from core.training import distributed
from core.training.optimizer import remembered


class Shards:
    """What the processes hold together of one model."""

    def __init__(self, model: Any):
        """Leave in this process its part of `model`, which all of them hold as it is."""
        from torch.distributed.device_mesh import init_device_mesh  # noqa: PLC0415
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # noqa: PLC0415

        self.device = model.device
        self.copy = copy.deepcopy(model).cpu() if distributed.is_main() else None  # to be filled
        self.is_filled = False
        mesh = init_device_mesh(self.device.type, (distributed.world_size(),))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        self.model = fully_shard(model, mesh=mesh)
        register_fsdp_forward_method(model, "summed_loss")

    def gather(self) -> Any:
        """The whole model in the first process, until `release`; all must call this, and others get None."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict  # noqa: PLC0415

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(self.model, options=options)
        if self.copy is None:
            return None
        self.copy.load_state_dict(weights)
        self.is_filled = True
        return self.copy.to(self.device)

    def whole(self) -> Any:
        """The same, called by the first process alone while the others `listen`."""
        if not self.is_filled:
            distributed.tell("gather weights")
            return self.gather()
        return self.copy

    def release(self) -> None:
        """The weights are about to change: make room on the device."""
        if self.is_filled and self.copy is not None:
            self.copy.cpu()
        self.is_filled = False


def save_optimizers(path: Path, place: Path, model: nn.Module, optimizers: list[Optimizer]) -> None:
    """The file that core.training.optimizer writes in a single process, from the parts of all, by way of `place`.

    The first process, which moves it to `path`, must see what the others write there.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter  # noqa: PLC0415
    from torch.distributed.checkpoint.state_dict_saver import save  # noqa: PLC0415

    writer = HuggingFaceStorageWriter(str(place), save_distributed=True, enable_consolidation=True)
    tensors = remembered(model, optimizers)  # a number without dimensions would be written as 0
    save({name: t if t.dim() else t.reshape(1) for name, t in tensors.items()}, storage_writer=writer)
    if distributed.is_main():
        next(place.glob("*.safetensors")).rename(path)
        shutil.rmtree(place)


def load_optimizers(path: Path, model: nn.Module, optimizers: list[Optimizer]) -> None:
    """Read this process's part of what such a file holds. Raises ValueError if it is damaged."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader  # noqa: PLC0415
    from torch.distributed.checkpoint.state_dict_loader import load  # noqa: PLC0415

    (adamw,) = optimizers
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    steps = checkpoint.read_some_tensors(path, [f"{name}.step" for name in named])
    parts = {f"{name}.{key}": torch.zeros_like(p) for name, p in named.items() for key in ("exp_avg", "exp_avg_sq")}
    load(parts, storage_reader=HuggingFaceStorageReader(str(path.parent)))
    for name, parameter in named.items():
        averages = {key: parts[f"{name}.{key}"] for key in ("exp_avg", "exp_avg_sq")}
        adamw.state[parameter] = averages | {"step": steps[f"{name}.step"].reshape(()).to(parameter.device)}
