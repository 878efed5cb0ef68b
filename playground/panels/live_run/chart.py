"""One chart of the live view: its curves, and what they are called."""

from dataclasses import dataclass

from core.stages.base import About


@dataclass(frozen=True)
class Curve:
    metric: str
    name: str
    color: str
    smooth: bool = False  # of every step, and noisy: the smoothed curve is drawn over it
    markers: bool = False  # of evaluations, so there are few points


@dataclass(frozen=True)
class Panel:
    key: str
    title: str  # of the vertical axis, with its unit
    curves: tuple[Curve, ...]
    log: bool = False  # may its vertical axis be logarithmic?
    zero: bool = True  # does its linear axis begin at 0?
    tickformat: str = "~g"
    about: About | None = None
    of: tuple[str, ...] = ()  # stages in which it has its place from the start, though its metrics come later
