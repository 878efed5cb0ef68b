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
# A name may be the beginning of another one: the longer one comes first.
PEAK_TFLOPS = {"B200": 2250, "H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "A100": 312, "A10": 125}
PEAK_TFLOPS |= {"RTX 5090": 210, "RTX 5080": 113, "RTX 5070 Ti": 88, "RTX 5070": 62, "RTX 5060 Ti": 47, "RTX 5060": 38}
PEAK_TFLOPS |= {"RTX 4090": 165, "RTX 4080 SUPER": 104, "RTX 4080": 97, "RTX 4070 Ti SUPER": 88, "RTX 4070 Ti": 80}
PEAK_TFLOPS |= {"RTX 4070 SUPER": 71, "RTX 4070": 58, "RTX 4060 Ti": 44, "RTX 4060": 30}
PEAK_TFLOPS |= {"RTX 3090 Ti": 80, "RTX 3090": 71, "RTX 3080 Ti": 68, "RTX 3080": 60, "RTX 3070": 41, "RTX 3060": 26}
PEAK_TFLOPS |= {"L40S": 362, "L40": 181, "L4": 121, "T4": 65}


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
    """`auto` means bfloat16 on CUDA only: most CPUs multiply bfloat16 far slower than float32.

    So do GPUs older than Ampere, such as a T4. Where there is no GPU, one is planned for, and that is a newer one.
    """
    if dtype != "auto":
        return dtype == "bfloat16"
    if device.type != "cuda":
        return False
    return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if in_bfloat16(device, dtype) else nullcontext()


def device_name(device: torch.device) -> str:
    """Of the processor, as people call it: CPU, or the name of a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device.type, device.type)


def describe_gpu(device: torch.device) -> str:
    """A GPU's name and, on Linux, the version of its driver."""
    driver = Path("/proc/driver/nvidia/version")
    found = (
        re.search(r"\d+\.\d[\d.]*", driver.read_text(encoding="ascii", errors="replace")) if driver.exists() else None
    )
    return torch.cuda.get_device_name(device) + (f", driver {found[0]}" if found else "")


def describe_device(device: torch.device) -> str:
    """Where a training runs and how: processor, torch and the arithmetic that `auto` takes there."""
    name = device_name(device)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        name = (f"{count} GPUs, the first: " if count > 1 else "") + describe_gpu(device)
    precision = "bfloat16" if in_bfloat16(device, "auto") else "float32"
    return f"{name}; torch {torch.__version__}; {precision}"


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


def free_memory(device: torch.device, ours: int = 0) -> float | None:
    """Bytes that a training may take, `ours` of which it has already; None if it is not known. Of a CPU's, all."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached + ours
    total = total_memory(device)
    return None if total is None else total * 2**20
