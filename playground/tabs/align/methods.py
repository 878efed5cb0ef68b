"""Which method, when, and when does a reward model mislead? One part of the page, which a script draws."""

from typing import Any

from core.config import leaves
from core.method_comparison_file import BEST_OF_N, DIAL, METHODS, STEERING
from core.method_comparison_settings import COMPARE, CONFIGS, GOODHART, ComparisonConfig
from core.preferences.rule_annotators import RULES
from core.stages.registry import DPO, GRPO, PPO
from playground.panels.stage_form.fields import describe
from playground.services.services import Services
from playground.tabs.align.method_comparisons import MethodComparisons
from playground.tabs.align.pictures import KL
from playground.ui.components import view
from playground.ui.errors import explain, server_function
from playground.ui.form_values import parse
from playground.ui.palette import BLUE, GREEN, LINES, ORANGE, PURPLE, SKY, YELLOW

KINDS = {COMPARE: "Which method?", GOODHART: "Goodhart at home"}
MAIN = ("parent", "rule", "votes", "length", "prompts")  # the settings that are in sight
# Of each method, the colour and the symbol: one that cannot tell the colours apart has the symbols.
LOOKS = {
    BEST_OF_N: (PURPLE, "diamond"),
    DPO: (BLUE, "circle"),
    PPO: (ORANGE, "square"),
    GRPO: (GREEN, "triangle-up"),
    DIAL: (YELLOW, "pentagon"),
    STEERING: (SKY, "x"),
}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")  # of numbers of votes


def build(services: Services) -> None:
    comparisons = MethodComparisons(services.checkpoints, services.jobs)

    @server_function
    def open_methods(_: dict[str, Any]) -> dict[str, Any]:
        """What can be chosen from, and what is chosen at first, for each kind."""
        known = services.checkpoints
        models = [[name, str(known.roots.path(name))] for name in known.chat_names()]
        first = {"parent": models[0][1]} if models else {}
        return {
            kind: {
                "values": config().to_dict() | first,
                "choices": {
                    "parent": models,
                    "rule": [[f"{r.title} ({name})", name] for name, r in RULES.items() if r.unit or kind == COMPARE],
                },
            }
            for kind, config in CONFIGS.items()
        }

    @server_function
    def plan_methods(request: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": comparisons.seconds(parse(CONFIGS[request["kind"]], request["values"]))}

    @server_function
    def start_methods(request: dict[str, Any]) -> dict[str, Any]:
        return {"name": comparisons.start(parse(CONFIGS[request["kind"]], request["values"]))}

    @server_function
    def stop_methods(request: dict[str, Any]) -> dict[str, Any]:
        comparisons.stop(request["name"])
        return {}

    @server_function
    def resume_methods(request: dict[str, Any]) -> dict[str, Any]:
        comparisons.resume(request["name"])
        return {}

    @server_function
    def delete_methods(request: dict[str, Any]) -> dict[str, Any]:
        comparisons.delete(request["name"])
        return {}

    @server_function
    def follow_methods(request: dict[str, Any]) -> dict[str, Any]:
        """The comparison that is asked for, else the latest one, of a kind or of any; and which there are."""
        kept = comparisons.kept()
        name = request["name"] or next((one for one, _, kind in kept if request["kind"] in ("", kind)), "")
        found: dict[str, Any] = {"kept": kept, "name": name, "shown": None}
        try:
            return found | ({"shown": comparisons.status(name)} if name else {})
        except ValueError as error:
            return found | {"error": explain(error)}

    view(
        "methods-view",
        "tabs/align/methods.js",
        "pg-methods",
        empty="Reading what there is …",
        functions=[
            open_methods,
            plan_methods,
            start_methods,
            stop_methods,
            resume_methods,
            delete_methods,
            follow_methods,
        ],
        kinds=[{"name": kind, "title": title, "fields": fields(CONFIGS[kind])} for kind, title in KINDS.items()],
        methods={name: {"title": METHODS[name], "color": c, "symbol": symbol} for name, (c, symbol) in LOOKS.items()},
        votes=[{"color": color, "symbol": symbol} for color, symbol in zip(LINES, SYMBOLS, strict=True)],
        kl=KL,
    )


def fields(config: type[ComparisonConfig]) -> list[dict[str, Any]]:
    """Its settings, those in sight first. A rule is chosen by what it likes."""
    every = {f.name: f for f in leaves(config)}
    ordered = [*MAIN, *(name for name in every if name not in MAIN)]
    found = [describe(every[name], name in MAIN) for name in ordered]
    return [one | ({"kind": "name"} if one["name"] == "rule" else {}) for one in found]
