"""Before and after: the same prompts and seeds for two models, side by side; who wins; and a blind vote."""

import time
from typing import Any

import gradio as gr

from core.checkpoint import Card, read_card
from core.generate import Sampling
from core.preferences.rule_annotators import RULES, rule_behind
from core.stages.registry import is_aligned
from playground.panels.voting.panel import voting
from playground.services.labelling.voting_settings import HELD_OUT, VotingSettings
from playground.services.services import Services
from playground.tabs.align.comparison import MOST_PROMPTS, MOST_TOKENS, Comparison, Question
from playground.ui.components import Page, intro, view
from playground.ui.errors import handler, server_function

NONE = ("none", "")
GOAL = 20  # blind votes
BLIND = Sampling(max_new_tokens=MOST_TOKENS, temperature=0.8)


def build(services: Services, page: Page, tab: gr.Tab, runs: gr.HTML) -> None:
    comparison = Comparison(services.checkpoints, services.preferences)

    @server_function
    def follow_comparison(request: dict[str, Any]) -> dict[str, Any]:
        return comparison.status(request["number"], request["since"])

    intro(
        "Two models answer the same held-out prompts with the same seeds, so that what differs is what was learned.",
        "Compare an aligned model with its parent, then vote blindly yourself: do you see a difference?",
    )
    chosen = controls()
    with gr.Row(elem_classes="pg-toolbar"):
        start = gr.Button("Compare", variant="primary", elem_id="compare-start", min_width=140)
        stop = gr.Button("Stop", variant="stop", elem_id="compare-stop", min_width=90)
    answers = view(
        "compare-view",
        "tabs/align/comparison.js",
        "pg-compare",
        empty="Press Compare: the first answers come within seconds, and who wins is counted as they come.",
        functions=[follow_comparison],
    )
    with gr.Accordion(f"Vote blind on {GOAL}: which of the two do you prefer?", open=False, elem_id="compare-blind"):
        intro(
            "One answer of each model, sides at random, names hidden until you have voted.",
            "Vote with the keys 1 and 2; once you have pressed Compare, the win rate by votes stands above.",
        )
        blind = voting(services.labelling, "align-vote", wish, empty="Choose two models that answer, above.")
    keep_pickers(services, page, tab, runs, chosen)
    wire(page, comparison, chosen, {"start": start, "stop": stop}, answers, blind)


def controls() -> dict[str, Any]:
    with gr.Row(elem_classes="pg-numbers"):
        chosen: dict[str, Any] = {
            "before": gr.Dropdown(
                [], label="before", info="Usually the parent", elem_id="compare-before", min_width=150
            ),
            "after": gr.Dropdown([], label="after", info="An aligned model", elem_id="compare-after", min_width=150),
            "rule": gr.Dropdown(
                [NONE, *((rule.title, name) for name, rule in RULES.items())],
                value="",
                label="judged by a rule",
                info="It prefers an answer that …",
                elem_id="compare-rule",
                min_width=170,
            ),
            "reward_model": gr.Dropdown(
                [NONE],
                value="",
                label="by a reward model",
                info="Of the same vocabulary",
                elem_id="compare-reward",
                min_width=150,
            ),
        }
    with gr.Row(elem_classes="pg-numbers"):
        number: dict[str, Any] = {"precision": 0, "min_width": 110}
        chosen |= {
            "count": gr.Number(50, label="prompts", info=f"At most {MOST_PROMPTS}", elem_id="compare-count", **number),
            "temperature": gr.Number(
                0.8, label="temperature", info="As in the Chat", elem_id="compare-temperature", min_width=110
            ),
            "seed": gr.Number(0, label="seed", info="Another one, other answers", elem_id="compare-seed", **number),
        }
    bits = "Also measure bits per byte on held-out plays, before and after: what was forgotten (takes longer)"
    return chosen | {"with_bits": gr.Checkbox(False, label=bits, elem_id="compare-bits")}


def wish(values: dict[str, Any]) -> VotingSettings:
    """What is voted on blindly. Raises ValueError that says what to choose."""
    before, after = values["before"], values["after"]
    if not before or not after:
        raise ValueError("choose two models that answer: one from before and one from after")
    if before == after:
        raise ValueError("choose two different models: there is nothing to tell apart")
    return VotingSettings((before, after), BLIND, HELD_OUT, source="compare", repeats=False)


