"""One way to show errors: a sentence that says what to change."""

import functools
import html
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from playground.error_text import describe_error
from playground.ui.text import sentence

R = TypeVar("R")


def explain(error: Exception) -> str:
    """The sentence that the page shows."""
    return sentence(describe_error(error))


def shown_error(error: Exception) -> gr.Error:
    return gr.Error(html.escape(explain(error)), print_exception=False)  # Gradio would take it for markup


def told_error(error: Exception) -> gr.Error:
    return gr.Error(explain(error), print_exception=False)  # a program reads text


def handler(function: Callable[..., R], as_shown: Callable[[Exception], gr.Error] = shown_error) -> Callable[..., R]:
    """An event handler whose errors reach the page, or the program that asks, as one sentence."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any) -> Any:
            try:
                yield from function(*args)
            except Exception as error:
                raise as_shown(error) from error

        return stream

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:
            raise as_shown(error) from error

    return call


def server_function(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that the page's scripts call; errors come back as {"error": sentence}."""

    @functools.wraps(function)
    def call(request: dict[str, Any]) -> dict[str, Any]:
        try:
            return function(request)
        except Exception as error:
            return {"error": explain(error)}

    return call
