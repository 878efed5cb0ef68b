"""What tabs share: a form made from a dataclass, one way to show errors, and the page's common controls."""

import functools
import importlib.util
import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from core.config import Config, Setting, describe_os_error, leaves, value_type

log = logging.getLogger(__name__)


@dataclass
class Page:
    """Controls that all tabs share while the page is being built."""

    blocks: gr.Blocks
    model: gr.Dropdown  # the header's picker
    texts: list[gr.Textbox] = field(default_factory=list)

    def share_text(self, box: gr.Textbox) -> gr.Textbox:
        """What is typed into `box` is offered in every other shared box."""
        self.texts.append(box)
        return box

    def wire(self) -> None:
        for box in self.texts:
            others = [other for other in self.texts if other is not box]
            box.input(
                lambda text, n=len(others): [text] * n if n > 1 else text,
                box,
                others,
                queue=False,
                show_progress="hidden",
                trigger_mode="always_last",
                api_visibility="private",
                api_name=f"share_{box.elem_id}",
            )


# --- errors ---------------------------------------------------------------------------------------------------


def explain(error: Exception) -> str:
    """The sentence that a person reads. What is not a matter of their input is logged with its traceback."""
    if isinstance(error, ValueError):
        return sentence(str(error))
    if isinstance(error, OSError):
        return sentence(describe_os_error(error))
    log.error("unexpected error", exc_info=error)
    return "Sorry, that went wrong. The terminal in which the playground runs says more."


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def handler(function: Callable) -> Callable:
    """An event handler whose errors reach the page as one sentence."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any) -> Any:
            try:
                yield from function(*args)
            except Exception as error:
                raise gr.Error(explain(error), print_exception=False) from error

        return stream

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:
            raise gr.Error(explain(error), print_exception=False) from error

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


def page_text(text: str) -> str:
    """Text that can travel as UTF-8: lone surrogates, which have no such form, become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8") if any("\ud800" <= c <= "\udfff" for c in text) else text


def visible_token(token: bytes) -> str:
    """A token as text; a part of a character, which is no text yet, as its bytes: \\xf0\\x9f."""
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)


# --- panels ---------------------------------------------------------------------------------------------------


def intro(seen: str, attempt: str) -> None:
    """The two sentences that open a panel: what is seen, and what to try."""
    gr.Markdown(f"{seen} *{attempt}*", elem_classes="pg-intro")


def assets() -> Path:
    """Beside this file in an installed package, at the top of a checkout."""
    here = Path(__file__).parent
    return here / "assets" if (here / "assets").is_dir() else here.parent / "assets"


@functools.cache
def scripts() -> str:
    """Script tags for plotly.js, which comes with the Python package, and for our own: nothing is fetched elsewhere."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None and spec.origin is not None
    paths = [Path(spec.origin).parent / "package_data" / "plotly.min.js", assets() / "playground.js"]
    gr.set_static_paths([*paths])
    return "".join(f'<script src="/gradio_api/file={path.resolve().as_posix()}"></script>' for path in paths)


def live(elem_id: str, script: str, css_class: str, **options: Any) -> gr.HTML:
    """A part of the page that a function of assets/playground.js draws."""
    return gr.HTML(
        value=None,
        html_template=f'<div class="{css_class}"></div>',
        js_on_load=script,
        head=scripts(),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="pg-flush",
        **options,
    )


# --- forms ----------------------------------------------------------------------------------------------------


class Form:
    """One widget a field of a configuration: the `main` ones in sight, the others folded away."""

    def __init__(self, config: Config, main: Iterable[str], choices: dict[str, list[str]] | None = None):
        self.cls = type(config)
        values, shown, choices = config.to_dict(), list(main), choices or {}
        by_name = {f.name: f for f in leaves(self.cls)}
        self.widgets: dict[str, Any] = {}
        for name in shown:
            self.widgets[name] = widget(by_name[name], values[name], choices.get(name))
        if rest := [name for name in by_name if name not in shown]:
            with gr.Accordion("All settings", open=False):
                for name in rest:
                    self.widgets[name] = widget(by_name[name], values[name], choices.get(name))

    def read(self, values: dict[Any, Any]) -> Config:
        """The configuration from an event's {widget: value}. Raises ValueError naming what is out of range."""
        typed = {name: values[component] for name, component in self.widgets.items()}
        empty = [name for name, value in typed.items() if value is None and name != "attn_scale"]
        if empty:
            raise ValueError(f"{empty[0]} is empty: type a number")
        return self.cls.from_dict(typed)

    def show(self, config: Config) -> dict[Any, Any]:
        """{widget: value} that fills the form with `config`."""
        return {self.widgets[name]: value for name, value in config.to_dict().items()}


def widget(f: Field, value: Any, choices: list[str] | None) -> Any:
    """The control for a field, with the field's own explanation."""
    about: Setting = f.metadata["setting"]
    common = {"label": f.name, "info": about.help, "value": value, "elem_id": f"setting-{f.name}", "interactive": True}
    if choices:
        return gr.Dropdown(choices, allow_custom_value=True, **common)
    if about.choices:
        return gr.Dropdown(list(about.choices), **common)
    kind = value_type(f)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind is str:
        return gr.Textbox(max_lines=3, **common)
    if about.step is not None:
        return gr.Slider(about.low, about.high, step=about.step, **common)
    return gr.Number(precision=0 if kind is int else None, **common)
