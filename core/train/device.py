"""Where a model computes and how precisely, and what the hardware could do at best."""

from contextlib import AbstractContextManager, nullcontext

import torch

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


def autocast(device: torch.device, dtype: str) -> AbstractContextManager:
    return torch.autocast(device.type, torch.bfloat16) if in_bfloat16(device, dtype) else nullcontext()


def peak_flops(device: torch.device) -> float | None:
    """Floating point operations a second that the GPU's data sheet promises in bfloat16; None if it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((tflops * 1e12 for part, tflops in PEAK_TFLOPS.items() if part in name), None)
