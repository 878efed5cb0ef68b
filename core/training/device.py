"""Where a model computes and how precisely, and what the hardware could do at best."""

import os
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

if sys.platform != "win32":
    import resource

# Dense bfloat16 products with float32 sums, from NVIDIA's data sheets, in TFLOP/s.
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "RTX 5090": 210, "RTX 5080": 113, "RTX 5070 Ti": 88}
PEAK_TFLOPS |= {"RTX 4090": 165, "RTX 4080": 97, "RTX 3090": 71, "L40S": 362, "L4": 121, "T4": 65}


def pick_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA, else Apple's MPS, else the CPU. ValueError if it is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available[name]:
        there = ", ".join(kind for kind, there in available.items() if there)
        raise ValueError(f"device {name} is not available on this machine; available: {there}")
    return torch.device(name)


def in_bfloat16(device: torch.device, dtype: str) -> bool:
    """`auto` means bfloat16 on CUDA only: most CPUs multiply bfloat16 far slower than float32."""
    return dtype == "bfloat16" or (dtype == "auto" and device.type == "cuda")


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if in_bfloat16(device, dtype) else nullcontext()


def peak_flops(device: torch.device) -> float | None:
    """Floating point operations a second that the GPU's data sheet promises in bfloat16; None if it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((tflops * 1e12 for part, tflops in PEAK_TFLOPS.items() if part in name), None)


def peak_memory(device: torch.device) -> float | None:
    """MiB that were used at most: by PyTorch on a GPU, by the whole process on a CPU. None if it is not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type != "cpu" or sys.platform == "win32":
        return None
    if sys.platform == "linux":  # getrusage would count the process that started this one, if that was larger
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii", errors="replace"))
        return int(found[1]) / 2**10 if found else None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def total_memory(device: torch.device) -> float | None:
    """MiB that the device has, in the sense of `peak_memory`; None if it is not known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**20
    if device.type != "cpu" or sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
