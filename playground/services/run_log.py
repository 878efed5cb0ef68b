"""A run's log, small enough for the page: columns of rounded numbers, thinned out if they are many."""

import itertools
import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.bounded_files import is_file, open_file
from core.training.log_lines import parse

Line = dict[str, Any]  # of metrics.jsonl: step, time, and what was measured

MOST_ROWS = 2000  # in the first look at a run
ROWS_A_SECOND = 40  # of training, in the looks after that
MOST_SAMPLES = 60  # in the first look
TAIL_BYTES = 32_768  # of the log, some two hundred steps: what counts as recent
NOT_DRAWN = ("step", "time", "micro_batch_size")  # of every line: the first is what all else is drawn over
COUNT = "n/"  # how a number of cases begins, on which an evaluation was measured: it never changes
LARGEST = sys.float_info.max
EXACT = 2**53  # up to which a browser counts exactly
PAUSE_SECONDS = 60  # between two steps: longer, and far longer than usual, is no work


def table(lines: Sequence[Line], most: int) -> dict[str, dict[str, list[Any]]]:
    """The log as `columns`, {metric: values}, with None where a step has no such metric; at most about `most` rows.

    Where rows were left out, `means` holds for each metric of every step its mean since the row before, so that an
    average over the rows is still one over all steps.
    """
    dense = metrics_of_every_step(lines)
    kept = rows_to_keep(lines, dense, most)
    names = dict.fromkeys(["step", *(name for i in kept for name in lines[i] if is_drawn(name))])
    columns = {name: [rounded(lines[i].get(name)) for i in kept] for name in names}
    thinned = len(kept) < len(lines)
    return {"columns": columns, "means": {name: means(lines, name, kept) for name in dense} if thinned else {}}


def is_drawn(name: str) -> bool:
    return name not in NOT_DRAWN and not name.startswith(COUNT)


def metrics_of_every_step(lines: Sequence[Line]) -> list[str]:
    """The metrics that most lines have; the others are of evaluations."""
    counts = Counter(name for line in lines for name in line)
    return [name for name, n in counts.items() if 2 * n > len(lines) and is_drawn(name)]


def rows_to_keep(lines: Sequence[Line], dense: Sequence[str], most: int) -> list[int]:
    """All evaluations, the first and the last row, and of each stretch between them the extremes of every metric.

    So a spike of a single step is still seen among thousands.
    """
    if len(lines) <= most:
        return list(range(len(lines)))
    of_every_step = {*NOT_DRAWN, *dense}
    kept = {0, len(lines) - 1} | {i for i, line in enumerate(lines) if not line.keys() <= of_every_step}
    stretch = math.ceil(2 * len(dense) * len(lines) / most)
    for name in dense:
        values = [line.get(name) for line in lines]
        for start in range(0, len(lines), stretch):
            there = [(v, i) for i, v in enumerate(values[start : start + stretch], start) if is_number(v)]
            kept |= {min(there)[1], max(there)[1]} if there else set()
    return sorted(kept)


def means(lines: Sequence[Line], name: str, kept: Iterable[int]) -> list[float | None]:
    """For each kept row the mean of a metric over the rows since the kept one before it, itself included."""
    found: list[float | None] = []
    start = 0
    for i in kept:
        there = [line[name] for line in lines[start : i + 1] if is_number(line.get(name))]
        found.append(rounded(sum(there) / len(there)) if there else None)
        start = i + 1
    return found


def is_number(value: Any) -> bool:
    return value is not None and -LARGEST <= value <= LARGEST


def rounded(value: Any) -> Any:
    """Five significant digits of a measurement, more than can be seen; None for what cannot be drawn."""
    if isinstance(value, int) and abs(value) < EXACT:
        return value
    return float(f"{value:.5g}") if is_number(value) else None


def rows_allowed(lines: Sequence[Line]) -> int:
    """How many of the `lines` that came since the last look the page gets: whoever was away longer gets more."""
    times = [line["time"] for line in lines if "time" in line]
    seconds = times[-1] - times[0] if times else 0.0
    return min(MOST_ROWS, ROWS_A_SECOND * max(1, round(seconds)))


def some_samples(samples: Sequence[Line]) -> list[Line]:
    """All of a few samples; of many, equally spaced ones with the first and the last."""
    if len(samples) <= MOST_SAMPLES:
        return list(samples)
    return [samples[round(i * (len(samples) - 1) / (MOST_SAMPLES - 1))] for i in range(MOST_SAMPLES)]


def recent(metrics: Path) -> list[Line]:
    """The last lines of the log, without reading all of it."""
    if not is_file(metrics):
        return []
    with open_file(metrics) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        content = file.read()
    begin = content.find(b"\n") + 1 if size > TAIL_BYTES else 0  # the first line may be cut
    return parse(content[begin : content.rfind(b"\n") + 1], metrics.stem).lines


def seconds_left(lines: Sequence[Line], max_steps: int) -> float | None:
    """Until `max_steps`, at the speed of `lines`, evaluations included; None as long as that cannot be told.

    A wait between two steps that is far longer than the others was a pause, and one before which the clock was set
    back is no wait: neither says anything about the speed.
    """
    worked = waits_at_work(lines)
    return (max_steps - lines[-1]["step"]) * sum(worked) / len(worked) if worked else None


def worked_seconds(lines: Sequence[Line]) -> float | None:
    """The time between the first step and the last, pauses left out; None if that cannot be told."""
    return sum(waits_at_work(lines)) or None


def waits_at_work(lines: Sequence[Line]) -> list[float]:
    """Seconds between two steps, but those of pauses."""
    times = [line["time"] for line in lines if "time" in line]
    waits = [now - before for before, now in itertools.pairwise(times) if now >= before]
    if not waits:
        return []
    usual = sorted(waits)[len(waits) // 2]
    return [wait for wait in waits if wait < max(PAUSE_SECONDS, 10 * usual)]
