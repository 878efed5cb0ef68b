"""Models tab: every checkpoint with where it comes from, what is known of it, and what can be done with it."""

import gradio as gr

from playground.services.services import Services
from playground.tabs.models import arena, browse, import_export
from playground.tabs.models.cards import ModelCards
from playground.tabs.models.tasks import ModelTasks
from playground.ui.components import Page, intro


def build(services: Services, page: Page) -> None:
    library = services.workspace
    tasks, cards = ModelTasks(services.checkpoints, services.jobs), ModelCards(library, services.preferences)
    intro(
        "Every model that was made or imported here: where it comes from, how good it is, and what it can be used for."
    )
    with gr.Tabs(elem_id="models-parts"):
        with gr.Tab("All models", id="shelf", elem_id="models-part-shelf"):
            browse.build(services, page, library, cards, tasks)
        with gr.Tab("Ranking", id="arena", elem_id="models-part-arena") as tab:
            arena.build(services, page, tab, cards)
        with gr.Tab("Import and export", id="bring", elem_id="models-part-bring"):
            import_export.build(services, page, tasks)
