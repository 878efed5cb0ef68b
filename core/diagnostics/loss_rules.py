"""The doctor's rules about learning: the loss goes up, or it does not go down.

One cause gets one finding. Each of CAUSES explains all below it, and the symptoms: steps that are too large first shake
the loss, then clip every gradient, then leave the model at the frequencies of the tokens or at nothing.
"""

from typing import Any

import numpy as np

from core.diagnostics.finding import Finding
from core.diagnostics.run_log import LASTING, Rise, Rule, RunState, scatter
from core.training.failure import NAMES

RECENT = 50  # steps that stand for what goes on now
LONG = 30  # steps after which a rise is no spike any more

# --- the loss goes up -----------------------------------------------------------------------------------------


def not_finite(run: RunState) -> Finding | None:
    failure = run.status.failure
    if run.status.state != "failed" or failure is None or failure.kind != "not finite":
        return None
    step, name = failure.step, failure.name.capitalize() if failure.what in NAMES else failure.name
    log, before = run.log, step - 1
    if run.rises and run.rises[-1].after is None:
        before = run.rises[-1].first - 1
    last = f"The last loss was {log.loss[-1]:.2f} at step {log.last_step:,}, the gradient norm {log.grad_norm[-1]:.3g}"
    return Finding(
        "not finite",
        step,
        f"{name} is no longer a number",
        f"{name} became {failure.value} at step {step:,}. {last}.",
        "The weights grew until the numbers overflowed, nearly always because the steps were too large.",
        f"Go on from before the loss rose, at {run.lower_rate_text('a tenth of the learning rate')}.",
        run.lower_rate(0.1),
        before if before > run.warmup_steps + LASTING else 0,
    )


def divergence(run: RunState) -> Finding | None:
    """The loss had been lower, rose and stays up. A model that never learned is told so by `rate_too_high`."""
    lasting = [rise for rise in run.rises if rise.after is None and rise.length >= LONG]
    if not lasting or is_early(run, lasting[-1]):
        return None
    rise, log = lasting[-1], run.log
    return Finding(
        "divergence",
        rise.first,
        "The loss went up and does not come back",
        f"It was {rise.before:.2f} before step {rise.first:,} and is {log.level(log.last_step):.2f} "
        f"at step {log.last_step:,}; the highest was {rise.peak:.2f} at step {rise.peak_step:,}.",
        "The steps became too large for the place where the weights are, and what was learned is being lost.",
        f"Go on from before step {rise.first:,} with a third of the learning rate, that of the last step included.",
        run.rate(1 / 3) | final_rate(run),
        rise.first - 1,
    )


def final_rate(run: RunState) -> dict[str, Any]:
    """A rate of the last step that is not above the new peak."""
    peak, final = run.config["learning_rate"] / 3, run.config.get("final_learning_rate", 0.0)
    return {"final_learning_rate": float(f"{peak / 10:.2g}")} if final > peak else {}


def rate_too_high(run: RunState) -> Finding | None:
    """A long rise; or a short one in a long warm-up, or after which nothing more is learned."""
    found = run.rises
    if not found:
        return None
    long = [rise for rise in found if rise.length >= LONG]
    early = [rise for rise in found if rise.after is not None and is_early(run, rise)]
    stuck = bool(early) and (uniform_plateau(run) or unigram_plateau(run)) is not None
    despite_warmup = bool(early) and run.warmup_steps >= 0.1 * run.max_steps
    if not (long or stuck or despite_warmup):
        return None
    log, worst = run.log, max(found, key=lambda rise: rise.peak)
    times = "once" if len(found) == 1 else f"{len(found)} times"
    return Finding(
        "learning rate too high",
        found[0].first,
        "The learning rate is too high",
        f"The loss began at {log.loss[0]:.2f} and rose {times}, to {worst.peak:.2f} at step {worst.peak_step:,}; "
        f"at step {log.last_step:,} it is {log.level(log.last_step):.2f}.",
        "Each step goes too far and undoes what the ones before it had gained.",
        f"Begin again with {run.lower_rate_text('a tenth of the learning rate')}.",
        run.lower_rate(0.1),
        0,
    )


