"""What the doctor sees: a run's log in columns, its scatter, where the loss rose and whether it came back.

Everything takes one pass over the log, so that a page can ask every few seconds. Losses are in nats.
Shapes: N steps in the log, E evaluations.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.diagnostics.finding import Finding
from core.training.run_directory import Status

Numbers = NDArray[np.float64]

LEVEL, LASTING = 5, 20  # steps in the running medians that jumps and lasting rises are measured by
SCATTER_STEPS = 40  # steps over which the scatter of the loss is estimated
JUMP = 0.2  # share of the level by which a jump must exceed it: single odd batches of healthy runs reach a tenth
JUMP_SCATTERS = 10  # and so many times the scatter: a batch of one or two sequences has heavy tails
SMALL = 0.1  # nats that are no jump: a loss that is almost 0 trembles by many times its level
RISE, RISE_SCATTERS = 0.3, 3.0  # the same for a lasting rise, in nats: a median of 20 scatters four times less
WORSE_THAN_NOTHING = 0.5  # nats above those of guessing all tokens alike
MUCH_LOWER = 0.7  # share of a learning rate that is another one, not the same with a little care
GAP = 10  # steps without a high loss that end a rise


@dataclass(frozen=True)
class Rise:
    """The loss stood far above the lowest level before. Steps are those of the log, both ends included."""

    first: int
    last: int
    before: float  # level of the loss before
    peak: float
    peak_step: int
    after: float | None  # level in the steps that follow; None if it is not over yet

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class RunLog:
    """The columns of metrics.jsonl, (N,) each, NaN where a line has no such value; and the evaluations, (E,) each."""

    steps: NDArray[np.int64]
    loss: Numbers
    grad_norm: Numbers
    data_wait: Numbers
    memory: Numbers
    mfu: Numbers
    micro_batch_size: Numbers
    val_steps: NDArray[np.int64]
    val_loss: Numbers

    @classmethod
    def read(cls, lines: Sequence[dict[str, Any]]) -> "RunLog":
        def column(name: str) -> Numbers:
            return np.fromiter((line.get(name, np.nan) for line in lines), np.float64, len(lines))

        steps, val = column("step").astype(np.int64), column("loss/val")
        evaluated = np.isfinite(val)
        return cls(
            steps=steps,
            loss=column("loss/train"),
            grad_norm=column("grad_norm"),
            data_wait=column("data_wait"),
            memory=column("memory/peak"),
            mfu=column("mfu"),
            micro_batch_size=column("micro_batch_size"),
            val_steps=steps[evaluated],
            val_loss=val[evaluated],
        )

    @property
    def last_step(self) -> int:
        return int(self.steps[-1])

    def count_since(self, step: int) -> int:
        """Number of lines of steps after `step`."""
        return int((self.steps > step).sum())

    def level(self, step: int, count: int = LASTING) -> float:
        """Median training loss of the `count` steps up to `step`."""
        end = max(1, int(np.searchsorted(self.steps, step, side="right")))
        return float(np.median(self.loss[max(0, end - count) : end]))


def running_median(values: Numbers, width: int, beginning: float) -> Numbers:
    """Median of each value and the `width` - 1 before it, (N,); `beginning` stands for those before the first."""
    padded = np.concatenate([np.full(width - 1, beginning), values])
    medians: Numbers = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return medians


def scatter(loss: Numbers) -> Numbers:
    """Standard deviation of the loss around its level at each step, (N,), from the differences of neighbours.

    The median ignores the jumps that are looked for; 1.4826 makes it that of a normal distribution, and sqrt(2) is
    for a difference of two losses. Of each step only the latest ones count: a model that knows nothing has almost the
    same loss on all batches, so a quiet beginning says little about later.
    """
    jumps = np.abs(np.diff(loss))
    if not len(jumps):
        return np.zeros_like(loss)
    beginning = float(np.median(jumps[:SCATTER_STEPS]))
    typical = running_median(np.append(beginning, jumps), SCATTER_STEPS, beginning)
    return 1.4826 / math.sqrt(2) * typical


def rises(log: RunLog, uniform: float | None) -> list[Rise]:
    """Every stretch in which the loss stood far above the lowest level before it, oldest first.

    Three signs: single losses jump; the level of 20 steps rises; or the model does worse than one that guesses all
    tokens alike (`uniform`; if that is not known, than half as much again as at its start), which no scatter explains.
    """
    loss, start = log.loss, float(log.loss[0])
    scatters = scatter(loss)
    lowest = np.minimum.accumulate(running_median(loss, LEVEL, start))
    is_high = loss > lowest + np.maximum(np.maximum(JUMP * lowest, SMALL), JUMP_SCATTERS * scatters)
    level = running_median(loss, LASTING, start + RISE_SCATTERS * float(scatters[0]))  # it may have begun luckily
    is_high |= level > np.minimum.accumulate(level) + np.maximum(RISE, RISE_SCATTERS * scatters)
    ceiling = 1.5 * start if uniform is None else max(uniform, start) + WORSE_THAN_NOTHING
    is_high |= running_median(loss, 3, start) > ceiling
    high = np.flatnonzero(is_high)
    if not len(high):
        return []
    groups = np.split(high, np.flatnonzero(np.diff(high) > GAP) + 1)
    return [rise_of(log, int(group[0]), int(group[-1]), lowest) for group in groups]


def rise_of(log: RunLog, first: int, last: int, lowest: Numbers) -> Rise:
    """The rise between two lines of the log, counted from 0."""
    peak = first + int(np.argmax(log.loss[first : last + 1]))
    following = log.loss[last + 1 : last + 1 + GAP]
    after = float(np.median(following)) if len(following) == GAP else None
    steps = log.steps
    return Rise(
        int(steps[first]),
        int(steps[last]),
        float(lowest[max(0, first - 1)]),
        float(log.loss[peak]),
        int(steps[peak]),
        after,
    )


@dataclass(frozen=True)
class RunState:
    """All that the rules look at."""

    log: RunLog
    lines: Sequence[Mapping[str, Any]]  # of which the log is made: what else was measured
    config: Mapping[str, Any]
    uniform: float | None  # loss of a model that guesses all targets alike
    unigram: float | None  # loss of one that knows only how frequent each token is
    status: Status
    memory_total: float | None
    rises: list[Rise]
    usual_rate: float | None = None  # the learning rate with which such a model is known to learn

    @property
    def max_steps(self) -> int:
        return int(self.config["max_steps"])

    @property
    def warmup_steps(self) -> int:
        return int(self.config["warmup_steps"])

    def at_full_rate(self) -> int:
        """Steps taken since the warm-up."""
        return self.log.count_since(self.warmup_steps)

    def patience(self, share: float, low: int, high: int) -> int:
        """Steps after the warm-up until something may be expected: a share of the run, within limits."""
        return int(min(high, max(low, share * self.max_steps)))

    def micro_batch_size(self) -> int:
        """Sequences that each process should have in memory at once; if none are asked for, the most it ever had."""
        rows: int = math.ceil(self.config.get("batch_size", 1) / self.status.processes)
        had = self.log.micro_batch_size[np.isfinite(self.log.micro_batch_size)]
        return min(self.config.get("micro_batch_size") or int(max(had, default=rows)), rows)

    def rate(self, factor: float) -> dict[str, Any]:
        return {"learning_rate": float(f"{self.config['learning_rate'] * factor:.2g}")}

    @property
    def works_below(self) -> float | None:
        """The usual rate, if this run's is well above it: then that is to be tried, not a part of this run's."""
        usual = self.usual_rate
        return usual if usual and usual < MUCH_LOWER * self.config["learning_rate"] else None

    def lower_rate(self, factor: float) -> dict[str, Any]:
        """The usual rate if this run's is well above it, else `factor` times this run's."""
        return {"learning_rate": self.works_below} if self.works_below else self.rate(factor)

    def lower_rate_text(self, part: str) -> str:
        """The same in words; `part` is the factor's, such as "a tenth of the learning rate"."""
        return f"the learning rate that suits such a model, {self.works_below:g}" if self.works_below else part


Rule = Callable[[RunState], Finding | None]
