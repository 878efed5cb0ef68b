"""Models tab: every checkpoint with where it comes from, what is known of it, and what can be done with it."""

import gradio as gr

from core.library import Library
from playground.chores import Chores
from playground.services import Services
from playground.shelf import Shelf
from playground.tabs.models import arena, bring, shelf
from playground.widgets import Page, intro


def build(services: Services, page: Page) -> None:
    library = Library(services.checkpoints.directory)
    chores, view = Chores(services.checkpoints, services.jobs), Shelf(library, services.preferences)
    intro(
        "Every model that was made or brought here, the family that it belongs to, and what was measured of it.",
        "Click through the family tree from the vocabulary to an aligned model, then compare two of them.",
    )
    with gr.Tabs(elem_id="models-parts"):
        with gr.Tab("All models", id="shelf", elem_id="models-part-shelf"):
            shown = shelf.build(services, page, library, view, chores)
        with gr.Tab("Blind arena", id="arena", elem_id="models-part-arena") as tab:
            arena.build(services, page, tab, view)
        with gr.Tab("Bring and take", id="bring", elem_id="models-part-bring"):
            bring.build(services, page, library, chores, shown)
