"""Learn tab: lessons in which one predicts, runs, and sees why."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from playground.services.services import Services
from playground.tabs.learn.lesson import Lesson, Link, Step, as_data
from playground.tabs.learn.progress import ProgressStore
from playground.tabs.learn.registry import LESSONS
from playground.tabs.learn.runner import LessonRunner
from playground.ui.components import Page, bind, intro, view
from playground.ui.errors import server_function


def describe_lesson(lesson: Lesson) -> dict[str, Any]:
    """A lesson for the page."""
    named = {"id": lesson.id, "title": lesson.title, "about": lesson.about, "minutes": lesson.minutes}
    return named | {"steps": [describe_step(step) for step in lesson.steps]}


def describe_step(step: Step) -> dict[str, Any]:
    named = {"id": step.id, "title": step.title, "text": step.text, "source": step.source}
    looks = {"looks": step.look is not None, "trains": step.trains, "on_model": step.on_model}
    return named | looks | {"prediction": as_data(step.prediction), "link": describe_link(step.link)}


def describe_link(link: Link | None) -> dict[str, Any] | None:
    return asdict(link) if link else None


def build(services: Services, page: Page) -> gr.HTML:
    runner = LessonRunner(services, LESSONS, ProgressStore(services.workspace.directory))

    def state() -> dict[str, Any]:
        """What is measured just now, and what was predicted and measured so far."""
        return {"task": runner.task.status(), "kept": runner.progress.steps, "trouble": runner.progress.trouble}

    @server_function
    def poll(_: dict[str, Any]) -> dict[str, Any]:
        return state()

    @server_function
    def look(request: dict[str, Any]) -> dict[str, Any]:
        return {"parts": runner.look(request["lesson"], request["step"], request["model"])}

    @server_function
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        """Keep a prediction; none takes the one that was made back, and with it what was measured."""
        lesson, step, prediction = request["lesson"], request["step"], request["prediction"]
        if prediction is None:
            runner.forget(lesson, step)
        else:
            runner.predict(lesson, step, prediction)
        return state()

    @server_function
    def start(request: dict[str, Any]) -> dict[str, Any]:
        runner.start(request["lesson"], request["step"], request["model"])
        return state()

    @server_function
    def stop(_: dict[str, Any]) -> dict[str, Any]:
        runner.stop()
        return state()

    intro(
        "Predict, run, see why: each lesson asks first, measures on the real model, and lays the outcome over your "
        "guess.",
        "What you predicted is kept, so that you can leave and go on. The address leads to the step that is open: "
        "copy it to send somebody there. A lesson uses the model that is chosen above.",
    )
    shown = view(
        "lessons",
        "tabs/learn/lesson.js",
        "pg-lessons",
        empty="Opening the lessons …",
        functions=[poll, look, answer, start, stop],
        lessons=[describe_lesson(lesson) for lesson in LESSONS],
    )
    bind(shown, page, model=page.model)
    return shown
