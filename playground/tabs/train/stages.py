"""What can be done to a model in this tab, and the controls that only one of these stages has."""

from typing import Any

import gradio as gr

from core.model import PRESETS, GPTConfig
from core.stages.classify import RECIPES, ClassifyConfig
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from playground.panels.stage_form import cost
from playground.panels.stage_form.panel import Spec, StageForm, paths, uploaded
from playground.services.services import Services
from playground.ui.errors import handler

TEXTS, CONVERSATIONS, TABLES = [".txt"], [".json", ".jsonl"], [".csv"]
ABOUT = {
    "pretrain": "From random weights, or on from a checkpoint, on a plain text: every next token is a lesson.",
    "sft": "From a model that continues texts to one that answers and obeys: only the answers are lessons.",
    "classify": "From a language model to one that sorts texts: a new head reads the state at a text's last token.",
}


def texts(services: Services) -> dict[str, list[Any]]:
    vocabularies = ["train", "gpt2", *services.vocabularies.paths()]
    parents = [("random weights", ""), *paths(services.checkpoints.names(), services)]
    corpora = [*cost.DATA["pretrain"], *uploaded(TEXTS, services)]
    return {"corpus": corpora, "tokenizer": vocabularies, "init_from": parents}


def conversations(services: Services) -> dict[str, list[Any]]:
    return fine_tuning("sft", CONVERSATIONS, services)


def labelled(services: Services) -> dict[str, list[Any]]:
    return fine_tuning("classify", TABLES, services)


def fine_tuning(stage: str, files: list[str], services: Services) -> dict[str, list[Any]]:
    data = [*cost.DATA[stage], *uploaded(files, services)]
    return {"data": data, "parent": paths(services.checkpoints.names(), services)}


def with_parent(stage: str, services: Services) -> Any:
    """The stage's defaults, with a parent that is there."""
    parents = paths(services.checkpoints.names(), services)
    return STAGES[stage].config.from_dict({"parent": parents[0][1]} if parents else {})


PRETRAIN = Spec(
    stage="pretrain",
    title="Pre-train",
    prefix="setting",
    id="train",
    main=("corpus", "max_steps", "batch_size", "learning_rate", "vocab_size"),
    data="corpus",
    files=TEXTS,
    stem="nano",
    defaults=lambda services: PretrainConfig.preset("nano"),
    choices=texts,
)
SFT = Spec(
    stage="sft",
    title="Instructions",
    prefix="sft",
    id="sft",
    main=("parent", "data", "method", "max_steps", "learning_rate"),
    data="data",
    files=CONVERSATIONS,
    stem="chat",
    defaults=lambda services: with_parent("sft", services),
    choices=conversations,
)
CLASSIFY = Spec(
    stage="classify",
    title="Classify",
    prefix="classify",
    id="classify",
    main=("parent", "data", "train_what", "max_steps", "learning_rate"),
    data="data",
    files=TABLES,
    stem="classes",
    defaults=lambda services: with_parent("classify", services),
    choices=labelled,
)


# --- the size of a new model, and what suits the part that is trained -------------------------------------------------


def presets() -> gr.Dropdown:
    return gr.Dropdown(
        [(f"{name} · {millions(GPTConfig.preset(name).n_params)}", name) for name in PRESETS],
        value="nano",
        label="preset",
        info="Size of the model, with settings that suit it",
        elem_id="train-preset",
    )


def millions(n: int) -> str:
    return f"{n / 1e6:.1f}M" if n < 1e8 else f"{n / 1e6:.0f}M"


def fill_by_preset(c: StageForm, services: Services) -> None:
    """The chosen size fills the form."""
    assert c.size is not None

    @handler
    def fill(preset: str) -> dict[Any, Any]:
        return c.form.show(PretrainConfig.preset(preset)) | {c.name: services.jobs.free_names(preset)[0]}

    c.size.input(fill, c.size, [*c.settings, c.name], api_name="preset", show_progress="hidden")


def suit_what_is_trained(c: StageForm) -> None:
    """The less is trained, the larger the steps: the form takes the recipe."""
    widgets = c.form.widgets

    @handler
    def suit(train_what: str) -> dict[Any, Any]:
        suited = ClassifyConfig.preset(train_what).to_dict()
        return {widgets[name]: suited[name] for name in RECIPES[train_what]}

    changed = [widgets[name] for name in RECIPES["all"]]
    widgets["train_what"].input(suit, widgets["train_what"], changed, api_name="suit", show_progress="hidden")
