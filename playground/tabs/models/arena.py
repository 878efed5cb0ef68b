"""Ranking: blind votes between two models, one at a time, and how all stand by them."""

from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from core.generate import Sampling
from playground.panels.voting.panel import voting
from playground.services.checkpoints import Checkpoints, answers
from playground.services.labelling.voting_settings import ANY_TWO, HELD_OUT, TYPED, VotingSettings
from playground.services.services import Services
from playground.tabs.models.cards import ModelCards
from playground.ui.components import Page, offer, view
from playground.ui.errors import handler, server_function
from playground.ui.text import page_text

FIGHT = Sampling(max_new_tokens=80, temperature=0.8)
ANY, _ = ANY_TWO
ANY_TITLE = "Any two, drawn at random"
ITSELF, ITSELF_TITLE = "", "Its own dial"  # in place of a second model: two points of the first one's dial meet
LONGEST = 2000  # characters of a prompt


def wish(checkpoints: Checkpoints, values: dict[str, Any]) -> VotingSettings:
    """Who meets whom. Raises ValueError that says what to choose."""
    one, other, typed = values["one"], values["other"], page_text(values["prompt"] or "").strip()
    if one != ANY and (not one or other is None):
        raise ValueError("choose two models that answer")
    if one != ANY and one == other:
        raise ValueError("choose two different models: there is nothing to tell apart")
    turned = one if one != ANY and other == ITSELF else ""
    models = ANY_TWO if one == ANY else (one, dial_parent(checkpoints, one) if turned else other)
    prompts = TYPED if typed else HELD_OUT
    return VotingSettings(models, FIGHT, prompts, typed, source="arena", repeats=False, dial_of=turned)


def dial_parent(checkpoints: Checkpoints, one: str) -> str:
    """Where the dial of the model called `one` begins. Raises ValueError in words if no answers come from there."""
    parent = checkpoints.parent(one)
    if not answers(checkpoints.path(parent)):
        raise ValueError(f"{parent}, from which {one} was made, does not answer: choose a child of a model that does")
    return parent


def opponents(checkpoints: Checkpoints, one: str) -> list[tuple[str, str]]:
    """(what is read, name) of what may meet the model called `one`: what answers, and its own dial, if it has one."""
    names = [(name, name) for name in checkpoints.chat_names()]
    with suppress(ValueError):
        dial_parent(checkpoints, one)
        names.append((ITSELF_TITLE, ITSELF))
    return names


def build(services: Services, page: Page, tab: gr.Tab, cards: ModelCards) -> None:
    @server_function
    def arena_standings(_: dict[str, Any]) -> dict[str, Any]:
        return cards.arena()

    with gr.Row(equal_height=False, elem_classes="pg-ranking"):
        with gr.Column(scale=3, min_width=320):
            with gr.Row(elem_classes="pg-numbers"):
                one = gr.Dropdown([(ANY_TITLE, ANY)], value=ANY, label="Model 1", elem_id="arena-one", min_width=150)
                other = gr.Dropdown([], label="Model 2", elem_id="arena-other", min_width=150, visible=False)
                prompt = gr.Textbox(
                    label="Prompt",
                    placeholder="Your own, or lines from the plays",
                    elem_id="arena-prompt",
                    max_lines=1,
                    max_length=LONGEST,
                )
            read = partial(wish, services.checkpoints)
            vote = voting(services.labelling, "arena-vote", read, empty="Looking which models answer …")
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
        first = chosen if chosen in names else ANY
        others, second = opponents(services.checkpoints, first), against
        if against not in [name for _, name in others]:
            second = next((name for name in names if name != first), None)
        all_names = [(ANY_TITLE, ANY), *names]
        return [offer({"choices": all_names}, chosen, first), offer({"choices": others}, against, second)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    gr.on(
        [page.tab.select, tab.select, one.focus, other.focus],
        refresh_arena,
        [one, other],
        [one, other],
        api_name="refresh_arena",
        **quiet,
    )
    one.change(lambda one: gr.update(visible=one != ANY), one, other, api_name="arena_other", **quiet)
    js = "(one, other, prompt) => ({ one, other, prompt })"
    leave = "() => document.activeElement.blur()"  # by Enter: then the keys vote
    prompt.submit(None, None, None, js=leave, api_name="arena_prompt")
    changes = [tab.select, one.change, other.change, prompt.change]
    gr.on(changes, None, [one, other, prompt], vote, js=js, api_name="arena_pair")
    now = "() => ({ asked: Date.now() })"
    for event in (vote.changed, page.tab.select, tab.select):
        event(None, None, table, js=now, api_name="look_at_arena")
