"""What is voted on: whose answers, to which prompts, drawn how, and in which order."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from core.config import leaves, plural
from core.datasets.preference_files import OVERALL
from core.datasets.prompts import read_prompts
from core.generate import Sampling
from core.preferences.pair_generation import PAIR_SAMPLING
from playground.services import uploads
from playground.services.labelling.voting_settings import LEAST_SURE, OTHERS, PLAYS, RANDOM, TYPED, VotingSettings
from playground.services.services import Services
from playground.ui.components import Page, offer, summarise
from playground.ui.errors import explain
from playground.ui.forms import widget
from playground.ui.press import message, message_line
from playground.ui.text import page_text

ONE, TWO = "one model", "compare two models"
DRAWN = ("max_new_tokens", "temperature", "top_p")  # the settings that matter to answers
NEXT = [
    ("at random", RANDOM),
    ("the one the predictor is least sure of", LEAST_SURE),
    ("one that others have voted on", OTHERS),
]
FILES = [".txt", ".jsonl"]
GOAL = 30
SAMPLING = replace(PAIR_SAMPLING, temperature=0.8)  # answers that differ and make sense: at 1, half are nonsense
PROMPTS = {PLAYS: "from the plays", TYPED: "typed by you"}
# What is chosen, in a line. A list of prompts of one's own goes by the name of its file.
SUMMARY = f"""(mode, model, other, prompts, order) => {{
  const answers = mode === "{TWO}" ? `${{model}} against ${{other}}` : (model ?? "no model that answers");
  const from = {json.dumps(PROMPTS)}[prompts] ?? `from ${{prompts.split(/[\\\\/]/).at(-1)}}`;
  const next = {json.dumps({key: text for text, key in NEXT})}[order];
  return [answers, `prompts ${{from}}`, next, "change"].join(" · ");
}}"""


@dataclass(frozen=True)
class Chosen:
    """The controls, and how their values become a wish."""

    services: Services
    widgets: dict[str, Any]

    @property
    def model(self) -> gr.Dropdown:
        picker: gr.Dropdown = self.widgets["model"]
        return picker

    def read(self, values: dict[str, Any]) -> VotingSettings:
        """Raises ValueError that says what to choose."""
        model, other = values["model"], values["other"] if values["mode"] == TWO else values["model"]
        if not model:
            raise ValueError("no model here answers yet: fine-tune one on instructions in the Train tab")
        if not other or (values["mode"] == TWO and model == other):
            raise ValueError("choose two different models to compare")
        if missing := [name for name in DRAWN if values[name] is None]:
            raise ValueError(f"{missing[0]} is empty: type a number")
        prompts = values["prompts"]
        if prompts not in [path for _, path in lists(self.services)]:
            raise ValueError("this list of prompts is not there any more: choose another one")
        return VotingSettings(
            (model, other),
            Sampling(**{name: values[name] for name in DRAWN}),
            prompts,
            page_text(values["typed"] or ""),
            "label" if model == other else "compare",
            values["order"],
            criterion=values.get("criterion", OVERALL),
        )


def prompts_directory(services: Services) -> Path:
    return services.checkpoints.directory / "data" / "prompts"


def lists(services: Services) -> list[tuple[str, str]]:
    own = uploads.kept(prompts_directory(services), FILES)
    return [*((title, key) for key, title in PROMPTS.items()), *own]


def build(services: Services, page: Page) -> Chosen:
    with gr.Accordion("What is voted on", elem_id="label-choices", elem_classes="pg-folded") as folded:
        mode = gr.Dropdown([ONE, TWO], value=ONE, label="Answers of", elem_id="label-mode", min_width=150)
        model = gr.Dropdown([], label="Model", elem_id="label-model", min_width=150)
        other = gr.Dropdown([], label="Second model", elem_id="label-other", min_width=150, visible=False)
        prompts = gr.Dropdown(lists(services), value=PLAYS, label="Prompts", elem_id="label-prompts", min_width=150)
        order = gr.Dropdown(NEXT, value=RANDOM, label="Next pair", elem_id="label-order", min_width=150)
        by_name = {f.name: f for f in leaves(Sampling)}
        drawn = {name: widget(by_name[name], getattr(SAMPLING, name), None, "label") for name in DRAWN}
        goal = gr.Number(
            GOAL, precision=0, minimum=0, label="Goal", info="Votes to give; 0 = none", elem_id="label-goal"
        )
        typed = gr.Textbox(
            label="Your prompts",
            info="One a line, and at least two if a model is to learn from the votes",
            lines=3,
            max_lines=8,
            elem_id="label-typed",
            max_length=100_000,
            visible=False,
        )
        upload = gr.UploadButton(
            f"Use a list of prompts of yours ({', '.join(FILES)})", file_types=FILES, elem_id="label-upload", size="sm"
        )
        said = message_line("label-upload-said")
    summarise(folded, page, SUMMARY, mode, model, other, prompts, order)
    widgets = {"mode": mode, "model": model, "other": other, "prompts": prompts, "typed": typed, "order": order}
    chosen = Chosen(services, widgets | drawn | {"goal": goal})
    wire(chosen, services, page, upload, said)
    return chosen


def wire(chosen: Chosen, services: Services, page: Page, upload: gr.UploadButton, said: gr.HTML) -> None:
    mode, model, other, prompts, typed = (chosen.widgets[n] for n in ("mode", "model", "other", "prompts", "typed"))

    def refresh(first: str | None, second: str | None, header: str | None) -> list[Any]:
        names = services.checkpoints.chat_names()
        one = next((name for name in (first, header, *names) if name in names), None)
        two = next((name for name in (second, *names) if name in names and name != one), None)
        return [offer({"choices": names}, first, one), offer({"choices": names}, second, two)]

    def follow(header: str | None) -> Any:
        return header if header in services.checkpoints.chat_names() else gr.skip()

    def use_file(path: str) -> dict[Any, Any]:
        try:
            count = len(read_prompts(Path(path)))
        except Exception as error:
            return {said: message(explain(error), trouble=True)}
        kept = str(uploads.keep(path, prompts_directory(services)))
        return {
            prompts: gr.update(choices=lists(services), value=kept),
            said: message(f"{plural(count, 'prompt')} of {page_text(Path(path).name)}."),
        }

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    pickers: list[Any] = [[model, other, page.model], [model, other]]
    page.opened.then(refresh, *pickers, api_name="refresh_label", **quiet)
    gr.on([page.tab.select, model.focus, other.focus], refresh, *pickers, api_name="refresh_label", **quiet)
    page.model.change(follow, page.model, model, api_name="follow_header", **quiet)
    mode.change(lambda what: gr.update(visible=what == TWO), mode, other, api_name="label_mode", **quiet)
    prompts.change(lambda what: gr.update(visible=what == TYPED), prompts, typed, api_name="label_prompts", **quiet)
    upload.upload(use_file, upload, [prompts, said], api_name="use_prompts", **quiet)
