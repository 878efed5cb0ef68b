"""The doctor's rules about the machine: memory in MiB; `data_wait` is a share of a step's time."""

import math

import numpy as np

from core.diagnostics.finding import Finding
from core.diagnostics.loss_rules import RECENT
from core.diagnostics.run_log import Rule, RunState


def memory(run: RunState) -> Finding | None:
    """The device is nearly full, or was too small for the micro-batches that were asked for."""
    log, asked = run.log, run.micro_batch_size()
    total, known = run.memory_total or math.inf, np.isfinite(log.memory)
    used = log.memory[known]
    full, shrunken = np.flatnonzero(used > 0.9 * total), np.flatnonzero(log.micro_batch_size < asked)
    shrank = log.micro_batch_size[-1] < asked  # still: it may go on in another process, with more room
    if not (shrank or len(full)):
        return None
    rows = int(run.config.get("micro_batch_size") or run.config.get("batch_size", 1))
    fewer = int(log.micro_batch_size[-1]) if shrank else max(1, rows // 2)
    step = int(log.steps[known][full[0]] if len(full) else log.steps[shrunken[0]])
    filled = f"{used[-1]:,.0f} of {total:,.0f} MiB were in use by step {log.last_step:,}. " if len(full) else ""
    shrunk = f"Micro-batches of {asked} sequences did not fit and became {fewer}." if shrank else ""
    return Finding(
        "almost out of memory",
        step,
        "The memory is almost full",
        (filled + shrunk).strip(),
        "A longer evaluation, or another program, can end this run; smaller micro-batches change no gradient.",
        f"Go on with micro-batches of {fewer}" + (", or with recompute." if fewer > 1 else " and with recompute."),
        {"micro_batch_size": fewer} | ({} if fewer < rows else {"recompute": True}),
        log.last_step,
    )


def killed(run: RunState) -> Finding | None:
    """The system has ended the process because its memory did not suffice, or that is what the plan says."""
    failure = run.status.failure
    if failure is None or failure.kind != "memory":
        return None
    rows = int(run.config.get("micro_batch_size") or run.config.get("batch_size", 1))
    fewer = max(1, rows // 2)
    return Finding(
        "killed for memory",
        run.log.last_step,
        "The memory did not suffice",
        f"Its process ended after step {run.log.last_step:,}{failure.value and f': {failure.value}'}. "
        + ("The kernel's log says that it was ended for want of memory." if failure.what == "kernel" else ""),
        "What was saved is whole; smaller micro-batches change no gradient.",
        f"Go on with micro-batches of {fewer}" + (", or with recompute." if fewer < rows else " and with recompute."),
        {"micro_batch_size": fewer} | ({} if fewer < rows else {"recompute": True}),
        run.log.last_step,
    )


def starving(run: RunState) -> Finding | None:
    """The next batch is made while one is learned from, so a healthy run hardly ever waits."""
    log, on_gpu = run.log, run.status.device == "cuda"
    waits, mfu = log.data_wait[-RECENT:], log.mfu[-RECENT:]
    if len(waits) < RECENT or not np.isfinite(waits).all():
        return None
    waited, used = float(np.median(waits)), float(np.median(mfu)) if np.isfinite(mfu).all() else None
    if waited < (0.25 if on_gpu else 0.4) or (used is not None and used > 0.4):
        return None
    reached = f", and reaches {used:.0%} of what the device can do" if used is not None else ""
    return Finding(
        "starving for data",
        int(log.steps[-RECENT]),
        "The training waits for its data",
        f"In the last {RECENT} steps up to step {log.last_step:,} it spent {waited:.0%} of the time waiting for the "
        f"next batch{reached}.",
        "Making a batch takes longer than learning from it.",
        "Put the text on a faster disk, or give the machine's processors less else to do.",
    )


MACHINE_RULES: tuple[Rule, ...] = (killed, memory, starving)
