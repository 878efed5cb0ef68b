"""What tabs share of the page while it is built: the page itself, its scripts, and views that scripts draw."""

import html
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from playground.ui.scripts import ROUTE

EXPLANATIONS = itertools.count()  # of the page, each with an id of its own
ServerFunction = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Page:
    """What all tabs share while the page is being built."""

    blocks: gr.Blocks
    model: gr.Dropdown  # the header's picker
    opened: Any  # the event after which the header's picker shows the model that the address asks for
    tab: gr.Tab = field(init=False)  # the one that is being built

    def share_text(self, box: gr.Textbox, keep_empty: bool = True) -> gr.Textbox:
        """What is typed into `box` is offered in every other shared box as soon as its tab is opened.

        keep_empty: whether that goes for an emptied box too; not for one that empties itself when it is sent.
        """
        # All in the browser: an answer from here could come after the person has typed on, and undo that.
        shared = f"(await {module('assets/shared_text.js')})"
        keep = f"{'' if keep_empty else 'text && '}{shared}.keepText(text)"
        box.change(None, box, None, js=f"async (text) => {{ {keep}; }}", api_name=f"keep_{box.elem_id}")
        offer = f"async (own) => {shared}.offerText(own)"
        self.tab.select(None, box, box, js=offer, api_name=f"offer_{box.elem_id}")
        return box


def intro(sentence: str, more: str = "") -> None:
    """The one sentence that opens a tab; what to try there, `more`, stands behind its (i)."""
    said = about_html(more, sentence) if more else html.escape(sentence)
    gr.HTML(f"<p>{said}</p>", elem_classes=["pg-intro", "pg-flush"])


def about(text: str, lead: str = "") -> None:
    """A small (i), after the words `lead` if there are any: its explanation opens over the page and moves nothing."""
    gr.HTML(f'<p class="pg-note">{about_html(text, lead)}</p>', elem_classes="pg-flush")


def about_html(text: str, lead: str = "") -> str:
    """The same as a piece of HTML, for what is not a component of its own."""
    name = f"pg-about-{next(EXPLANATIONS)}"
    button = f'<button type="button" class="pg-about" popovertarget="{name}" aria-label="About this part">i</button>'
    return f'{html.escape(lead)} {button}<span id="{name}" class="pg-explained" popover>{html.escape(text)}</span>'


def summarise(accordion: gr.Accordion, page: Page, js: str, *widgets: Any) -> None:
    """Keep the label of a folded part current, in the browser: `js` makes it of the widgets' values.

    js: a function, such as `(model, order) => `${model} · ${order} · change``.
    """
    update = f"(...values) => ({{ __type__: 'update', label: ({js})(...values) }})"
    events = [page.tab.select, *(widget.change for widget in widgets)]
    gr.on(events, None, list(widgets), accordion, js=update, api_name=f"summarise_{accordion.elem_id}")


def module(path: str) -> str:
    """JavaScript for a promise of what the ES module at `path`, from the top of a checkout, exports."""
    return f'import("{ROUTE}/{path}")'


def view(
    elem_id: str,
    path: str,
    css_class: str,
    empty: str = "",
    functions: Sequence[ServerFunction] = (),
    events: Sequence[str] = (),
    **props: Any,
) -> gr.HTML:
    """A part of the page that the script playground/`path` draws; `empty` stands there until it does.

    The script is an ES module whose `mount` gets {element, props, watch, server, trigger, upload}, see
    assets/server.js. It may call the server functions, and finds `props` beside the value in its props. Of the `events`
    that it triggers, Python may listen: `view(...).changed(...)` for "changed".
    """
    heard = f" // {json.dumps(list(events))}: Gradio listens to what stands here in quotes" if events else ""
    mount = "(view) => view.mount({ element, props, watch, server, trigger, upload })"
    return gr.HTML(
        value=None,
        html_template=f'<div class="{css_class}"><p class="pg-note">{empty}</p></div>',
        js_on_load=f"{module(f'playground/{path}')}.then({mount});{heard}",
        server_functions=list(functions),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="pg-flush",
        **props,
    )


def offer(offered: dict[str, Any], shown: str | None, wanted: str | None) -> dict[str, Any]:
    """Update a picker; an answer that comes late does not undo a choice, so only another value is sent."""
    new: dict[str, Any] = {} if shown == wanted else {"value": wanted}
    return gr.update(**offered, **new)


def bind(views: gr.HTML | Sequence[gr.HTML], page: Page, *also: Any, opened: Any = (), **widgets: Any) -> None:
    """Give `views` the values of `widgets`, as {name: value}, whenever one changes, and at the events `also`.

    They have them from the start, which costs with each widget of the page; those that another tab holds name, in
    `opened`, the events at which they are first seen. All of it happens in the browser: the view's script asks a server
    function for what it needs, and of many changes in a row only for the last.
    """
    outputs = [views] if isinstance(views, gr.HTML) else list(views)
    gather = f"Object.fromEntries({json.dumps(list(widgets))}.map((name, i) => [name, values[i]]))"
    if also:  # equal values would be no news to the view
        gather = f"({{ ...{gather}, asked: Date.now() }})"
    given = "given" if len(outputs) == 1 else f"[{', '.join(['given'] * len(outputs))}]"
    changes = [widget.change for widget in widgets.values()]
    gr.on(
        [*(opened or [page.blocks.load]), *changes, *also],
        None,
        list(widgets.values()),
        outputs,
        js=f"(...values) => {{ const given = {gather}; return {given}; }}",
        api_name=f"feed_{outputs[0].elem_id}",
    )
