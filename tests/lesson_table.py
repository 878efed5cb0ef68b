"""The tables of lessons in assets/docs/lessons.md: `python -m tests.lesson_table --write`."""

from playground.tabs.learn.lesson import Choice, Lesson, Match, Prediction, Slider, Step
from playground.tabs.learn.registry import LESSONS
from tests.helpers.generated import Generated


def form(prediction: Prediction) -> str:
    if isinstance(prediction, Choice):
        return "a choice"
    if isinstance(prediction, Match):
        return "a choice for each"
    return "a number" if isinstance(prediction, Slider) else "a curve"


def row(lesson: Lesson, number: int, step: Step) -> str:
    place = f"`?tab=learn&lesson={lesson.id}&step={number}`"
    asked = f"{step.prediction.question} ({form(step.prediction)})"
    return f"| {number}. {step.title} {place} | {asked} | {step.measured} | {step.source} |"


def table() -> str:
    lines = []
    for number, lesson in enumerate(LESSONS, 1):
        lines += [f"\n## {number}. {lesson.title}\n", f"{lesson.about}\n"]
        lines += ["| step | what is predicted | what is measured | source |", "| --- | --- | --- | --- |"]
        lines += [row(lesson, place, step) for place, step in enumerate(lesson.steps, 1)]
    return "\n".join(lines) + "\n"


PART = Generated(
    "lessons.md", "<!-- lessons: python -m tests.lesson_table --write -->\n", "<!-- end of lessons -->", table
)


if __name__ == "__main__":
    PART.main(__doc__)