def warmup_too_short(run: RunState) -> Finding | None:
    """A rise at the beginning that went away. Its length is judged by `rate_too_high`, which is asked before.

    The gradient norm is not asked: in the first steps of healthy runs it is ten times what it is later.
    """
    early = [rise for rise in run.rises if rise.after is not None and is_early(run, rise)]
    if not early:
        return None
    rise, longer = early[0], min(run.max_steps, max(20, run.max_steps // 10))
    return Finding(
        "warmup too short",
        rise.first,
        "The warm-up is too short",
        f"With {run.warmup_steps:,} steps of warm-up the loss rose from {rise.before:.2f} to {rise.peak:.2f} at "
        f"step {rise.peak_step:,}; after step {rise.last:,} it was {rise.after:.2f}.",
        "The first steps were too large: the optimiser knew too little about the gradient, and the first thing "
        "that the model learned was noise.",
        f"Begin again with {longer:,} steps of warm-up.",
        {"warmup_steps": longer},
        0,
    )


def spike(run: RunState) -> Finding | None:
    """It may be one bad batch in a run that has another problem later, but not one whose steps are all too large."""
    if any(rule(run) for rule in TOO_LARGE):
        return None
    over = [r for r in run.rises if r.after is not None and r.length < LONG and not is_early(run, r)]
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


def is_early(run: RunState, rise: Rise) -> bool:
    """Did it begin in the warm-up, or soon after it?"""
    return rise.first <= run.warmup_steps + max(LASTING, 0.03 * run.max_steps)


# --- the loss does not go down --------------------------------------------------------------------------------


def uniform_plateau(run: RunState) -> Finding | None:
    log, uniform = run.log, run.uniform
    if uniform is None or run.at_full_rate() < run.patience(1 / 6, 50, 200):
        return None
    halfway, now = log.level(int(log.steps[len(log.steps) // 2]), RECENT), log.level(log.last_step, RECENT)
    if not all(0.99 * uniform < level < 1.05 * uniform for level in (halfway, now)):  # it has not come back to it
        return None
    return Finding(
        "plateau at ln V",
        run.warmup_steps + 1,
        "The model has learned nothing",
        f"The loss was {log.loss[0]:.2f} at step {log.steps[0]:,} and is {now:.2f} at step {log.last_step:,}; guessing "
        f"all alike gives {uniform:.2f}.",
        "The weights hardly move, or what they should learn is not in the data.",
        "Raise the learning rate tenfold; if that does not help, look whether inputs and targets belong together.",
        run.rate(10),
        0,
    )


def unigram_plateau(run: RunState) -> Finding | None:
    log, unigram = run.log, run.unigram
    wait = run.patience(1 / 3, 100, 400)
    if unigram is None or run.at_full_rate() < wait:
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
        f"Try {run.lower_rate_text('a third of the learning rate')}; if that does not help, look whether the text is "
        "in its order.",
        run.lower_rate(1 / 3),
        0,
    )


def rate_too_low(run: RunState) -> Finding | None:
    """The loss sinks, and has not even come near to the entropy of the single tokens.

    Frequencies are the first thing that any model learns, in some dozens of steps at a rate that suits it. Without
    that reference (in a classification) nothing is said: a hard task looks the same.
    """
    if cause(run):
        return None
    log, uniform, unigram = run.log, run.uniform, run.unigram
    wait = run.patience(1 / 4, 100, 300)
    if uniform is None or unigram is None or run.at_full_rate() < wait:
        return None
    now, then = log.level(log.last_step, RECENT), log.level(int(log.steps[-RECENT - 1]), RECENT)
    if now < unigram + 0.15 * (uniform - unigram) or now > then + float(scatter(log.loss)[-1]):
        return None
    return Finding(
        "learning rate too low",
        run.warmup_steps + 1,
        "The learning rate is too low",
        f"The loss sinks slowly and steadily, from {log.loss[0]:.2f} to {now:.2f} in {log.last_step:,} steps, "
        f"{then - now:.3f} in the last {RECENT}; the frequencies of the tokens alone give {unigram:.2f}.",
        "The direction is right and the steps are too small: even the simplest thing is not learned yet.",
        "Begin again with ten times the learning rate.",
        run.rate(10),
        0,
    )


# --- what goes wrong beside it ---------------------------------------------------------------------------------


def clipping(run: RunState) -> Finding | None:
    """Nearly all gradients are cut to a small part.

    To exceed the limit is not enough: gradients of healthy runs do so all the time (those of small batches are two or
    three times as long as 1), and both optimisers ignore a factor that is always the same. A fifth is another
    matter: then the limit alone decides how long the gradient is, and one odd batch counts as much as any other.
    """
    log, limit = run.log, run.config.get("grad_clip", 0.0)
    if not limit or run.at_full_rate() < RECENT or cause(run):
        return None
    recent = log.grad_norm[-2 * RECENT :]
    share, typical = float((recent > limit).mean()), float(np.median(recent))
    if share < 0.95 or typical < 5 * limit:
        return None
    return Finding(
        "clipping all the time",
        max(run.warmup_steps, log.last_step - 2 * RECENT) + 1,
        "Nearly every gradient is clipped",
        f"In the last {len(recent)} steps up to step {log.last_step:,}, {share:.0%} of the gradients were longer than "
        f"grad_clip {limit:g}; the typical length is {typical:.2g}.",
        "Clipping is meant for the rare bad batch; here it decides the length of every step's gradient.",
        "Raise grad_clip to twice the typical length.",
        {"grad_clip": float(f"{2 * typical:.2g}")},
        log.last_step,
    )


def overfitting(run: RunState) -> Finding | None:
    """The validation loss has left its best value behind, twice in a row, while the training loss still falls."""
    log, val = run.log, run.log.val_loss
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
    dropout = {"dropout": 0.2} if run.config.get("dropout") == 0 else {}
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


TOO_LARGE: tuple[Rule, ...] = (not_finite, divergence, rate_too_high)
CAUSES: tuple[Rule, ...] = (*TOO_LARGE, warmup_too_short, uniform_plateau, unigram_plateau)


def cause(run: RunState) -> Finding | None:
    """The first one that speaks."""
    return next((found for rule in CAUSES if (found := rule(run))), None)


LOSS_RULES: tuple[Rule, ...] = (cause, rate_too_low, clipping, spike, overfitting)
