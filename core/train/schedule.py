"""The learning rate over a run: a straight rise, half a cosine down (arXiv:1608.03983, Loshchilov & Hutter 2017)."""

import math


def learning_rate(step: int, peak: float, final: float, warmup_steps: int, max_steps: int) -> float:
    """Rate of step `step` (from 0): rises to `peak` over `warmup_steps`, then falls to `final` at the last step."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, max_steps - 1 - warmup_steps)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
