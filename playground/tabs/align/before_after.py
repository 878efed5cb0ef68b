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
from playground.tabs.align import decisive, dial
from playground.tabs.align.comparison import MOST_PROMPTS, MOST_TOKENS, Comparison, Question
from playground.ui.components import Page, about, bind, offer, view
from playground.ui.errors import handler, server_function
from playground.ui.press import message_line, press

NONE = ("none", "")
GOAL = 20  # blind votes
ABOUT = (
    "Two models answer the same held-out prompts with the same seeds, so that what differs is what was learned. "
    "Compare an aligned model with its parent, then vote blindly yourself: do you see a difference? A rule prefers an "
    f"answer that does what its name says; a reward model must read their vocabulary. At most {MOST_PROMPTS} prompts; "
    "the temperature has the same scale as in Chat, and another seed gives other answers."
)
ABOUT_BLIND = (
    "One answer of each model, sides at random, names hidden until you have voted. Vote with the keys 1 and 2; once "
    "you have pressed Compare, the win rate by votes stands above."
)
BLIND = Sampling(max_new_tokens=MOST_TOKENS, temperature=0.8)


def build(services: Services, page: Page, tab: gr.Tab, runs: gr.HTML) -> None:
    comparison = Comparison(services.checkpoints, services.preferences)

    @server_function
    def follow_comparison(request: dict[str, Any]) -> dict[str, Any]:
        return comparison.status(request["number"], request["since"])

    @server_function
    def stop_comparison(_: dict[str, Any]) -> dict[str, Any]:
        comparison.stop()
        return {}

    with gr.Row(elem_classes="pg-work"):
        with gr.Column(elem_classes="pg-controls"):
            chosen = controls()
            start = gr.Button("Compare", variant="primary", elem_id="compare-start")
            said = message_line("compare-said")
        with gr.Column():
            bind([dial.build(services), decisive.build(services)], page, model=chosen["after"])
            answers = view(
                "compare-view",
                "tabs/align/comparison.js",
                "pg-compare",
                empty="Press Compare: the first answers come within seconds, and who wins is counted as they come.",
                functions=[follow_comparison, stop_comparison],
            )
            with gr.Accordion(f"Blind vote: {GOAL} pairs", open=False, elem_id="compare-blind"):
                about(ABOUT_BLIND, "Which of the two do you prefer?")
                blind = voting(services.labelling, "align-vote", wish, empty="Choose two models that answer.")
    keep_pickers(services, page, tab, runs, chosen)
    wire(page, comparison, chosen, start, said, answers, blind)


def controls() -> dict[str, Any]:
    about(ABOUT, "Two models, the same prompts")
    size: dict[str, Any] = {"min_width": 140}
    number: dict[str, Any] = {"precision": 0, "min_width": 90}
    with gr.Row(elem_classes="pg-numbers"):
        before = gr.Dropdown([], label="Before", elem_id="compare-before", **size)
        after = gr.Dropdown([], label="After", elem_id="compare-after", **size)
    rules = [NONE, *((rule.title, name) for name, rule in RULES.items())]
    with gr.Row(elem_classes="pg-numbers"):
        rule = gr.Dropdown(rules, value="", label="Judged by a rule", elem_id="compare-rule", **size)
        reward_model = gr.Dropdown([NONE], value="", label="By a reward model", elem_id="compare-reward", **size)
    with gr.Row(elem_classes="pg-numbers"):
        count = gr.Number(50, label="Prompts", elem_id="compare-count", **number)
        temperature = gr.Number(0.8, label="Temperature", elem_id="compare-temperature", min_width=90)
        seed = gr.Number(0, label="Seed", elem_id="compare-seed", **number)
    bits = gr.Checkbox(
        False,
        label="Also measure what was forgotten",
        info="Bits per byte on held-out plays, before and after; takes longer",
        elem_id="compare-bits",
    )
    return {
        **{"before": before, "after": after, "rule": rule, "reward_model": reward_model},
        **{"count": count, "temperature": temperature, "seed": seed, "with_bits": bits},
    }


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
    def refresh(before: str | None, after: str | None, rule: str, reward_model: str | None) -> list[Any]:
        shown = (before, after, rule, reward_model)
        names, rewards = services.checkpoints.chat_names(), services.checkpoints.reward_models()
        fresh = after not in names
        if fresh:
            after = latest_aligned(names, services)  # as long as there is none, one that comes will be picked
        if fresh or before not in names:
            before = before_of(after, names, services)
        if fresh or reward_model not in rewards:
            reward_model = reward_of(after, services)
        rule = rule_that_voted(services) if fresh and not rule else rule
        judges = [NONE, *((name, name) for name in rewards)]
        offered: list[dict[str, Any]] = [{"choices": names}, {"choices": names}, {}, {"choices": judges}]
        wanted = before, after, rule, reward_model
        return [offer(*each) for each in zip(offered, shown, wanted, strict=True)]

    @handler
    def look_at_latest(rule: str) -> list[Any]:
        return refresh(None, None, rule, None)

    @handler
    def suit(after: str) -> list[Any]:
        return [before_of(after, services.checkpoints.chat_names(), services), reward_of(after, services)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    # One after the other: of several at once, each would fill the empty form again, over what was chosen meanwhile.
    events = [page.blocks.load, page.tab.select, tab.select, before.focus, after.focus]
    gr.on(events, refresh, pickers, pickers, api_name="refresh_comparison", **quiet)
    runs.changed(look_at_latest, chosen["rule"], pickers, api_name="compare_latest", **quiet)
    after.input(suit, after, [before, chosen["reward_model"]], api_name="suit_comparison", **quiet)


def wire(
    page: Page,
    comparison: Comparison,
    chosen: dict[str, Any],
    start: gr.Button,
    said: gr.HTML,
    answers: gr.HTML,
    blind: gr.HTML,
) -> None:
    def compare(values: dict[Any, Any]) -> dict[Any, Any]:
        given = {name: values[widget] for name, widget in chosen.items()}
        for name in ("count", "temperature", "seed"):
            if given[name] is None:
                raise ValueError(f"{'prompts' if name == 'count' else name} is empty: type a number")
        comparison.start(Question(**given | {"before": given["before"] or "", "after": given["after"] or ""}))
        return {answers: look()}

    def look() -> dict[str, Any]:
        return {"opened": time.time()}

    press(start, compare, set(chosen.values()), [answers], busy="Starting …", said=said, api_name="compare")
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    for seen in (page.blocks.load, blind.changed):  # it may be going on since before a reload; a vote changes a rate
        seen(look, None, answers, api_name="look_at_comparison", **quiet)
    models = [chosen["before"], chosen["after"]]
    gather = f"(before, after) => ({{ before, after, goal: {GOAL} }})"
    changes = [page.blocks.load, *(picker.change for picker in models)]
    gr.on(changes, None, models, blind, js=gather, api_name="vote_blind_on")
