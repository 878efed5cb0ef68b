"""The doctor's rules about learning: the loss goes up, or it does not go down.

Each takes a patient and returns a finding or None; `core.diagnostics.doctor.diagnose` decides which of several is told.
"""

import re
from typing import Any

from core.diagnostics.run_log import LASTING, Finding, Rise, RunState, scatter

RECENT = 50  # steps that stand for what goes on now
LONG = 30  # steps after which a rise is no spike any more
NOT_FINITE = re.compile(r"the (loss|gradient norm) became (\S+) at step (\d+)")

# --- the loss goes up -----------------------------------------------------------------------------------------


def not_finite(patient: RunState) -> Finding | None:
    told = NOT_FINITE.search(patient.status.message) if patient.status.state == "failed" else None
    if told is None:
        return None
    what, value, step = told[1], told[2], int(told[3])
    log, before = patient.log, step - 1
    if patient.rises and patient.rises[-1].after is None:
        before = patient.rises[-1].first - 1
    last = f"The last loss was {log.loss[-1]:.2f} at step {log.last_step:,}, the gradient norm {log.grad_norm[-1]:.3g}"
    return Finding(
        "not finite",
        step,
        f"The {what} is no longer a number",
        f"The {what} became {value} at step {step:,}. {last}.",
        "The weights grew until the numbers overflowed, nearly always because the steps were too large.",
        "Go on from before the loss rose, at a tenth of the learning rate.",
        patient.rate(0.1),
        before if before > patient.warmup_steps + LASTING else 0,
    )


def divergence(patient: RunState) -> Finding | None:
    """The loss had been lower, rose and stays up. A model that never learned is told so by `rate_too_high`."""
    lasting = [rise for rise in patient.rises if rise.after is None and rise.length >= LONG]
    if not lasting or is_early(patient, lasting[-1]):
        return None
    rise, log = lasting[-1], patient.log
    return Finding(
        "divergence",
        rise.first,
        "The loss went up and does not come back",
        f"It was {rise.before:.2f} before step {rise.first:,} and is {log.level(log.last_step):.2f} "
        f"at step {log.last_step:,}; the highest was {rise.peak:.2f} at step {rise.peak_step:,}.",
        "The steps became too large for the place where the weights are, and what was learned is being lost.",
        f"Go on from before step {rise.first:,} with a third of the learning rate, that of the last step included.",
        patient.rate(1 / 3) | final_rate(patient),
        rise.first - 1,
    )


def final_rate(patient: RunState) -> dict[str, Any]:
    """A rate of the last step that is not above the new peak."""
    peak, final = patient.config["learning_rate"] / 3, patient.config.get("final_learning_rate", 0.0)
    return {"final_learning_rate": float(f"{peak / 10:.2g}")} if final > peak else {}


def rate_too_high(patient: RunState) -> Finding | None:
    """A long rise; or a short one in a long warm-up, or after which nothing more is learned."""
    found = patient.rises
    if not found:
        return None
    long = [rise for rise in found if rise.length >= LONG]
    early = [rise for rise in found if rise.after is not None and is_early(patient, rise)]
    stuck = bool(early) and (uniform_plateau(patient) or unigram_plateau(patient)) is not None
    despite_warmup = bool(early) and patient.warmup_steps >= 0.1 * patient.max_steps
    if not (long or stuck or despite_warmup):
        return None
    log, worst = patient.log, max(found, key=lambda rise: rise.peak)
    times = "once" if len(found) == 1 else f"{len(found)} times"
    return Finding(
        "learning rate too high",
        found[0].first,
        "The learning rate is too high",
        f"The loss began at {log.loss[0]:.2f} and rose {times}, to {worst.peak:.2f} at step {worst.peak_step:,}; "
        f"at step {log.last_step:,} it is {log.level(log.last_step):.2f}.",
        "Each step goes too far and undoes what the ones before it had gained.",
        "Begin again with a tenth of the learning rate.",
        patient.rate(0.1),
        0,
    )


