"""Ranking: blind votes between two models, one at a time, and how all stand by them."""

from typing import Any

import gradio as gr

from core.generate import Sampling
from playground.panels.voting.panel import voting
from playground.services.labelling.voting_settings import HELD_OUT, VotingSettings
from playground.services.services import Services
from playground.tabs.models.cards import ModelCards
from playground.ui.components import Page, view
from playground.ui.errors import handler, server_function

FIGHT = Sampling(max_new_tokens=80, temperature=0.8)


def wish(values: dict[str, Any]) -> VotingSettings:
    """Who meets whom. Raises ValueError that says what to choose."""
    one, other = values["one"], values["other"]
    if not one or not other:
        raise ValueError("choose two models that answer")
    if one == other:
        raise ValueError("choose two different models: there is nothing to tell apart")
    return VotingSettings((one, other), FIGHT, HELD_OUT, source="arena", repeats=False)


def build(services: Services, page: Page, tab: gr.Tab, cards: ModelCards) -> None:
    @server_function
    def arena_standings(_: dict[str, Any]) -> dict[str, Any]:
        return {"standings": cards.arena()}

    with gr.Row(equal_height=False, elem_classes="pg-ranking"):
        with gr.Column(scale=3, min_width=320):
            with gr.Row(elem_classes="pg-numbers"):
                one = gr.Dropdown([], label="Model 1", elem_id="arena-one", min_width=150)
                other = gr.Dropdown([], label="Model 2", elem_id="arena-other", min_width=150)
            vote = voting(services.labelling, "arena-vote", wish, empty="Choose two models that answer.")
        with gr.Column(scale=2, min_width=280):
            table = view(
                "arena-table",
                "tabs/models/standings.js",
                "pg-arena",
                empty="Nobody has voted between two models yet.",
                functions=[arena_standings],
            )

    @handler
    def refresh_arena(chosen: str | None, against: str | None) -> list[Any]:
        """The models that can meet: those that answer."""
        names = services.checkpoints.chat_names()
        chosen = chosen if chosen in names else next(iter(names), None)
        against = against if against in names else next((name for name in names if name != chosen), None)
        return [gr.update(choices=names, value=chosen), gr.update(choices=names, value=against)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    gr.on(
        [page.tab.select, tab.select, one.focus, other.focus],
        refresh_arena,
        [one, other],
        [one, other],
        api_name="refresh_arena",
        **quiet,
    )
    js = "(one, other) => ({ one, other })"
    gr.on([one.change, other.change], None, [one, other], vote, js=js, api_name="arena_pair")
    now = "() => ({ asked: Date.now() })"
    for event in (vote.changed, page.tab.select, tab.select):
        event(None, None, table, js=now, api_name="look_at_arena")
