"""Chat tab: talk with one model or two, see how each token was drawn, and look inside one."""

import gradio as gr

from playground.services.services import Services
from playground.tabs.chat import conversations, inside, next_token, settings, talk
from playground.tabs.chat.conversation_store import ConversationStore
from playground.tabs.chat.token_inspection import TokenInspector
from playground.ui.components import Page, bind, intro


def build(services: Services, page: Page) -> None:
    inspector, store = TokenInspector(services.checkpoints), ConversationStore(services.workspace.directory)
    intro(
        "A base model continues your text; a fine-tuned one answers it.",
        "Set a second model beside the first, ask for a voice, or switch the X-ray on and click a token.",
    )
    with gr.Row(elem_classes="pg-work pg-main-first"):
        with gr.Column(elem_classes="pg-controls"):
            conversations.build(services, store)
            settings.build(services)
            next_token.build(services, inspector)
        with gr.Column(elem_classes="pg-chat"):
            settings.build_manner(services)
            log = talk.log(services, page, inspector, store)
            inside.build(services, inspector)
            text = talk.composer(page)
    bind(log, page, model=page.model, draft=text)