def warmup_too_short(patient: RunState) -> Finding | None:
    """A rise at the beginning that went away. Its length is judged by `rate_too_high`, which is asked before.

    The gradient norm is not asked: in the first steps of healthy runs it is ten times what it is later.
    """
    early = [rise for rise in patient.rises if rise.after is not None and is_early(patient, rise)]
    if not early:
        return None
    rise, longer = early[0], min(patient.max_steps, max(20, patient.max_steps // 10))
    return Finding(
        "warmup too short",
        rise.first,
        "The warm-up is too short",
        f"With {patient.warmup_steps:,} steps of warm-up the loss rose from {rise.before:.2f} to {rise.peak:.2f} at "
        f"step {rise.peak_step:,}; after step {rise.last:,} it was {rise.after:.2f}.",
        "The first steps were too large: the optimiser knew too little about the gradient, and the first thing "
        "that the model learned was noise.",
        f"Begin again with {longer:,} steps of warm-up.",
        {"warmup_steps": longer},
        0,
    )


def spike(patient: RunState) -> Finding | None:
    over = [r for r in patient.rises if r.after is not None and r.length < LONG and not is_early(patient, r)]
    if not over:
        return None
    rise = max(over, key=lambda rise: rise.peak - rise.before)
    more = f" There were {len(over)} such spikes." if len(over) > 1 else ""
    return Finding(
        "spike",
        rise.first,
        "The loss jumped up and came back",
        f"It rose from {rise.before:.2f} to {rise.peak:.2f} at step {rise.peak_step:,}, and was {rise.after:.2f} "
        f"again after step {rise.last:,}.{more}",
        "A batch was unlike all others, or a step was a little too large; the model has recovered.",
        "Nothing needs to be done about one spike; if more come, look at the data or lower the learning rate.",
    )


def is_early(patient: RunState, rise: Rise) -> bool:
    """Did it begin in the warm-up, or soon after it?"""
    return rise.first <= patient.warmup_steps + max(LASTING, 0.03 * patient.max_steps)


# --- the loss does not go down --------------------------------------------------------------------------------


def uniform_plateau(patient: RunState) -> Finding | None:
    log, uniform = patient.log, patient.uniform
    if uniform is None or patient.at_full_rate() < patient.patience(1 / 6, 50, 200):
        return None
    halfway, now = log.level(int(log.steps[len(log.steps) // 2]), RECENT), log.level(log.last_step, RECENT)
    if not all(0.99 * uniform < level < 1.05 * uniform for level in (halfway, now)):  # it has not come back to it
        return None
    return Finding(
        "plateau at ln V",
        patient.warmup_steps + 1,
        "The model has learned nothing",
        f"The loss was {log.loss[0]:.2f} at step {log.steps[0]:,} and is {now:.2f} at step {log.last_step:,}; guessing "
        f"all alike gives {uniform:.2f}.",
        "The weights hardly move, or what they should learn is not in the data.",
        "Raise the learning rate tenfold; if that does not help, look whether inputs and targets belong together.",
        patient.rate(10),
        0,
    )


def unigram_plateau(patient: RunState) -> Finding | None:
    log, unigram = patient.log, patient.unigram
    wait = patient.patience(1 / 3, 100, 400)
    if unigram is None or patient.at_full_rate() < wait:
        return None
    half = wait // 2
    earlier, now = log.level(int(log.steps[-half - 1]), half), log.level(log.last_step, half)
    came_from_above = log.loss[0] > 1.03 * unigram  # a fine-tuning may have come to this loss by chance
    if not (came_from_above and 0.97 * unigram < now < 1.03 * unigram and abs(earlier - now) < 0.02 * unigram):
        return None
    return Finding(
        "plateau at the unigram entropy",
        int(log.steps[-2 * half]),
        "The model knows only how frequent each token is",
        f"The loss was {earlier:.2f} around step {log.steps[-half - 1]:,} and is {now:.2f} at step {log.last_step:,}; "
        f"the frequencies of the tokens alone give {unigram:.2f}.",
        "Attention passes nothing on: either the steps are too large for it, or the order of the text tells nothing.",
        "Try a third of the learning rate; if that does not help, look whether the text is in its order.",
        patient.rate(1 / 3),
        0,
    )


def rate_too_low(patient: RunState) -> Finding | None:
    """The loss sinks, and has not even come near to the entropy of the single tokens.

    Frequencies are the first thing that any model learns, in some dozens of steps at a rate that suits it. Without
    that reference (in a classification) nothing is said: a hard task looks the same.
    """
    log, uniform, unigram = patient.log, patient.uniform, patient.unigram
    wait = patient.patience(1 / 4, 100, 300)
    if uniform is None or unigram is None or patient.at_full_rate() < wait:
        return None
    now, then = log.level(log.last_step, RECENT), log.level(int(log.steps[-RECENT - 1]), RECENT)
    if now < unigram + 0.15 * (uniform - unigram) or now > then + float(scatter(log.loss)[-1]):
        return None
    return Finding(
        "learning rate too low",
        patient.warmup_steps + 1,
        "The learning rate is too low",
        f"The loss sinks slowly and steadily, from {log.loss[0]:.2f} to {now:.2f} in {log.last_step:,} steps, "
        f"{then - now:.3f} in the last {RECENT}; the frequencies of the tokens alone give {unigram:.2f}.",
        "The direction is right and the steps are too small: even the simplest thing is not learned yet.",
        "Begin again with ten times the learning rate.",
        patient.rate(10),
        0,
    )
