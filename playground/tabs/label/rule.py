"""A simulated annotator: a rule votes on a model's answers, so that what follows can be tried and checked."""

import time
from typing import Any

import gradio as gr

from core.preferences.rule_annotators import RULES
from playground.services.services import Services
from playground.tabs.label.rule_annotator import RuleVoting
from playground.ui.components import Page, about, view
from playground.ui.errors import server_function
from playground.ui.press import message_line, press


def build(services: Services, page: Page, model: gr.Dropdown) -> None:
    voter = RuleVoting(services.checkpoints, services.preferences)

    @server_function
    def follow_rule(_: dict[str, Any]) -> dict[str, Any]:
        return voter.status()

    def start(name: str | None, rule: str, count: int | None) -> dict[Any, Any]:
        voter.start(name, rule, count or 0)
        return {progress: {"begun": time.time()}}

    def explain(rule: str) -> Any:
        return gr.update(info=RULES[rule].about)

    about(
        "A rule can vote in your place on answers of the chosen model: then one can check what is learned from its "
        "votes. Let “asks a question” give 200 votes, train on them in the Align tab, and count the questions.",
        "Votes by a rule",
    )
    first = next(iter(RULES))
    with gr.Row(elem_classes="pg-toolbar"):
        rule = gr.Dropdown(
            [(rule.title, key) for key, rule in RULES.items()],
            value=first,
            label="Rule",
            info=RULES[first].about,
            elem_id="rule-rule",
            scale=3,
        )
        count = gr.Number(
            200,
            precision=0,
            minimum=1,
            maximum=5000,
            label="Votes",
            info="That prefer an answer",
            elem_id="rule-count",
            min_width=150,
        )
        begin = gr.Button("Let it vote", variant="primary", elem_id="rule-start", min_width=130)
        stop = gr.Button("Stop", variant="stop", elem_id="rule-stop", min_width=90)
    said = message_line("rule-said")
    progress = view("rule-view", "tabs/label/rule.js", "pg-rule", functions=[follow_rule])
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    rule.change(explain, rule, rule, api_name="explain_rule", **quiet)
    press(begin, start, [model, rule, count], [progress], busy="Starting …", said=said, api_name="let_a_rule_vote")
    stop.click(voter.stop, None, None, api_name="stop_rule", **quiet)
    page.blocks.load(lambda: {"begun": time.time()}, None, progress, api_name="follow_rule", **quiet)
