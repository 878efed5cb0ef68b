"""What a lesson is: steps, each with a prediction, a measurement, and an explanation made of what was measured.

All of it is plain data, apart from the functions of a step: `look` shows something before the prediction, `run`
measures, `explain` makes two sentences of the result, and `holds` says whether the result supports them.
"""

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from playground.services.services import Services
from playground.ui.palette import SCALE

# --- what is predicted ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One of several answers. A prediction, and what was measured, is one of the options."""

    question: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """One of several answers for each of several things. A prediction, and what was measured, is a list of options."""

    question: str
    items: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True)
class Slider:
    """A number between two, that may have to be `whole`.

    log: equal ways on the slider are equal factors, and `low` is above 0.
    """

    question: str
    low: float
    high: float
    unit: str
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis of a sketch; `at`: where along a horizontal one the curve is asked for, if not everywhere."""

    title: str  # with its unit
    low: float
    high: float
    log: bool = False
    at: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """A curve that is drawn by hand: points [x, y] with x rising."""

    question: str
    x: Axis
    y: Axis


Prediction = Choice | Match | Slider | Sketch
# Of a Choice, a Match, a Slider, a Sketch: what was predicted, or measured.
Answer = str | list[str] | float | list[list[float]]

# --- what is shown ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """A few figures, large, each with its name below: (name, figure)."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plot:
    """A figure of Plotly's; its layout names the axes and their units."""

    title: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]


@dataclass(frozen=True)
class Texts:
    """Texts side by side, as a model wrote or read them: (heading, text)."""

    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tokens:
    """A text as chips: each token's bytes in hexadecimal, and its id. `counts`: which of them count, if not all."""

    title: str
    tokens: list[tuple[str, int]]
    counts: list[bool] | None = None


@dataclass(frozen=True)
class Head:
    """The weights (T, T) of one attention head as a picture; a row is a query."""

    title: str
    tokens: list[str]
    weights: list[list[float]]
    query: int | None = None  # the row that matters


@dataclass(frozen=True)
class Keys:
    """One query's scores, of which the key can be edited that the person clicks: see key_edit.js."""

    title: str
    tokens: list[str]
    query: int
    scores: list[float]  # scaled, of the keys up to the query
    query_length: float  # |q|
    key_lengths: list[float]  # |k| of each
    scale: float  # 1 / sqrt(d_k), by which q . k was multiplied


Part = Facts | Plot | Table | Texts | Tokens | Head | Keys

# --- steps and lessons ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Context:
    """What a step may look at: the playground's services, the model in the header, and what was predicted."""

    services: Services
    model: str  # a language model's name
    prediction: Answer | None = None


@dataclass(frozen=True)
class Progress:
    """How far a measurement is: in words, and as a share if that is known."""

    message: str
    done: float | None = None


@dataclass(frozen=True)
class Result:
    """What was measured: figures by name, the outcome in the prediction's form, and what is shown of it."""

    figures: dict[str, float]
    outcome: Answer
    parts: tuple[Part, ...] = ()


Run = Generator[Progress, None, Result]


@dataclass(frozen=True)
class Link:
    """A place of the page where the same can be tried at length."""

    text: str
    tab: str
    part: str = ""
    model: str = ""  # to be chosen in the header
    typed: str = ""  # a text for the tab's box
    stage: str = ""  # whose form is filled in
    settings: dict[str, Any] = field(default_factory=dict)  # for that form


@dataclass(frozen=True)
class Step:
    """A question, what is predicted, and how it is measured. Whatever `run` needs longer for, it yields between."""

    id: str  # as links name it
    title: str
    text: str  # paragraphs
    prediction: Prediction
    run: Callable[[Context], Run]
    explain: Callable[[Result, Answer], str]  # of the result, and of what was predicted: two sentences
    holds: Callable[[Result], bool]  # does the result support the sentences?
    measured: str  # in a few words, for the table in the docs
    source: str
    look: Callable[[Context], tuple[Part, ...]] | None = None  # what stands there from the beginning, at once
    trains: bool = False  # and therefore waits until no training has the machine
    on_model: bool = True  # is the header's model what is measured?
    link: Link | None = None


@dataclass(frozen=True)
class Lesson:
    """Three to six steps."""

    id: str  # as links name it
    title: str
    about: str  # a sentence
    minutes: int  # that a person needs
    steps: tuple[Step, ...] = field(default=())

    def step(self, id: str) -> Step:
        """Raises ValueError if it has no such step."""
        for step in self.steps:
            if step.id == id:
                return step
        raise ValueError(f"the lesson {self.title} has no step called {id}: choose another one")


def as_data(part: Prediction | Part) -> dict[str, Any]:
    """A prediction or a part for the page, which knows it by its `kind`; a head brings its colours along."""
    colors = {"colors": SCALE} if isinstance(part, Head) else {}
    return {"kind": type(part).__name__.lower()} | asdict(part) | colors


def checked(prediction: Prediction, answer: Any) -> Answer:
    """What the page sent as a prediction, if it is one. Raises ValueError if it is not."""
    match prediction:
        case Choice(options=options) if answer in options:
            return str(answer)
        case Match(items=items, options=options) if is_assignment(answer, len(items), options):
            return list(map(str, answer))
        case Slider(low=low, high=high) if isinstance(answer, int | float) and low <= answer <= high:
            return float(answer)
        case Sketch() if is_curve(answer):
            return [[float(x), float(y)] for x, y in answer]
    raise ValueError("make a prediction first: there is nothing to compare with yet")


def is_assignment(answer: Any, count: int, options: tuple[str, ...]) -> bool:
    """Is it one of the options for each of `count` things?"""
    return isinstance(answer, list) and len(answer) == count and all(one in options for one in answer)


def is_curve(answer: Any) -> bool:
    """Are these points [x, y] with rising x, two at least?"""
    if not isinstance(answer, list) or len(answer) < 2:
        return False
    numbers = all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(n, int | float) for n in point)
        for point in answer
    )
    return numbers and all(a[0] < b[0] for a, b in pairwise(answer))
