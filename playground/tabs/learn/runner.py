"""The step of a lesson that is being measured: one at a time, in the background, whatever the page does meanwhile."""

from typing import Any

from playground.services.background_task import BackgroundTask
from playground.services.services import Services
from playground.tabs.learn.lesson import Answer, Context, Lesson, Result, Step, as_data, checked
from playground.tabs.learn.progress import ProgressStore


class LessonRunner:
    """Predictions and measurements of `lessons`, kept in `progress`."""

    def __init__(self, services: Services, lessons: tuple[Lesson, ...], progress: ProgressStore):
        self.services, self.progress = services, progress
        self.lessons = {lesson.id: lesson for lesson in lessons}
        refusal = "the step “{title}” is being measured: stop it first, or wait until it ends"
        nowhere: dict[str, Any] = {"lesson": "", "step": "", "title": "", "done": None}
        self.task = BackgroundTask("lesson", refusal, "Stopped: nothing was measured.", **nowhere)

    def find(self, lesson: str, step: str) -> Step:
        """Raises ValueError if there is none."""
        if lesson not in self.lessons:
            raise ValueError(f"there is no lesson called {lesson}: choose one of {', '.join(self.lessons)}")
        return self.lessons[lesson].step(step)

    def look(self, lesson: str, step: str, model: str | None) -> list[dict[str, Any]]:
        """What a step shows before it is predicted. Raises ValueError in words if the model cannot be looked at."""
        look = self.find(lesson, step).look
        return [as_data(part) for part in look(Context(self.services, self.model(model)))] if look else []

    def predict(self, lesson: str, step: str, answer: Any) -> None:
        """Raises ValueError if that is no prediction, or the step is just being measured."""
        prediction = checked(self.find(lesson, step).prediction, answer)
        self.refuse_if_measured(lesson, step)
        self.progress.predict(lesson, step, prediction)

    def forget(self, lesson: str, step: str) -> None:
        """Raises ValueError if it is just being measured."""
        self.refuse_if_measured(lesson, step)
        self.progress.forget(lesson, step)

    def refuse_if_measured(self, lesson: str, step: str) -> None:
        now = self.task.status()
        if now["running"] and now["lesson"] == lesson and (not step or now["step"] == step):
            self.task.refuse_if_running()

    def start(self, lesson: str, step: str, model: str | None) -> None:
        """Measure a step that was predicted.

        Raises ValueError if it was not, if another is being measured, or if it trains and a training has the machine.
        """
        found = self.find(lesson, step)
        prediction = checked(found.prediction, self.progress.of(lesson, step).get("prediction"))
        self.task.refuse_if_running()
        if found.trains:
            self.services.jobs.refuse_if_busy(self.services.checkpoints.device.type)
        context = Context(self.services, self.model(model), prediction)
        place = {"lesson": lesson, "step": step, "title": found.title, "done": None}
        self.task.start(lambda: self.measure(found, lesson, context), "starting", **place)

    def stop(self) -> None:
        self.task.stop("stopping")

    def model(self, name: str | None) -> str:
        """The language model that the header names; the first that there is where it names none."""
        names = self.services.checkpoints.names()
        if not names:
            raise ValueError("there is no language model yet: train one in the Train tab")
        return name if name in names else names[0]

    # --- the work ---------------------------------------------------------------------------------------------

    def measure(self, step: Step, lesson: str, context: Context) -> str:
        assert context.prediction is not None  # it was checked
        work = step.run(context)
        try:
            while True:
                progress = next(work)
                self.task.report(progress.message, done=progress.done)
        except StopIteration as end:
            shown = shown_of(step, end.value, context.prediction)
        finally:
            work.close()  # one that was stopped cleans up
        self.progress.finish(lesson, step.id, context.model, shown)
        return ""


def shown_of(step: Step, result: Result, prediction: Answer) -> dict[str, Any]:
    """What the page shows of a result: all that is kept of it."""
    return {
        "outcome": result.outcome,
        "figures": result.figures,
        "parts": [as_data(part) for part in result.parts],
        "explanation": step.explain(result, prediction),
        "holds": step.holds(result),
    }
