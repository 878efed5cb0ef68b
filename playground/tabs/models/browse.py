"""All models: the list, the family tree, and one checkpoint in detail."""

from typing import Any

import gradio as gr

from core.workspace import Workspace
from playground.services.services import Services
from playground.tabs.models.cards import COLORS, MEASURED, WRITES, ModelCards
from playground.tabs.models.tasks import ModelTasks
from playground.ui.components import Page, view
from playground.ui.errors import handler, server_function
from playground.ui.text import page_text

LONGEST_NOTE = 5000  # characters


def build(services: Services, page: Page, library: Workspace, cards: ModelCards, tasks: ModelTasks) -> None:
    # The view's event `chosen` fires when the header has to follow; `value` then holds the name to `use`, if any. With
    # `instead`, only where the header shows that one.

    @server_function
    def shelf_overview(_: dict[str, Any]) -> dict[str, Any]:
        task = tasks.status()  # before the cards: what has ended by then is among them, what has not is asked for again
        return cards.overview() | {"task": task}

    @server_function
    def shelf_details(request: dict[str, Any]) -> dict[str, Any]:
        return cards.details(request["name"])

    @server_function
    def shelf_differences(request: dict[str, Any]) -> dict[str, Any]:
        return {"rows": cards.compare(request["name"], request["other"])}

    @server_function
    def rename_model(request: dict[str, Any]) -> dict[str, Any]:
        tasks.refuse_if_on(request["name"])
        library.rename(request["name"], request["new"].strip())
        return {"name": request["new"].strip()}

    @server_function
    def write_note(request: dict[str, Any]) -> dict[str, Any]:
        note = page_text(request["note"]).strip()[:LONGEST_NOTE]
        library.write_note(request["name"], note)
        return {"text": note}

    @server_function
    def throw_away_model(request: dict[str, Any]) -> dict[str, Any]:
        tasks.refuse_if_on(request["name"])
        return {"thrown": library.throw_away(request["name"])}

    @server_function
    def restore_model(request: dict[str, Any]) -> dict[str, Any]:
        return {"name": library.restore(request["thrown"])}

    @server_function
    def empty_trash(_: dict[str, Any]) -> dict[str, Any]:
        return {"freed": library.empty_trash()}

    @server_function
    def measure_model(request: dict[str, Any]) -> dict[str, Any]:
        tasks.measure(request["name"], request["anew"])
        return tasks.status()

    @server_function
    def stop_task(_: dict[str, Any]) -> dict[str, Any]:
        tasks.stop()
        return tasks.status()

    @server_function
    def task_status(_: dict[str, Any]) -> dict[str, Any]:
        return tasks.status()

    shown = view(
        "models-shelf",
        "tabs/models/shelf.js",
        "pg-shelf",
        empty="Looking what there is …",
        functions=[
            *(shelf_overview, shelf_details, shelf_differences, rename_model, throw_away_model, restore_model),
            *(write_note, empty_trash, measure_model, stop_task, task_status),
        ],
        events=["chosen"],
        writes=WRITES,
        measured=MEASURED,
        colors=COLORS,
        longestNote=LONGEST_NOTE,
    )

    @handler
    def use_model(value: dict[str, Any], current: str | None) -> Any:
        """The model that was chosen here becomes the one of the header; what was renamed or is gone is not shown.

        The view is told which one it is before the header's change tells it: the details stay where they are.
        """
        names = services.checkpoints.names()
        wanted = value.get("use") if value.get("instead") in (None, current) else current
        model = next((name for name in (wanted, current, *names) if name in names), None)
        return gr.update(choices=names, value=model), {"model": model, "chosenHere": True}

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    shown.chosen(use_model, [shown, page.model], [page.model, shown], api_name="use_model", **quiet)
    # What was made meanwhile appears, and the model of the header is shown.
    look = "(model) => ({ model, opened: Date.now() })"
    gr.on([page.tab.select, page.model.change], None, page.model, shown, js=look, api_name="look_at_shelf")
