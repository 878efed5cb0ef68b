"""The learning-rate schedule, and when the weights are kept for a time-lapse: both decided by the step alone."""

import math

FIRST_SNAPSHOT = 1 / 32  # of a run: what attention learns first, it learns early


def learning_rate(step: int, peak: float, final: float, warmup_steps: int, max_steps: int) -> float:
    """Rate of step `step` (from 0): a straight rise to `peak` over `warmup_steps`, half a cosine down to `final`.

    Loshchilov & Hutter 2017, arXiv:1608.03983.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, max_steps - 1 - warmup_steps)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def snapshot_steps(max_steps: int, count: int) -> list[int]:
    """`count` steps at which to keep the weights: 0, then on a log scale from a 32nd of the run to its last step.

    >>> snapshot_steps(3200, 7)
    [0, 100, 200, 400, 800, 1600, 3200]

    Where steps coincide, as in a short run, they are fewer. Of one alone, it is the last.
    """
    first, last = max(1.0, max_steps * FIRST_SNAPSHOT), max_steps
    gaps = max(1, count - 2)
    scale = [round(last * (first / last) ** (i / gaps)) for i in range(count - 1)]  # from the last step backwards
    return sorted({0, *scale}) if count > 1 else [last] * count
