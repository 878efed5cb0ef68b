"""The settings of the tab: who answers, in whose voice, and how each token is drawn. A script draws their controls."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.checkpoint import read_card
from core.config import leaves, setting_of
from core.conversation import personas
from core.generate import Sampling
from core.packed_model import PRECISIONS
from playground.panels.stage_form.fields import describe
from playground.services.checkpoints import Checkpoints
from playground.services.services import Services
from playground.ui.components import view
from playground.ui.errors import explain, server_function
from playground.ui.form_values import parse

MAIN = ("temperature", "top_p", "top_k", "max_new_tokens")  # in sight; the others are folded away
NOT_SHAPING = ("max_new_tokens", "seed")  # the settings that no preset changes


@dataclass(frozen=True)
class Preset:
    """Settings of sampling that go together, and what they are for."""

    name: str
    about: str
    sampling: Sampling

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.sampling.to_dict().items() if name not in NOT_SHAPING}


PRESETS = (
    Preset("Precise", "Close to the likeliest words: sounder, sooner the same", Sampling(temperature=0.4, top_p=0.9)),
    Preset(
        "Balanced",
        "What you begin with, chosen by measurement: bard-chat follows 95 % of 596 instructions so, and did not answer "
        "any of 300 lines twice alike; at a temperature of 0.8 it says more different things, and follows 92 %",
        Sampling(),
    ),
    Preset("Wild", "Unlikely words have their chance: more ideas, more nonsense", Sampling(temperature=1.3, top_p=1.0)),
    Preset("The model's own", "Its probabilities as they are, nothing ruled out", Sampling(temperature=1.0, top_p=1.0)),
)


def sampling(values: dict[str, Any]) -> Sampling:
    """From what the controls hold. Raises ValueError naming what is empty or out of range."""
    return parse(Sampling, values)


def build(services: Services) -> gr.HTML:
    """How each token is drawn."""
    on_cpu = services.checkpoints.device.type == "cpu"  # elsewhere the model writes as it is
    return view(
        "chat-settings",
        "tabs/chat/settings.js",
        "pg-chat-settings",
        fields=fields(),
        presets=[{"name": preset.name, "about": preset.about, "values": preset.values} for preset in PRESETS],
        precisions=list(PRECISIONS.items()) if on_cpu else [],
        defaults=defaults(),
    )


def build_manner(services: Services) -> gr.HTML:
    """Who answers beside the model, in whose voice, and what is read before all."""

    @server_function
    def who_can_answer(request: dict[str, Any]) -> dict[str, Any]:
        """The models, the characters, and whether the model in the header can be slid towards its parent."""
        dial = about_dial(services.checkpoints, request["model"])
        return {"models": services.checkpoints.names(), "personas": personas(), "dial": dial}

    return view("chat-who", "tabs/chat/manner.js", "pg-manner", functions=[who_can_answer])


def about_dial(checkpoints: Checkpoints, model: str) -> dict[str, str]:
    """The parent of a model; "" if it has none, or why they cannot be mixed."""
    if not model or not read_card(checkpoints.path(model) / "card.json").parent:
        return {"parent": "", "why": ""}
    try:
        return {"parent": checkpoints.family([model]).name, "why": ""}
    except ValueError as error:
        return {"parent": "", "why": explain(error)}


def fields() -> list[dict[str, Any]]:
    """Of each setting of sampling what its control says, those in sight first; `range`: of a slider, if it has one."""
    every = {f.name: f for f in leaves(Sampling)}
    ordered = [every.pop(name) for name in MAIN] + [*every.values()]
    found = []
    for f in ordered:
        about = setting_of(f)
        span = [about.low, about.high, about.step] if about.step is not None else None
        found.append({**describe(f, main=f.name in MAIN), "range": span})
    return found


def defaults() -> dict[str, Any]:
    """What the controls hold where nothing was chosen."""
    return Sampling().to_dict() | {
        **{"beside": "", "persona": "", "system": "", "precision": next(iter(PRECISIONS))},
        **{"dial": 1.0, "dialled": ""},  # of the model with that name
    }
