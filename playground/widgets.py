"""What tabs share: a form made from a dataclass, one way to show errors, and the page's common controls."""

import contextlib
import functools
import html
import importlib.util
import inspect
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import gradio as gr

from core.config import Config, Setting, describe_os_error, is_optional, leaves, parse_optional, value_type

log = logging.getLogger(__name__)
C = TypeVar("C", bound=Config)


@dataclass
class Page:
    """What all tabs share while the page is being built."""

    blocks: gr.Blocks
    model: gr.Dropdown  # the header's picker
    tab: gr.Tab = field(init=False)  # the one that is being built

    def share_text(self, box: gr.Textbox, keep_empty: bool = True) -> gr.Textbox:
        """What is typed into `box` is offered in every other shared box as soon as its tab is opened.

        keep_empty: whether that goes for an emptied box too; not for one that empties itself when it is sent.
        """
        # All in the browser: an answer from here could come after the person has typed on, and undo that.
        # The first tab is selected before the page's scripts are there.
        keep = f"{'' if keep_empty else 'text && '}window.playground?.keepText(text)"
        box.change(None, box, None, js=f"(text) => {{ {keep}; }}", api_name=f"keep_{box.elem_id}")
        self.tab.select(
            None, box, box, js="(own) => window.playground?.offerText(own) ?? own", api_name=f"offer_{box.elem_id}"
        )
        return box


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
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text  # not the name of a setting or of a file
    return begun + ("" if text.endswith((".", "!", "?")) else ".")


def handler(function: Callable) -> Callable:
    """An event handler whose errors reach the page as one sentence."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any) -> Any:
            try:
                yield from function(*args)
            except Exception as error:
                raise shown_error(error) from error

        return stream

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:
            raise shown_error(error) from error

    return call


def shown_error(error: Exception) -> gr.Error:
    return gr.Error(html.escape(explain(error)), print_exception=False)  # Gradio would take it for markup


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
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


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


SCRIPTS = (  # assets/NAME.js, in the order in which the page runs them
    "playground",
    *("tokenizer", "scrubber", "vocabulary"),
    *("attention", "attention_heads", "attention_inside", "attention_scaling", "attention_models"),
    *("train_curves", "train_tools", "train", "train_form", "train_doctor"),
    *("label", "label_taste", "label_table"),
    *("chat_turns", "chat", "chat_next", "chat_inside"),
    *("align", "align_reward", "align_dpo", "align_ppo", "align_compare"),
    *("models_tree", "models", "tour"),
)


def script_paths() -> list[Path]:
    """plotly.js, which comes with the Python package, and our own scripts, in the order in which they run."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None and spec.origin is not None
    return [Path(spec.origin).parent / "package_data" / "plotly.min.js", *(assets() / f"{name}.js" for name in SCRIPTS)]


@functools.cache
def scripts() -> str:
    """Script tags for the page: nothing is fetched from elsewhere."""
    paths = script_paths()
    gr.set_static_paths([*paths])
    return "".join(f'<script src="/gradio_api/file={path.resolve().as_posix()}"></script>' for path in paths)


def live(elem_id: str, script: str, css_class: str, empty: str = "", **options: Any) -> gr.HTML:
    """A part of the page that a function of assets/playground.js draws; `empty` stands there until it does."""
    return gr.HTML(
        value=None,
        html_template=f'<div class="{css_class}"><p class="pg-note">{empty}</p></div>',
        js_on_load=script,
        head=scripts(),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="pg-flush",
        **options,
    )


def feed(view: gr.HTML, page: Page, *also: Any, **widgets: Any) -> None:
    """Give `view` the values of `widgets`, as {name: value}, now, whenever one changes, and at the events `also`.

    All of it happens in the browser: the view's script asks a server function for what it needs, and of many changes
    in a row only for the last.
    """
    gather = f"(...values) => Object.fromEntries({json.dumps(list(widgets))}.map((name, i) => [name, values[i]]))"
    if also:  # equal values would be no news to the view
        gather = f"(...values) => ({{ ...({gather})(...values), asked: Date.now() }})"
    changes = [widget.change for widget in widgets.values()]
    gr.on(
        [page.blocks.load, *changes, *also],
        None,
        list(widgets.values()),
        view,
        js=gather,
        api_name=f"feed_{view.elem_id}",
    )


# --- forms ----------------------------------------------------------------------------------------------------


class Form(Generic[C]):
    """One widget a field of a configuration: the `main` ones in sight, the others folded away.

    `prefix` begins the elem_ids, which must differ where a page has several forms with settings of the same name.
    """

    def __init__(
        self, config: C, main: Iterable[str], choices: dict[str, list[Any]] | None = None, prefix: str = "setting"
    ):
        self.cls, self.prefix = type(config), prefix
        self.values, self.choices = config.to_dict(), choices or {}
        self.widgets: dict[str, Any] = {}
        by_name = {f.name: f for f in leaves(self.cls)}
        self.lay_out([by_name.pop(name) for name in main])
        if by_name:
            with gr.Accordion("More settings", open=False):
                self.lay_out(by_name.values())

    def lay_out(self, wanted: Iterable[Field]) -> None:
        """Widgets in order; plain numbers, which are narrow, side by side."""
        for narrow, together in itertools.groupby(wanted, is_plain_number):
            with gr.Row(elem_classes="pg-numbers") if narrow else contextlib.nullcontext():
                for f in together:
                    self.widgets[f.name] = widget(f, self.values[f.name], self.choices.get(f.name), self.prefix)

    def read(self, values: dict[Any, Any]) -> C:
        """The configuration from an event's {widget: value}. Raises ValueError naming what is out of range."""
        return self.parse({name: values[widget] for name, widget in self.widgets.items()})

    def parse(self, values: dict[str, Any]) -> C:
        """The configuration from what the widgets hold, by name."""
        typed = {}
        for f in leaves(self.cls):
            value = values[f.name]
            if is_optional(f):
                value = optional_number(f, value)
            elif value is None:
                raise ValueError(f"{f.name} is empty: type a number")
            typed[f.name] = value
        return self.cls.from_dict(typed)

    def show(self, config: C) -> dict[Any, Any]:
        """{widget: value} that fills the form with `config`."""
        return {self.widgets[name]: shown(value) for name, value in config.to_dict().items()}


def optional_number(f: Field, typed: str) -> Any:
    try:
        return parse_optional(value_type(f))(str(typed).strip())
    except ValueError:
        raise ValueError(f"{f.name} must be a number or none, got {typed!r}") from None


def is_plain_number(f: Field) -> bool:
    return value_type(f) in (int, float) and f.metadata["setting"].step is None and not is_optional(f)


def shown(value: Any) -> Any:
    return "none" if value is None else value


def widget(f: Field, value: Any, choices: list[Any] | None, prefix: str) -> Any:
    """The control for a field, with the field's own explanation."""
    about: Setting = f.metadata["setting"]
    common = {
        "label": f.name,
        "info": about.help,
        "value": shown(value),
        "elem_id": f"{prefix}-{f.name}",
        "interactive": True,
    }
    if choices is not None:
        return gr.Dropdown(choices, allow_custom_value=True, **common)
    if about.choices:
        return gr.Dropdown(list(about.choices), **common)
    kind = value_type(f)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind is str or is_optional(f):
        return gr.Textbox(max_lines=3, **common)
    if about.step is not None and about.low is not None and about.high is not None:
        return gr.Slider(about.low, about.high, step=about.step, **common)
    return gr.Number(precision=0 if kind is int else None, min_width=130, **common)
