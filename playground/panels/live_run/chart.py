"""A panel of the live view: what is drawn in it, and what it is called."""

from dataclasses import dataclass

from playground.ui.palette import ORANGE


@dataclass(frozen=True)
class Curve:
    metric: str
    name: str
    color: str
    smooth: bool = False  # of every step, and noisy: the smoothed curve is drawn over it
    markers: bool = False  # of evaluations, so there are few points


@dataclass(frozen=True)
class About:
    """What a panel says, in plain words, as it stands below the curves."""

    name: str  # what is measured
    text: str  # one sentence, which begins with a small letter


@dataclass(frozen=True)
class Panel:
    key: str
    title: str  # of the vertical axis, with its unit
    curves: tuple[Curve, ...]
    log: bool = False  # may its vertical axis be logarithmic?
    zero: bool = True  # does its linear axis begin at 0?
    tickformat: str = "~s"
    about: About | None = None
    of: tuple[str, ...] = ()  # stages in which it has its place from the start, though its metrics come later


def share(
    metric: str,
    name: str,
    color: str = ORANGE,
    markers: bool = True,
    about: About | None = None,
    of: tuple[str, ...] = (),
) -> Panel:
    """A panel for one share, from 0 to 1."""
    return single(metric, f"{name} (share)", name, color, markers, about, of)


def single(
    metric: str, title: str, name: str, color: str, markers: bool, about: About | None, of: tuple[str, ...] = ()
) -> Panel:
    """A panel for one metric: of evaluations, or of every step."""
    return Panel(
        metric, title, (Curve(metric, name, color, not markers, markers),), tickformat="~g", about=about, of=of
    )
