"""What is wrong with a training, said from its log: what was seen, what it means, and what to try.

Pure functions over the lines of metrics.jsonl. A rule must be sure before it speaks: a healthy run gets no finding,
at no moment of it. And one cause gets one finding: see `diagnose` for which of several is told. The rules about
learning are in core.diagnostics.loss_rules; here are those about clipping, overfitting and the machine.

Losses are in nats a target, memory in MiB, `data_wait` is a share of a step's time.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.diagnostics.loss_rules import (
    RECENT,
    divergence,
    not_finite,
    rate_too_high,
    rate_too_low,
    spike,
    uniform_plateau,
    unigram_plateau,
    warmup_too_short,
)
from core.diagnostics.rlhf_rules import reward_hacking
from core.diagnostics.run_log import Finding, RunLog, RunState, rises
from core.training.run_directory import Status

__all__ = ["Finding", "diagnose"]

SMALLER_BATCHES = re.compile(r"micro-batches of (\d+) instead of (\d+)")


def diagnose(
    lines: Sequence[dict[str, Any]],
    config: Mapping[str, Any],
    references: Mapping[str, float],
    status: Status,
    memory_total: float | None = None,
) -> list[Finding]:
    """What is wrong with a run, the worst first; nothing if it is healthy.

    lines: of metrics.jsonl, by step. config: flat, with FitConfig's names. references: `uniform`, ln(number of classes
    or tokens), and `unigram`, the entropy of the training tokens, both in nats a target, as far as they are known.
    memory_total: MiB of the device.
    """
    if not lines:
        return []
    log = RunLog.read(lines)
    uniform = references.get("uniform")
    patient = RunState(log, config, uniform, references.get("unigram"), status, memory_total, rises(log, uniform))
    if "kl_coef" in config:  # PPO makes its own data as it goes: its loss says nothing about how well it learns
        plain = [not_finite(patient), memory(patient)]
        return [*(found for found in plain if found), *reward_hacking(lines, config)]
    # Each of these explains all below it: steps that are too large first shake the loss, then clip every gradient,
    # then leave the model at the frequencies of the tokens or at nothing. Only the first one is told.
    learning = (not_finite, divergence, rate_too_high, warmup_too_short, uniform_plateau, unigram_plateau)
    cause = next((found for rule in learning if (found := rule(patient))), None)
    alone = [] if cause else [rate_too_low(patient), clipping(patient)]
    # And these have causes of their own; a spike may be one bad batch in a run that has another problem later.
    spiked = None if cause and cause.kind in ("not finite", "learning rate too high", "divergence") else spike(patient)
    others = [spiked, overfitting(patient), memory(patient), starving(patient)]
    return [found for found in [cause, *alone, *others] if found] + reward_hacking(lines, config)


def clipping(patient: RunState) -> Finding | None:
    """Nearly all gradients are cut to a small part.

    To exceed the limit is not enough: gradients of healthy runs do so all the time (those of small batches are two or
    three times as long as 1), and both optimisers ignore a factor that is always the same. A fifth is another
    matter: then the limit alone decides how long the gradient is, and one odd batch counts as much as any other.
    """
    log, limit = patient.log, patient.config.get("grad_clip", 0.0)
    if not limit or patient.at_full_rate() < RECENT:
        return None
    recent = log.grad_norm[-2 * RECENT :]
    share, typical = float((recent > limit).mean()), float(np.median(recent))
    if share < 0.95 or typical < 5 * limit:
        return None
    return Finding(
        "clipping all the time",
        max(patient.warmup_steps, log.last_step - 2 * RECENT) + 1,
        "Nearly every gradient is clipped",
        f"In the last {len(recent)} steps up to step {log.last_step:,}, {share:.0%} of the gradients were longer than "
        f"grad_clip {limit:g}; the typical length is {typical:.2g}.",
        "Clipping is meant for the rare bad batch; here it decides the length of every step's gradient.",
        "Raise grad_clip to twice the typical length.",
        {"grad_clip": float(f"{2 * typical:.2g}")},
        log.last_step,
    )


def overfitting(patient: RunState) -> Finding | None:
    """The validation loss has left its best value behind, twice in a row, while the training loss still falls."""
    log, val = patient.log, patient.log.val_loss
    if not len(val):
        return None
    best = int(np.argmin(val))
    lowest, now, step = float(val[best]), float(val[-1]), int(log.val_steps[best])
    margin = max(0.02 * lowest, 0.02)
    if min(val[-2:]) < lowest + margin:
        return None
    then, train = log.level(step), log.level(log.last_step)
    if train > then - margin:
        return None
    dropout = {"dropout": 0.2} if patient.config.get("dropout") == 0 else {}
    return Finding(
        "overfitting",
        step,
        "The model learns its text by heart",
        f"The validation loss was best at step {step:,}, {lowest:.2f}, and is {now:.2f} at step "
        f"{log.val_steps[-1]:,}; the training loss fell from {then:.2f} to {train:.2f} meanwhile.",
        "What it learns since then holds for the training text only.",
        f"Take the weights of step {step:,}, or begin again with more text, a smaller model or dropout.",
        {"keep_best": True} | dropout,
        0,
    )


def memory(patient: RunState) -> Finding | None:
    log, told = patient.log, SMALLER_BATCHES.search(patient.status.message)
    total, known = patient.memory_total or math.inf, np.isfinite(log.memory)
    used = log.memory[known]
    full = np.flatnonzero(used > 0.9 * total)
    if not (told or len(full)):
        return None
    rows = int(patient.config.get("micro_batch_size") or patient.config.get("batch_size", 1))
    fewer = int(told[1]) if told else max(1, rows // 2)
    step = int(log.steps[known][full[0]]) if len(full) else log.last_step
    filled = f"{used[-1]:,.0f} of {total:,.0f} MiB were in use by step {log.last_step:,}. " if len(full) else ""
    shrunk = f"Micro-batches of {told[2]} sequences did not fit and became {told[1]}." if told else ""
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


def starving(patient: RunState) -> Finding | None:
    """The next batch is made while one is learned from, so a healthy run hardly ever waits."""
    log, on_gpu = patient.log, patient.status.device == "cuda"
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
