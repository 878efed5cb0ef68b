"""torch.compile where it works, and without it where it does not."""

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TypeVar

import torch

log = logging.getLogger(__name__)
R = TypeVar("R")


def can_compile(device: torch.device) -> bool:
    """Can kernels be made for this GPU? That takes Triton, which comes with PyTorch for CUDA on Linux."""
    return (
        device.type == "cuda" and find_spec("triton") is not None and torch.cuda.get_device_capability(device) >= (7, 0)
    )


def or_eager(work: Callable[[], R]) -> R:
    """What `work` returns. If something in it cannot be compiled, nothing is from then on, which is said once."""
    try:
        return work()
    except Exception as error:
        if not type(error).__module__.startswith("torch._dynamo"):  # importing its classes takes a second at each start
            raise
        reason = str(error).strip().partition("\n")[0]
        log.warning("torch.compile fails on this machine, so everything runs as it is, slower: %s", reason)
        torch.compiler.set_stance("force_eager")
        return work()


def uncompiled() -> AbstractContextManager[object]:
    """Compiled code runs as it is for as long: a text that grows would be compiled again and again.

    Where nothing has been compiled, torch's compiler is not imported for it: that takes two seconds.
    """
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
