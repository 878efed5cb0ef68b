"""A training in several processes: torchrun (torch.distributed.run) starts `python -m core run DIRECTORY` in each.

Whoever asks for it waits in a process of its own, which passes Ctrl-C on as a request to stop. Everything else is as
with one process: the first of them writes the run, and whoever looks or steers reads and writes the run directory.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import torch

from core.child import command
from core.training.loop import FitConfig
from core.training.run_directory import Run, Status
from core.training.runner import interrupt_requests_stop


def processes_of(config: FitConfig, device: torch.device) -> int:
    """How many processes train on this machine; by default one on each GPU that has a sequence to learn from.

    Raises ValueError if there are fewer GPUs.
    """
    if device.type == "cpu":
        return max(1, config.processes)
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if config.processes > there:
        raise ValueError(f"processes must be at most {there}, the number of GPUs here, got {config.processes}")
    return config.processes or min(there, config.batch_size)


def train_together(run: Run, processes: int, device: torch.device) -> Status:
    """Train a run in so many processes, and wait. Raises ValueError if it cannot begin; Busy if the device is held."""
    with run.hold(device.type):
        pass
    threads = max(1, (os.cpu_count() or 1) // processes)
    children = subprocess.Popen(
        torchrun(processes, "run", str(run.directory.resolve())),
        env={"OMP_NUM_THREADS": str(threads)} | os.environ,
        start_new_session=True,  # Ctrl-C is for this process
    )
    with interrupt_requests_stop(run), ends_with_this_process(children):
        children.wait()
    status = run.status()
    if status.state == "created":
        raise ValueError(f"the processes of {run.name} could not start: see what torchrun wrote")
    return status


def torchrun(processes: int, *arguments: str) -> list[str]:
    """The command that runs `core` with these arguments in several processes of this machine."""
    alone = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(processes), "--no-python"]
    return [sys.executable, "-P", "-m", "torch.distributed.run", *alone, *command("core", *arguments)]


@contextmanager
def ends_with_this_process(children: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the training when this process is told to end, and if the block is left early."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()  # Python tells no other thread of signals
    before = signal.signal(signal.SIGTERM, end) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
        children.terminate()
        with suppress(subprocess.TimeoutExpired):
            children.wait(60)