# --- what is chosen at first ------------------------------------------------------------------------------------


def card_of(name: str, services: Services) -> Card:
    return read_card(services.checkpoints.roots.path(name) / "card.json")


def parent_of(name: str, services: Services) -> str | None:
    return card_of(name, services).parent


def latest_aligned(names: list[str], services: Services) -> str | None:
    aligned = [name for name in names if is_aligned(card_of(name, services))]
    return max(aligned, key=lambda name: services.checkpoints.key(name)[1], default=None)


def before_of(after: str | None, names: list[str], services: Services) -> str | None:
    """The parent, or the first other one."""
    others = [name for name in names if name != after]
    parent = parent_of(after, services) if after else None
    return parent if parent in others else next(iter(others), None)


def reward_of(after: str | None, services: Services) -> str:
    """The reward model that taught it, if it is still there."""
    name = card_of(after, services).data.get("reward_model", "") if after else ""
    return name if name in services.checkpoints.reward_models() else ""


def rule_that_voted(services: Services) -> str:
    """If most votes are by a rule, that rule."""
    most = next(iter(services.preferences.annotators()), "")
    return rule_behind(most) or ""


# --- wiring -----------------------------------------------------------------------------------------------------


def keep_pickers(services: Services, page: Page, tab: gr.Tab, runs: gr.HTML, chosen: dict[str, Any]) -> None:
    """New models appear; what was chosen stays as long as it is there; when a run ends, it is what is looked at."""
    pickers = [chosen[name] for name in ("before", "after", "rule", "reward_model")]
    before, after, _, _ = pickers

    @handler
    def refresh(before: str | None, after: str | None, rule: str, reward_model: str) -> list[Any]:
        names, rewards = services.checkpoints.chat_names(), services.checkpoints.reward_models()
        fresh = after not in names
        if fresh:
            after = latest_aligned(names, services)  # as long as there is none, one that comes will be picked
        if fresh or before not in names:
            before = before_of(after, names, services)
        if fresh or reward_model not in rewards:
            reward_model = reward_of(after, services)
        return [
            gr.update(choices=names, value=before),
            gr.update(choices=names, value=after),
            rule_that_voted(services) if fresh and not rule else rule,
            gr.update(choices=[NONE, *((name, name) for name in rewards)], value=reward_model),
        ]

    @handler
    def look_at_latest(rule: str) -> list[Any]:
        return refresh(None, None, rule, "")

    @handler
    def suit(after: str) -> list[Any]:
        return [before_of(after, services.checkpoints.chat_names(), services), reward_of(after, services)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    for event in (page.blocks.load, page.tab.select, tab.select, before.focus, after.focus):
        event(refresh, pickers, pickers, api_name="refresh_comparison", **quiet)
    runs.changed(look_at_latest, chosen["rule"], pickers, api_name="compare_latest", **quiet)
    after.input(suit, after, [before, chosen["reward_model"]], api_name="suit_comparison", **quiet)


def wire(
    page: Page,
    comparison: Comparison,
    chosen: dict[str, Any],
    buttons: dict[str, gr.Button],
    view: gr.HTML,
    blind: gr.HTML,
) -> None:
    @handler
    def start(values: dict[Any, Any]) -> dict[str, Any]:
        given = {name: values[widget] for name, widget in chosen.items()}
        for name in ("count", "temperature", "seed"):
            if given[name] is None:
                raise ValueError(f"{'prompts' if name == 'count' else name} is empty: type a number")
        comparison.start(Question(**given | {"before": given["before"] or "", "after": given["after"] or ""}))
        return look()

    @handler
    def stop() -> None:
        comparison.stop()

    def look() -> dict[str, Any]:
        return {"opened": time.time()}

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    buttons["start"].click(start, set(chosen.values()), view, api_name="compare", **quiet)
    buttons["stop"].click(stop, api_name="stop_comparison", **quiet)
    for seen in (page.blocks.load, blind.changed):  # it may be going on since before a reload; a vote changes a rate
        seen(look, None, view, api_name="look_at_comparison", **quiet)
    models = [chosen["before"], chosen["after"]]
    gather = f"(before, after) => ({{ before, after, goal: {GOAL} }})"
    changes = [page.blocks.load, *(picker.change for picker in models)]
    gr.on(changes, None, models, blind, js=gather, api_name="vote_blind_on")
